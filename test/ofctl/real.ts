// The real ovs-ofctl 3.1 on flow texts: it needs no daemon for parse-flow and parse-flows.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PacketpathError } from "../../src/base/errors.js";
import type { FlowMod } from "../../src/ofctl/flow-mods.js";
import { formatFlowMod } from "../../src/ofctl/format.js";
import { parseFlowMod } from "../../src/ofctl/parse.js";
import { unreadable } from "../../src/ofctl/print/unreadable.js";
import {
  chooseFormat,
  formatsOfVersions,
  formatsToString,
  versionOfFormat,
  type OpenFlowVersion,
} from "../../src/ofctl/protocols.js";

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
/** "" when it is installed, else why a test is skipped. */
export const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

const OPTIONS: Readonly<Record<OpenFlowVersion, string>> = {
  10: "OpenFlow10",
  11: "OpenFlow11",
  12: "OpenFlow12",
  13: "OpenFlow13",
  14: "OpenFlow14",
  15: "OpenFlow15",
};

const MESSAGE = /^(?:OFPT|NXT)_FLOW_MOD (?:\(OF1\.\d\) )?\(xid=0x[0-9a-f]+\): /;

/** A flow without `table=` is sent with 255 when another flow of the file has one. */
const withoutTable = (line: string): string => line.replace("ADD table:255", "ADD");

/** What `ovs-ofctl -O parse-flows` makes of a file of flows: one line each, from `ADD` on. */
export function realFlowMods(texts: readonly string[], style: OpenFlowVersion): string[] {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-flows-"));
  try {
    const file = join(folder, "flows");
    writeFileSync(file, texts.map((text) => `${text}\n`).join(""));
    const args = ["-vconsole:off", "-O", OPTIONS[style], "parse-flows", file];
    const run = spawnSync("ovs-ofctl", args, { encoding: "utf8", maxBuffer: 1 << 26 });
    if (run.status !== 0) throw new Error(run.stderr);
    const mods = run.stdout.split("\n").filter((line) => line.includes("FLOW_MOD"));
    return mods.map((line) => withoutTable(line.replace(MESSAGE, "")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ALL_VERSIONS = [10, 11, 12, 13, 14, 15] as const;

/** What `parse-flow` says of a text: its formats and message, or one sentence. */
export function realFlow(text: string): string {
  const versions = ALL_VERSIONS.map((one) => OPTIONS[one]).join(",");
  const args = ["-vconsole:off", "-O", versions, "parse-flow", "--", text];
  const run = spawnSync("ovs-ofctl", args, { encoding: "utf8" });
  if (run.status !== 0) return run.stderr.replace(/\n$/, "").replace(/^ovs-ofctl: /, "");
  const refusal = /\*\*\*decode error: (\w+)\*\*\*/.exec(run.stdout);
  if (refusal !== null) return `actions are invalid with specified match (${refusal[1]!})`;
  const [usable, , message = ""] = run.stdout.split("\n");
  return `${usable!.replace("usable protocols: ", "")}: ${message.replace(MESSAGE, "")}`;
}

/** A flow mod as parse-flows prints it in the words of a version, from `ADD` on. */
export function ourFlowMod(mod: FlowMod, style: OpenFlowVersion): string {
  const refusal = unreadable(mod, style);
  return refusal === null
    ? formatFlowMod(mod, { version: style })
    : `***decode error: ${refusal}***`;
}

/** The same from this parser and printer. */
export function ourFlow(text: string): string {
  try {
    const { mod, formats } = parseFlowMod(text, "add");
    const chosen = chooseFormat(formats & formatsOfVersions(ALL_VERSIONS));
    const style = versionOfFormat(chosen);
    const refusal = unreadable(mod, style);
    if (refusal !== null) return `actions are invalid with specified match (${refusal})`;
    const line = formatFlowMod(mod, { version: style });
    return `${formatsToString(formats)}: ${line}`;
  } catch (error) {
    if (error instanceof PacketpathError && error.code === "FLOW_INVALID") return error.message;
    throw error;
  }
}
