// Explorations that are split: one part with --shard, all parts on the cores of this machine with
// --jobs. Main thread only.
import { EXIT } from "../../base/errors.js";
import type { ExploreOptions, LoadedProgram, Strategy } from "../../explore/types.js";
import { resultText } from "./text.js";
import { writeOut } from "../failure.js";
import { writeText } from "../results.js";
import { listenForStop } from "../signals.js";

export interface PartFlags {
  readonly strategy: Strategy;
  readonly shard?: string;
  readonly jobs?: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly depth?: number;
  readonly bound?: number;
  readonly maxStates?: number;
  readonly maxSteps?: number;
  readonly maxExecutions?: number;
  readonly maxSeconds?: number;
  readonly seed?: number;
}

const JOBS_MAX = 64;

/** Explores by parts if the flags say so; the exit code, or null. */
export async function exploreParts(
  program: LoadedProgram,
  source: string,
  flags: PartFlags,
): Promise<number | null> {
  if (flags.shard !== undefined) return explorePart(program, flags.shard, flags);
  if (flags.jobs !== undefined) return exploreAll(program, source, flags);
  return null;
}

/** What the flags say to the explorer; it can be sent to a thread. */
export function optionsOf(flags: PartFlags): ExploreOptions {
  const { strategy, depth, bound, maxStates, maxSteps, maxExecutions, maxSeconds, seed } = flags;
  const all = { strategy, depth, bound, maxStates, maxSteps, maxExecutions, maxSeconds, seed };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

async function explorePart(program: LoadedProgram, text: string, flags: PartFlags) {
  const { explore } = await import("../../explore/explore.js");
  const { mustSplit, parseShard } = await import("../../explore/shard/shards.js");
  const { partOf } = await import("../../explore/shard/merge.js");
  const shard = parseShard(text);
  mustSplit(flags.strategy, "--shard");
  const options = { ...optionsOf(flags), shard };
  const part = partOf(program, explore(program, options), options);
  const json = `${JSON.stringify({ schemaVersion: 1, guard: null, profile: null, ...part })}\n`;
  if (flags.out !== undefined) writeText(flags.out, json);
  await writeOut(process.stdout, flags.json === true ? json : await resultText(part));
  // A part that has found nothing has done its work, whatever the whole will say.
  const isQuiet =
    part.shard.verdict === "SAFE" || (part.verdict === "UNDECIDED" && !isProof(flags));
  return isQuiet || part.verdict === part.expected ? EXIT.asExpected : EXIT.notAsExpected;
}

/** Whether the strategy can come to an end with SAFE. */
function isProof(flags: PartFlags): boolean {
  return flags.strategy === "dpor";
}

async function exploreAll(program: LoadedProgram, source: string, flags: PartFlags) {
  const { exploreInParallel } = await import("../../explore/shard/pool.js");
  const { mustSplit } = await import("../../explore/shard/shards.js");
  mustSplit(flags.strategy, "--jobs");
  const jobs = Math.min(flags.jobs!, JOBS_MAX);
  const stop = listenForStop((text) => process.stderr.write(`packetpath: ${text}\n`));
  try {
    const result = await exploreInParallel({
      program,
      source,
      options: optionsOf(flags),
      jobs,
      signal: stop.signal,
      onPart: (done, total) => {
        if (process.stderr.isTTY) process.stderr.write(`packetpath: part ${done} of ${total}\n`);
      },
    });
    if (result === null) return stop.exitCode() ?? EXIT.interrupted;
    const json = { schemaVersion: 1, guard: null, profile: null, ...result };
    const text = flags.json === true ? `${JSON.stringify(json)}\n` : await resultText(result);
    await writeOut(process.stdout, text);
    return result.verdict === result.expected ? EXIT.asExpected : EXIT.notAsExpected;
  } finally {
    stop.release();
  }
}
