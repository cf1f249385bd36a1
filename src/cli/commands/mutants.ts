// `packetpath mutants`: takes one synchronisation of the explored path away at a time, and says
// which of these mutants the matrix notices. Needs neither root nor a native library. Main thread
// only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Hunt, Result } from "../../explore/mutants/hunt.js";
import type { Mutant } from "../../explore/mutants/operators.js";
import { inShard, parseShard } from "../../explore/shard/shards.js";
import type { CaseResult } from "../../report/junit.js";
import { writeOut } from "../failure.js";
import { addResultOptions, type ResultFlags, writeResults } from "../results.js";
import { listenForStop } from "../signals.js";

interface MutantsFlags extends ResultFlags {
  readonly file?: readonly string[];
  readonly operator?: readonly string[];
  readonly shard?: string;
}

/** Of 100 mutants that load and are not equivalent, so many must be killed. */
const KILLED_MIN = 95;

export function addMutantsCommand(program: Command, exit: (code: number) => void): void {
  addResultOptions(program.command("mutants"))
    .summary("take away one synchronisation at a time: which does the explorer notice?")
    .description(
      "Takes one lock, grace period, guard test, reference, ordering store or order of two " +
        "steps away at a time, in src/path and src/models, and explores the result in cells of " +
        "the matrix that are SAFE as shipped. " +
        `Exits with 0 if at least ${KILLED_MIN} % of the mutants are killed.`,
    )
    .option("--file <file...>", "mutants of these files only, as rtnl.ts or path/core/rtnl.ts")
    .option("--operator <operator...>", "mutants by these operators only, as drop-lock")
    .option("--shard <I/N>", "one part of N of the mutants")
    .option("--json", "print the result as one JSON object")
    .action(async (flags: MutantsFlags) => exit(await mutants(flags)));
}

async function mutants(flags: MutantsFlags): Promise<number> {
  const { Hunt } = await import("../../explore/mutants/hunt.js");
  const hunt = new Hunt();
  const chosen = chooseFrom(hunt, flags);
  const stop = listenForStop((text) => process.stderr.write(`packetpath: ${text}\n`));
  const results: Result[] = [];
  for (const mutant of chosen) {
    progress(`${results.length} of ${chosen.length} mutants, at ${mutant.id}`);
    // Signals are heard between two mutants.
    await new Promise((resolve) => setImmediate(resolve));
    if (stop.exitCode() !== null) break;
    results.push(hunt.judge(mutant));
  }
  progress("");
  stop.release();
  await writeOut(process.stdout, flags.json === true ? json(hunt, results) : text(hunt, results));
  await writeResults(results.map(caseOf), flags);
  const interrupted = stop.exitCode();
  if (interrupted !== null) return interrupted;
  return score(results) >= KILLED_MIN ? EXIT.asExpected : EXIT.notAsExpected;
}

/** @throws PacketpathError USAGE when a filter leaves nothing. */
function chooseFrom(hunt: Hunt, { file, operator, shard }: MutantsFlags): Mutant[] {
  const isFile = (one: Mutant) => file?.some((name) => `/src/${one.file}`.endsWith(`/${name}`));
  const chosen = hunt.mutants
    .filter((one) => file === undefined || isFile(one))
    .filter((one) => operator?.includes(one.operator) ?? true);
  if (chosen.length === 0) {
    throw new PacketpathError("USAGE", "no mutant is of these files and operators", {
      fix: `Files with mutants: ${[...new Set(hunt.mutants.map((one) => one.file))].join(", ")}.`,
    });
  }
  const part = shard === undefined ? { index: 0, count: 1 } : parseShard(shard);
  return chosen.filter((_one, i) => inShard(i, part));
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

function counted(results: readonly Result[]) {
  const count = (fate: Result["fate"]) => results.filter((one) => one.fate === fate).length;
  const [killed, equivalent, survived] = [count("killed"), count("equivalent"), count("survived")];
  return { killed, equivalent, survived, undecided: count("undecided"), invalid: count("invalid") };
}

/** Killed ones, in percent of those that load and that are not equivalent. */
function score(results: readonly Result[]): number {
  const { killed, survived, undecided } = counted(results);
  return percent(killed, killed + survived + undecided);
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : (100 * part) / whole;
}

function json(hunt: Hunt, results: readonly Result[]): string {
  const { unreached, cells } = hunt;
  const counts = counted(results);
  const total = results.length - counts.invalid;
  const killedOfAll = percent(counts.killed, total);
  const totals = { total, ...counts, unreached, killedOfAll, score: score(results) };
  return `${JSON.stringify({ schemaVersion: 1, totals, shipped: cells, mutants: results })}\n`;
}

function text(hunt: Hunt, results: readonly Result[]): string {
  const { killed, equivalent, survived, undecided, invalid } = counted(results);
  const seconds = results.reduce((sum, one) => sum + one.seconds, 0);
  const total = results.length - invalid;
  return (
    results.map(lineOf).join("") +
    `\n${total} mutants: ${killed} killed, ${survived} survived, ${undecided} undecided, ` +
    `${equivalent} equivalent${classesOf(results)}\n` +
    `killed of all: ${killed} of ${total}, ${percent(killed, total).toFixed(1)} %; of those that ` +
    `are not equivalent: ${killed} of ${total - equivalent}, ${score(results).toFixed(1)} %\n` +
    `${invalid} do not load; ${hunt.unreached} more are of code that no cell runs\n` +
    `${hunt.cells.length} cells, ${seconds.toFixed(1)} s\n`
  );
}

/** How many equivalent ones there are of each class. */
function classesOf(results: readonly Result[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of results) {
    if (reason !== null) counts.set(reason.of, (counts.get(reason.of) ?? 0) + 1);
  }
  const parts = [...counts].map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function lineOf(one: Result): string {
  const { fate, id, before, after, killer, cells, message } = one;
  const states = cells.reduce((sum, cell) => sum + cell.states, 0);
  const certificate = `  SAFE in ${cells.length} cells, ${states} states`;
  const why =
    killer === null ? certificate : `  ${killer.verdict} in ${killer.cell}, ${killer.token}`;
  const because = one.reason === null ? message : `${one.reason.of}: ${one.reason.text}`;
  const what = because === "" ? "" : `: ${because}`;
  return `${fate.padEnd(10)} src/${id}\n  - ${before}\n  + ${after}\n${why}${what}\n`;
}

function caseOf(one: Result): CaseResult {
  const { id, file, line, operator, seconds, fate, message } = one;
  const isKilled = fate === "killed" || fate === "equivalent";
  return {
    group: "mutants",
    name: id,
    file: `src/${file}`,
    line,
    seconds,
    outcome: fate === "invalid" ? "skipped" : isKilled ? "passed" : "failed",
    message: message === "" ? fate : `${fate}: ${message}`,
    command: `packetpath mutants --file ${file} --operator ${operator}`,
  };
}
