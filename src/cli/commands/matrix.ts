// `packetpath matrix`: the guard matrix, every cell decided by search over src/path; a guard of a
// user's own against all of it; and the schedule behind a cell. Needs neither root nor a native
// library. Main thread only.
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import { parseShard } from "../../explore/shard/shards.js";
import type { Matrix, MatrixCell, MatrixResult } from "../../explore/matrix/matrix.js";
import type { SystemStory } from "../../explore/matrix/story.js";
import type { CaseResult } from "../../report/junit.js";
import { writeOut } from "../failure.js";
import { readText } from "../input.js";
import { certifyCells } from "../exploration/matrix-certificates.js";
import { cellName, isGuardFile, matrixExit, matrixJson, matrixWords } from "../matrix-text.js";
import { type ExportName, EXPORTS } from "../program-results.js";
import { variantMatrix, type VariantMatrixFlags } from "../exploration/variants.js";
import { THREAD_TIMES } from "../thread-replay.js";
import { addResultOptions, type ResultFlags, writeResults, writeText } from "../results.js";

interface MatrixFlags extends ResultFlags, VariantMatrixFlags {
  readonly guard?: readonly string[];
  readonly kind?: readonly string[];
  readonly profile?: readonly string[];
  readonly event?: readonly string[];
  readonly hint?: "yes" | "no";
  readonly cpus?: number;
  readonly packets?: number;
  readonly queues?: number;
  readonly timer?: boolean;
  readonly softirq?: boolean;
  readonly product?: boolean;
  readonly jobs?: number;
  readonly allSteps?: boolean;
  readonly certificate?: string;
  readonly export?: ExportName;
  readonly shard?: string;
  readonly out?: string;
  readonly replay?: string;
  /** Without a number: true. */
  readonly threads?: number | true;
}

export function addMatrixCommand(program: Command, exit: (code: number) => void): void {
  addResultOptions(program.command("matrix"))
    .summary("guard x device kind x hint x kernel profile x event, explored")
    .description(
      "Explores the transmit and unregister path under every schedule, for each guard, kind " +
        "of device, hint, profile and way of taking the device away. With a guard of your own " +
        "(a file ending in .ts, .mts, .js or .mjs) it exits with 0 if that is SAFE everywhere.",
    )
    .option("--system <name...>", "variants of endpoint, toa, softirq, socket, netns instead")
    .option("--variant <id...>", "of a system: these variants only")
    .option("--guard <guard...>", "guards by name, or the file of one of your own")
    .option("--kind <kind...>", "kinds of device")
    .option("--profile <profile...>", "kernel profiles")
    .option("--event <event...>", "what takes the device away")
    .addOption(new Option("--hint <hint>", "packets with a recorded queue").choices(["yes", "no"]))
    .option("--cpus <number>", "CPUs that transmit (2)", wholeNumber)
    .option("--packets <number>", "packets of each CPU (2)", wholeNumber)
    .option("--queues <number>", "transmit queues of the device (2)", wholeNumber)
    .option("--timer", "the device has a watchdog timer, on a CPU of its own")
    .option("--softirq", "backlogs are worked off after a CPU's last packet, not after each")
    .option("--product", "explore all packets together, even where they cannot meet")
    .option("--jobs <number>", "worker threads (as many as CPUs, for many cells)", wholeNumber)
    .option("--timeline", "show the schedule of each cell that fails")
    .option("--all-steps", "show steps that concern one thread only, too")
    .option("--certificate <folder>", "write what each SAFE verdict rests on")
    .option("--shard <i/n>", "decide one part of n, from 0 (or 1); see packetpath merge")
    .addOption(new Option("--export <form>", "draw a cell's counterexample").choices(EXPORTS))
    .option("--out <file>", "where --export or --shard writes")
    .option("--replay <token>", "repeat a schedule of the one cell that is selected")
    .option("--threads [times]", "repeat each failure on real threads, so often (100)", manyTimes)
    .option("--json", "print the result as one JSON object")
    .action(async (flags: MatrixFlags) => exit(await matrix(flags)));
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 64) return number;
  throw new InvalidArgumentError("Expected a whole number from 1 to 64.");
}

