// The run folder: everything that a run leaves behind, in files that other programs read. Called
// once at the end of a run, on the main thread. report.json is written last, and in one step, so
// that a folder which has one is complete.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PacketpathError } from "../base/errors.js";
import { reportPage } from "./html/page.js";
import { environmentJson, eventsJsonl, reportJson } from "./json.js";
import { perfettoJson } from "./perfetto.js";
import { traceText } from "./trace-lines.js";
import type { RunRecord } from "./types.js";

/** Files of a run folder, in the order they are written; captures lie beside them. */
export const RUN_FILES = [
  "events.jsonl",
  "trace.txt",
  "trace.json",
  "environment.json",
  "flows.txt",
  "report.html",
  "report.json",
] as const;
export type RunFile = (typeof RUN_FILES)[number];

/** The contents of each file of a run folder. */
export function runFiles(record: RunRecord): Readonly<Record<RunFile, string>> {
  return {
    "events.jsonl": eventsJsonl(record.events),
    "trace.txt": traceText(record.events),
    "trace.json": perfettoJson(record),
    "environment.json": environmentJson(record),
    "flows.txt": record.flowDump,
    "report.html": reportPage(record),
    "report.json": reportJson(record),
  };
}

/**
 * Writes all files of a run into `folder`, which is made if it is not there.
 * @returns the path of each file.
 * @throws PacketpathError FILE_UNUSABLE naming the folder when it cannot be written.
 */
export function writeRunFolder(folder: string, record: RunRecord): Record<RunFile, string> {
  const contents = runFiles(record);
  const paths: Partial<Record<RunFile, string>> = {};
  try {
    mkdirSync(folder, { recursive: true });
    for (const name of RUN_FILES) {
      const path = join(folder, name);
      writeFileSync(`${path}.part`, contents[name]);
      renameSync(`${path}.part`, path);
      paths[name] = path;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PacketpathError("FILE_UNUSABLE", `run folder ${folder}: ${reason}`, {
      fix: "Choose another folder with --out, or make this one writable.",
    });
  }
  return paths as Record<RunFile, string>;
}
