// Replays the case files in cases/: command lines of the tools of Open vSwitch and what each must
// print, letter for letter. What is expected was printed by Open vSwitch 3.1 for the same lines:
// the files are replayed against an installed one, too.
//
// A case file is a list of blocks:
//
//   === title                    a fresh switch: bridge br0 (fail mode secure), ports p1 to p5
//   file NAME                    the lines up to the next empty line are that file's
//   $ ovs-ofctl ...              a command line; the lines behind it are what it prints,
//   2> text                      on stderr where they begin so
//   ? 1                          its exit code, if it is not 0
//   # ...                        a remark, between blocks
//
// What differs from run to run is written as in `timeless` below.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer } from "../../src/vswitch/verbs/call.js";
import { missingOvs, PrivateOvs } from "../differential/ovs.js";
import { tools, words } from "./tools.js";

const FOLDER = join(import.meta.dirname, "cases");
const PORTS = [1, 2, 3, 4, 5];

interface Step {
  readonly line: string;
  /** Lines as `shown` writes an answer. */
  readonly expected: string[];
}

interface Case {
  readonly title: string;
  readonly files: Map<string, string>;
  readonly steps: Step[];
}

function readCases(text: string): Case[] {
  const cases: Case[] = [];
  let file: string | null = null;
  for (const line of text.split("\n")) {
    const last = cases.at(-1);
    if (line.startsWith("=== ")) cases.push({ title: line.slice(4), files: new Map(), steps: [] });
    else if (last === undefined) continue;
    else if (line === "") file = null;
    else if (file !== null) last.files.set(file, `${last.files.get(file) ?? ""}${line}\n`);
    else if (line.startsWith("file ")) last.files.set((file = line.slice(5)), "");
    else if (line.startsWith("$ ")) last.steps.push({ line: line.slice(2), expected: [] });
    else if (!line.startsWith("#")) last.steps.at(-1)!.expected.push(line);
  }
  return cases;
}

/** Without what depends on the moment, the process and the folder. */
function timeless(text: string): string {
  return text
    .replace(/duration=[0-9.]+s/g, "duration=Ts")
    .replace(/idle_age=\d+/g, "idle_age=A")
    .replace(/\bused:[0-9.]+s/g, "used:Ts")
    .replace(/recirc_id=(?!0\b)(0x[0-9a-f]+|\d+)/g, "recirc_id=N")
    .replace(/recirc(_id)?\((?!0\))(0x[0-9a-f]+|\d+)\)/g, "recirc$1(N)")
    .replace(/ufid:[0-9a-f-]+/g, "ufid:U")
    .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "UUID")
    .replace(/, dp-extra-info:miniflow_bits\([0-9,]+\)/g, "")
    .replace(/^\S+\|\d+\|(\w+\|(WARN|INFO)\|)/gm, "$1")
    .replace(/addr:aa:55:aa:55:00:[0-9a-f]{2}/g, "addr:MAC")
    .replace(/(unix:)?\S*\/(\w+\.mgmt)/g, "unix:$2")
    .replace(/ovs-appctl: \S+: server returned/g, "ovs-appctl: ovs-vswitchd: server returned");
}

/** An answer as case files write it; empty lines are left out, as they end nothing there. */
function shown({ stdout, stderr, exitCode }: Answer): string[] {
  const lines = (text: string): string[] =>
    timeless(text)
      .split("\n")
      .filter((line) => line !== "");
  const errors = lines(stderr).map((line) => `2> ${line}`);
  return [...lines(stdout), ...errors, ...(exitCode === 0 ? [] : [`? ${exitCode}`])];
}

/** In a case with such a title, whatever is refused leaves the flows as they were. */
const changesNothing = /change nothing$/;

async function flowsOf(run: (line: string) => Promise<Answer>): Promise<string> {
  return (await run("ovs-ofctl --no-stats dump-flows br0")).stdout;
}

const FILES = readdirSync(FOLDER).sort();

describe.each(FILES)("%s", (name) => {
  const cases = readCases(readFileSync(join(FOLDER, name), "utf8"));
  it.each(cases)("$title", async ({ title, files, steps }) => {
    const { run, files: known } = await tools(PORTS);
    for (const [file, text] of files) known.set(file, text);
    for (const { line, expected } of steps) {
      const before = await flowsOf(run);
      const answer = await run(line);
      expect.soft([line, ...shown(answer)]).toEqual([line, ...expected]);
      const isWhole = changesNothing.test(title) && answer.exitCode !== 0;
      if (isWhole) expect.soft([line, await flowsOf(run)]).toEqual([line, before]);
    }
  });
});

/** A line of the log, or of a hex dump in it. */
const LOGGED = /^2> (\w+\|(WARN|INFO)\||[0-9a-f]{8}  [0-9a-f -]+$)/;

const missing = missingOvs();

describe.skipIf(missing !== "")(`the real one${missing === "" ? "" : ` (${missing})`}`, () => {
  let ovs: PrivateOvs | null = null;
  beforeAll(async () => {
    ovs = await PrivateOvs.start();
  });
  afterAll(() => ovs?.stop());

  for (const name of FILES) {
    const cases = readCases(readFileSync(join(FOLDER, name), "utf8"));
    it.each(cases)(`${name}: $title`, async ({ files, steps }) => {
      await ovs!.restart();
      for (const { line, expected } of steps) {
        const answer = ovs!.tool(words(line), files);
        // The real ovs-ofctl is called with a silent log, whose hex dumps depend on the moment.
        const isSilent = line.startsWith("ovs-ofctl");
        const said = expected.filter((one) => !(isSilent && LOGGED.test(one)));
        expect.soft([line, ...shown(answer)]).toEqual([line, ...said]);
      }
    });
  }
});