function manyTimes(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 1e6) return number;
  throw new InvalidArgumentError("Expected a whole number from 1 to 1000000.");
}

async function matrix(flags: MatrixFlags): Promise<number> {
  if (flags.system !== undefined) return variantMatrix(flags);
  if (flags.variant !== undefined) throw new PacketpathError("USAGE", "--variant is for --system");
  const { openMatrix } = await import("../../explore/matrix/lab.js");
  const opened = await openMatrix(requestOf(flags));
  if (flags.export !== undefined) return exportCell(opened, flags.export, flags);
  if (flags.replay !== undefined) return replayCell(opened, flags.replay, flags);
  if (flags.threads !== undefined) {
    const { repeatCells } = await import("../exploration/matrix-threads.js");
    return repeatCells(opened, flags.threads === true ? THREAD_TIMES : flags.threads, flags);
  }
  const decided = await decideAll(opened, flags);
  const result = await certifyCells(opened, decided, flags.certificate);
  const isOwn = flags.guard?.some(isGuardFile) === true;
  const { out } = flags;
  if (out !== undefined) writeText(out, partText(opened, result, flags));
  const text = flags.json === true ? matrixJson(result) : await matrixWords(result);
  await writeOut(process.stdout, text);
  if (flags.timeline === true && flags.json !== true) {
    for (const cell of result.cells) await writeStory(opened, cell, flags);
  }
  const { timelineTable } = await import("../../explore/text/timeline.js");
  const cases = result.cells.map((cell) => {
    const { told, ...one } = caseOf(opened, cell, isOwn);
    if (told === null) return one;
    return { ...one, details: timelineTable(storyText(cell, told, flags).counterexample) };
  });
  await writeResults(cases, flags);
  return matrixExit(result);
}

/** What --out gets of a part, for packetpath merge. */
function partText(opened: Matrix, result: MatrixResult, flags: MatrixFlags): string {
  if (flags.shard === undefined) {
    throw new PacketpathError("USAGE", "--out is for --shard: it gets the part");
  }
  const { shard, ...request } = requestOf(flags);
  return matrixJson({ ...result, sourceHash: opened.sourceHash, request, shard } as MatrixResult);
}

/** Cells from which on it pays to start worker threads. */
const MANY_CELLS = 500;

