// Where every frame went: the books of the run and of each port, and the drops by reason with what
// each reason means. Pure; any thread.
import { DROP_REASONS } from "../../base/drop-reasons.js";
import { accountedFrames } from "../story.js";
import { grouped, plural, total } from "../text.js";
import type { RunReport } from "../types.js";
import { html, section, table, type Markup } from "./markup.js";

const MEANINGS: ReadonlyMap<string, string> = new Map(DROP_REASONS);

export function booksSection(report: RunReport): Markup {
  const { frames } = report;
  const dropped = total(frames.drops);
  const difference = frames.in - accountedFrames(frames);
  const result = frames.balanced
    ? html`<b class="good">✓ balanced</b>`
    : html`<b class="bad">✗ ${plural(difference, "frame")} unaccounted for</b>`;
  const cloned = frames.cloned > 0 ? ` (${grouped(frames.cloned)} of them copies)` : "";
  const equation = html`<p class="equation">
    <span>${grouped(frames.in)} in${cloned}</span> <span>= ${grouped(frames.out)} out</span>
    <span>+ ${grouped(dropped)} dropped</span>
    <span>+ ${grouped(frames.injected)} injected losses</span> ${result}
  </p>`;
  return section(
    "books",
    "Frames",
    "Every frame that was read is counted once more: as sent, or under the name of its loss.",
    html`${equation}${drops(frames.drops, dropped)}${ports(report)}`,
  );
}

/** Bars by reason, the greatest first; a table in form and in fact. */
function drops(counts: Readonly<Record<string, number>>, all: number): Markup {
  const sorted = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
  if (sorted.length === 0) return html`<p class="none">No frame was dropped.</p>`;
  const most = sorted[0]![1];
  const rows = sorted.map(([reason, count]) => {
    const share = `${((count / all) * 100).toFixed(1)} %`;
    const width = Math.max(0.5, (count / most) * 100);
    return html`<li>
      <div class="drop-head">
        <b>${reason}</b
        ><span class="num">${grouped(count)} <span class="quiet">${share}</span></span>
      </div>
      <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="bar-back" width="100" height="6" />
        <rect class="bar-fill" width="${width}" height="6" />
      </svg>
      <p class="quiet">${MEANINGS.get(reason) ?? "a reason that this version does not know"}</p>
    </li>`;
  });
  return html`<h3>Drops by reason</h3>
    <ul class="drops">
      ${rows}
    </ul>`;
}

function ports(report: RunReport): Markup | null {
  if (report.ports.length === 0) return null;
  return html`<h3>Ports</h3>
    ${table({
      caption: "Frames by port",
      head: ["port", "#number", "kind", "#in", "#out", "#dropped", "#injected"],
      rows: report.ports.map((port) => [
        port.name,
        port.number,
        port.kind,
        grouped(port.in),
        grouped(port.out),
        grouped(total(port.drops)),
        grouped(port.injected),
      ]),
    })}`;
}
