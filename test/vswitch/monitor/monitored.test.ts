// ovs-ofctl monitor against recordings of the real one (monitored.txt), and against the real one
// itself where it is installed.
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../src/base/eventually.js";
import { missingOvs, PrivateOvs } from "../../differential/ovs.js";
import { tools, words } from "../tools.js";

const FILE = join(import.meta.dirname, "monitored.txt");
const PORTS = [1, 2, 3, 4, 5];
const TIMEOUT_MS = 60_000;

interface Case {
  readonly title: string;
  /** Arguments of ovs-ofctl. */
  readonly monitor: string;
  readonly lines: readonly string[];
  readonly printed: string;
}

function readCases(text: string): Case[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((block) => {
      const [head, printed] = block.split(/^printed$/m) as [string, string];
      const [title, monitor, ...lines] = head.trim().split("\n") as [string, string, ...string[]];
      return { title, monitor, lines: lines.map((line) => line.slice(2)), printed: tidy(printed) };
    });
}

/** Without what depends on the moment, and what only the real one prints. */
function tidy(text: string): string {
  return text
    .replace(/addr:[0-9a-f:]{17}/g, "addr:MAC")
    .replace(/duration[0-9.]+s/g, "durationTs")
    .replace(/^ continuation\..*\n/gm, "")
    .trim();
}

function linesOf(text: string): number {
  return text === "" ? 0 : text.split("\n").length;
}

const CASES = readCases(readFileSync(FILE, "utf8"));

describe("ovs-ofctl monitor prints", () => {
  it.each(CASES)("$title", async ({ monitor, lines, printed }) => {
    const { run, ok } = await tools(PORTS);
    const { session, stdout, stderr } = await run(`ovs-ofctl ${monitor}`);
    expect(stderr).toBe("");
    let text = stdout;
    session!.begin(
      (more) => (text += more),
      () => undefined,
    );
    for (const line of lines) await ok(line);
    const isWhole = (): boolean => linesOf(tidy(text)) >= linesOf(printed) - 1;
    await eventually("what the switch says", isWhole, { timeoutMs: TIMEOUT_MS });
    session!.command("ofctl/barrier", []);
    session!.close();
    expect(tidy(text)).toBe(printed);
    const { length } = text;
    await ok("ovs-ofctl add-flow br0 actions=controller");
    await ok("ovs-appctl netdev-dummy/receive p1 50540000000a50540000000912340102");
    expect(text).toHaveLength(length);
  });
});

const missing = missingOvs();

describe.skipIf(missing !== "")(`the real one${missing === "" ? "" : ` (${missing})`}`, () => {
  let ovs: PrivateOvs | null = null;
  beforeAll(async () => {
    ovs = await PrivateOvs.start();
  });
  afterAll(() => ovs?.stop());

  it.each(CASES)("$title", async ({ monitor, lines, printed }) => {
    await ovs!.restart();
    const { folder } = ovs!;
    const log = join(folder, "monitor.log");
    const env = { ...process.env, OVS_RUNDIR: folder };
    const run = (tool: string, args: readonly string[], stdio: number | "ignore" = "ignore") =>
      spawnSync(tool, args, { env, stdio: ["ignore", stdio, stdio] }).status;
    const fd = openSync(log, "a");
    const daemon = ["-vconsole:off", "--detach", "--no-chdir", "--pidfile=m.pid", "--unixctl=m"];
    expect(run("ovs-ofctl", [...words(monitor), ...daemon], fd)).toBe(0);
    closeSync(fd);
    const control = join(folder, "m");
    const text = (): string => tidy(readFileSync(log, "utf8"));
    for (const line of lines) {
      const { exitCode, stderr } = ovs!.tool(words(line));
      expect([line, exitCode, stderr]).toEqual([line, 0, ""]);
    }
    const isWhole = (): boolean => linesOf(text()) >= linesOf(printed) - 1;
    await eventually("what the switch says", isWhole, { timeoutMs: TIMEOUT_MS });
    expect(run("ovs-appctl", ["-t", control, "ofctl/barrier"])).toBe(0);
    await eventually("the barrier", () => text() === printed, { timeoutMs: TIMEOUT_MS });
    expect(run("ovs-appctl", ["-t", control, "exit"])).toBe(0);
  });
});