async function decideAll(opened: Matrix, flags: MatrixFlags): Promise<MatrixResult> {
  const count = opened.coordinates().length;
  const jobs = flags.jobs ?? (count < MANY_CELLS ? 1 : Math.min(8, availableParallelism()));
  if (jobs === 1) return opened.run();
  const { runInParallel } = await import("../../explore/matrix/pool.js");
  const onCells = (done: number, total: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${total} cells `);
  };
  const result = await runInParallel(opened, { request: requestOf(flags), jobs, onCells });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  return result;
}

function requestOf(flags: MatrixFlags) {
  const { guard = [], kind, profile, event, hint, cpus, packets, queues } = flags;
  const { timer, softirq, product } = flags;
  const [file] = guard.filter(isGuardFile);
  const given = { guards: file === undefined && guard.length > 0 ? guard : undefined };
  const all = {
    ...given,
    kinds: kind,
    profiles: profile,
    events: event,
    hints: hint === undefined ? undefined : [hint === "yes"],
    cpus,
    packets,
    queues,
    timer,
    softirq,
    product,
    shard: flags.shard === undefined ? undefined : parseShard(flags.shard),
    guard: file === undefined ? undefined : { file: resolve(file), text: readText(file) },
  };
  const chosen = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(chosen);
}

function storyText(cell: MatrixCell, told: SystemStory, flags: MatrixFlags) {
  const { counterexample } = told;
  const timeline = counterexample.timeline.filter((_one, i) => {
    return flags.allSteps === true || told.matters.includes(i);
  });
  const fewest = counterexample.minimal ? ", no schedule has fewer switches" : "";
  const { steps, switches, message } = counterexample;
  const head =
    `${told.verdict}: ${cellName(cell)}\n  ${message}\n` +
    `  ${steps} steps, ${switches} context switches${fewest}\n` +
    `  replay: ${replayOf(cell, counterexample.token)}\n`;
  return { head, counterexample: { ...counterexample, timeline } };
}

async function writeStory(opened: Matrix, cell: MatrixCell, flags: MatrixFlags): Promise<void> {
  const told = opened.tell(cell, null);
  if (told === null) return;
  const { timelineTable } = await import("../../explore/text/timeline.js");
  const { head, counterexample } = storyText(cell, told, flags);
  await writeOut(process.stdout, `\n${head}\n${timelineTable(counterexample)}`);
}

/** The counterexample of the one cell that is selected, or another schedule of it, drawn. */
async function exportCell(opened: Matrix, form: ExportName, flags: MatrixFlags): Promise<number> {
  const all = opened.coordinates();
  const [at] = all;
  const schedule = at === undefined || all.length > 1 ? null : opened.schedule(at);
  if (schedule === null) {
    const what = all.length === 1 ? "it is SAFE" : `${all.length} are selected`;
    throw new PacketpathError("USAGE", `--export needs one cell that fails; ${what}`, {
      fix: "Give --guard, --kind, --hint, --profile and --event.",
    });
  }
  const { exportText } = await import("../program-results.js");
  const drawing = await exportText(schedule.program, flags.replay ?? schedule.token, form, true);
  if (flags.out !== undefined) writeText(flags.out, drawing);
  else await writeOut(process.stdout, drawing);
  return EXIT.asExpected;
}

async function replayCell(opened: Matrix, token: string, flags: MatrixFlags): Promise<number> {
  const all = opened.coordinates();
  const [at] = all;
  if (at === undefined || all.length > 1) {
    throw new PacketpathError("USAGE", `--replay needs one cell; ${all.length} are selected`, {
      fix: "Give --guard, --kind, --hint, --profile and --event.",
    });
  }
  const cell = opened.decide(at);
  const told = opened.tell(at, token)!;
  if (flags.json === true) {
    const { verdict, counterexample } = told;
    const json = { schemaVersion: 1, cell: at, verdict, counterexample };
    await writeOut(process.stdout, `${JSON.stringify(json)}\n`);
  } else {
    const { timelineTable } = await import("../../explore/text/timeline.js");
    const { head, counterexample } = storyText(cell, told, flags);
    await writeOut(process.stdout, `${head}\n${timelineTable(counterexample)}`);
  }
  return told.verdict === "SAFE" ? EXIT.asExpected : EXIT.notAsExpected;
}

function replayOf(cell: MatrixCell, token: string): string {
  const { guard, kind, hint, profile, event } = cell;
  return (
    `packetpath matrix --guard ${guard} --kind ${kind} --hint ${hint ? "yes" : "no"} ` +
    `--profile ${profile} --event ${event} --replay ${token}`
  );
}

/** A cell as a test case: with a guard of the user's own, it fails unless it is SAFE. */
function caseOf(
  opened: Matrix,
  cell: MatrixCell,
  mustBeSafe: boolean,
): CaseResult & { readonly told: SystemStory | null } {
  const { verdict, message, guard, seconds, token } = cell;
  const isRight = verdict === "SAFE" || (!mustBeSafe && verdict !== "UNDECIDED");
  const told = isRight ? null : opened.tell(cell, null);
  const timeline = told?.counterexample.timeline ?? [];
  // In a user's own guard if the schedule comes by there, else at its first line.
  const last = timeline.findLast((one) => one.line > 0 && one.file === guard);
  return {
    group: "matrix",
    name: cellName(cell),
    file: isGuardFile(guard) ? guard : "src/path/guards.ts",
    line: last?.line ?? 1,
    column: last?.column ?? 1,
    seconds,
    outcome: isRight ? "passed" : verdict === "UNDECIDED" ? "error" : "failed",
    message: message === "" ? verdict : `${verdict}: ${message}`,
    command: replayOf(cell, token ?? ""),
    told,
  };
}
