// `packetpath bench [NAME]`: the project's own measurements, each with its goal. They measure this
// machine as it is now: only ratios of one run may be compared. Main thread only.
import { type Command, InvalidArgumentError } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import { writeOut } from "../failure.js";

interface BenchFlags {
  readonly rounds?: number;
  readonly json?: boolean;
}

/** What a measurement found: an object for --json, and lines for people. */
export interface BenchResult {
  readonly json: object;
  readonly text: string;
}

type Bench = (flags: BenchFlags) => Promise<BenchResult>;

/** One entry per name; each is loaded when it is run. */
const BENCHES: Readonly<Record<string, Bench>> = {
  async "first-bug"({ rounds = 21 }) {
    const { benchFirstBug, firstBugText } = await import("../bench/first-bug.js");
    const json = await benchFirstBug(rounds);
    return { json, text: firstBugText(json) };
  },
  async sync({ rounds = 20 }) {
    const { benchSync, syncBenchText } = await import("../bench/sync.js");
    const json = await benchSync(rounds);
    return { json, text: syncBenchText(json) };
  },
  async explore({ rounds = 5 }) {
    const { benchExplore, exploreBenchText } = await import("../bench/explore.js");
    const json = await benchExplore(rounds);
    return { json, text: exploreBenchText(json) };
  },
  async flows({ rounds = 50 }) {
    const { benchFlows, flowsBenchText } = await import("../bench/flows.js");
    const json = benchFlows(rounds);
    return { json, text: flowsBenchText(json) };
  },
  async scale({ rounds = 3 }) {
    const { benchScale } = await import("../bench/scale/scale.js");
    return benchScale(rounds);
  },
  async peers({ rounds = 3 }) {
    const { benchPeers } = await import("../bench/peers/peers.js");
    return benchPeers(rounds);
  },
};

/** Left out when all are asked for by an ordinary user. */
const NEEDS_ROOT: readonly string[] = ["peers", "scale"];

export function addBenchCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("bench")
    .summary("measure this machine")
    .description(`Measurements: ${Object.keys(BENCHES).join(", ")}. All of them if none is named.`)
    .argument("[name]", "the measurement")
    .option("--rounds <number>", "how often to repeat", wholeNumber)
    .option("--json", "print one JSON object")
    .action(async (name: string | undefined, flags: BenchFlags) => exit(await bench(name, flags)));
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 1_000_000) return number;
  throw new InvalidArgumentError("Expected a whole number from 1 to 1000000.");
}

async function bench(name: string | undefined, flags: BenchFlags): Promise<number> {
  const names = Object.keys(BENCHES);
  if (name !== undefined && !names.includes(name)) {
    throw new PacketpathError("USAGE", `no measurement "${name}"`, {
      fix: `Use one of ${names.join(", ")}.`,
    });
  }
  const results: Record<string, object> = {};
  const isRoot = process.geteuid?.() === 0;
  for (const one of name === undefined ? names : [name]) {
    if (name === undefined && NEEDS_ROOT.includes(one) && !isRoot) {
      process.stderr.write(`left out: ${one}, which needs root\n`);
      continue;
    }
    const { json, text } = await BENCHES[one]!(flags);
    results[one] = json;
    if (flags.json !== true) await writeOut(process.stdout, text);
  }
  if (flags.json === true) {
    await writeOut(process.stdout, `${JSON.stringify({ schemaVersion: 1, ...results })}\n`);
  }
  return EXIT.asExpected;
}
