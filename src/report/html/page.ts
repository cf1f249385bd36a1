// report.html: one file, nothing external, verdict first. Called once at the end of a run, on any
// thread. The content security policy names the style and the script by their hashes, so that
// nothing a scenario smuggled into the page could run or be fetched, whatever else went wrong.
import { createHash } from "node:crypto";
import type { RunRecord } from "../types.js";
import { booksSection } from "./books.js";
import { latencySection } from "./latency.js";
import { html, type Markup } from "./markup.js";
import {
  environmentSection,
  faultSection,
  figures,
  header,
  kernelSection,
  lockupSection,
} from "./panels.js";
import { SCRIPT } from "./script.js";
import { STYLE } from "./style.js";
import { runOverTime } from "./time-charts.js";
import { windowSection } from "./windows.js";

/** The page as text. */
export function reportPage(record: RunRecord): string {
  const { report } = record;
  const policy =
    `default-src 'none'; style-src '${hash(STYLE)}'; ` +
    `script-src '${hash(SCRIPT)}'; base-uri 'none'; form-action 'none'`;
  const title = `${report.verdict}: ${report.scenario}, guard ${report.guard}`;
  const sections: readonly (Markup | null)[] = [
    header(record),
    figures(record),
    lockupSection(report),
    windowSection(record),
    runOverTime(record),
    faultSection(report),
    booksSection(report),
    latencySection(record),
    kernelSection(report),
    environmentSection(record),
  ];
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        ${{ markup: `<style>${STYLE}</style>` }}
      </head>
      <body>
        <main>
          ${sections}
          <footer>packetpath report, schema ${report.schemaVersion}</footer>
        </main>
        ${{ markup: `<script>${SCRIPT}</script>` }}
      </body>
    </html> `;
  return page.markup;
}

function hash(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
