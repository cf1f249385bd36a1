// `packetpath explore SCENARIO`: the transmit path of a scenario under every schedule, while its
// fault takes the device away; the verdict is held against the one that a run is to have. Main
// thread only.
import { resolve } from "node:path";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Coordinates, Matrix } from "../../explore/matrix/matrix.js";
import type { Exploration, Verdict } from "../../explore/types.js";
import { expectedVerdict, isModulePath, type Scenario } from "../../scenario/types.js";
import { resultText, storyText } from "./text.js";
import { writeOut } from "../failure.js";
import { readScenario, readText } from "../input.js";
import { type ExportName, programCase } from "../program-results.js";
import { type ResultFlags, writeResults, writeText } from "../results.js";
import { certify } from "./matrix-certificates.js";
import { THREAD_TIMES } from "../thread-replay.js";
import { optionsOf, type PartFlags } from "./parts.js";
import { type ScenarioCell, scenarioCell } from "./scenario-cell.js";

export interface ScenarioFlags extends ResultFlags, PartFlags {
  readonly guard?: string;
  readonly replay?: string;
  readonly threads?: number | true;
  readonly export?: ExportName;
  /** A folder: there is one file for each packet. */
  readonly certificate?: string;
  readonly audit?: boolean;
}

interface Opened {
  readonly scenario: Scenario;
  readonly cell: ScenarioCell;
  /** As the user wrote it. */
  readonly guard: string;
  readonly matrix: Matrix;
  readonly at: Coordinates;
  readonly expected: Verdict;
}

export async function exploreScenario(file: string, flags: ScenarioFlags): Promise<number> {
  mustFit(flags);
  const opened = await open(file, flags);
  const { matrix, at } = opened;
  if (flags.threads !== undefined) {
    const { repeatCells } = await import("./matrix-threads.js");
    return repeatCells(matrix, flags.threads === true ? THREAD_TIMES : flags.threads, flags);
  }
  if (flags.replay !== undefined) return replayScenario(opened, flags.replay, flags);
  if (flags.shard !== undefined) return explorePart(opened, flags.shard, flags);
  const { exploreCell } = await import("../../explore/system/results/exploration.js");
  const found = exploreCell(matrix, at, namesOf(opened), optionsOf(flags));
  const certificate = await certificateOf(opened, found, flags);
  const result = { ...found, certificate };
  const json = { schemaVersion: 1, ...result, ...factsOf(opened) };
  const text = flags.json === true ? `${JSON.stringify(json)}\n` : await wordsOf(opened, result);
  await writeOut(process.stdout, text);
  await writeResults([await programCase(file, result)], flags);
  return exitCode(result);
}

/** @throws PacketpathError USAGE for what is not done with scenarios. */
function mustFit(flags: ScenarioFlags): void {
  for (const name of ["jobs", "audit", "export"] as const) {
    if (flags[name] === undefined) continue;
    const message = `--${name} is for program files, not for scenarios`;
    throw new PacketpathError("USAGE", message);
  }
}

async function open(file: string, flags: ScenarioFlags): Promise<Opened> {
  const scenario = await readScenario(file, []);
  const guard = flags.guard ?? scenario.guard;
  const cell = scenarioCell(scenario);
  const isOwn = isModulePath(guard);
  const { openMatrix } = await import("../../explore/matrix/lab.js");
  const { kind, profile, event, hint, sorts, cpus, queues } = cell;
  const matrix = await openMatrix({
    ...(isOwn ? { guard: { file: resolve(guard), text: readText(guard) } } : { guards: [guard] }),
    ...{ kinds: [kind], profiles: [profile], events: [event], hints: [hint] },
    ...{ sorts, cpus, queues },
  });
  const [at] = matrix.coordinates();
  if (at === undefined) {
    const message = `${event} of "${cell.port}": a device of kind ${kind} does not go that way`;
    throw new PacketpathError("USAGE", message, { place: { file } });
  }
  // A run can be INVALID, which no schedule is.
  const known = expectedVerdict(scenario, guard);
  const expected = known === "INVALID" ? "SAFE" : known;
  return { scenario, cell, guard, matrix, at, expected };
}

/** Of a finished search over states; written as files only if that is asked for. */
async function certificateOf(opened: Opened, found: Exploration, flags: ScenarioFlags) {
  const { matrix, at } = opened;
  const hasOne = found.verdict === "SAFE" && found.strategy === "states";
  if (flags.certificate === undefined) {
    if (!hasOne) return null;
    const { certifyCell, sumOf } = await import("../../explore/system/results/certificates.js");
    return sumOf(certifyCell(matrix, at).map(({ summary }) => summary));
  }
  if (!hasOne) {
    const why = `there is none of ${found.verdict} by --strategy ${found.strategy}`;
    throw new PacketpathError("USAGE", `--certificate: ${why}`);
  }
  return certify(matrix, at, flags.certificate);
}

function namesOf({ scenario, expected }: Opened) {
  return { program: scenario.name, expected };
}

/** What makes the path of this scenario another one than that of others. */
function factsOf({ guard, cell }: Opened) {
  return { guard, ...cell };
}

async function wordsOf({ cell, guard }: Opened, result: Exploration): Promise<string> {
  const { kind, profile, event, port, sorts, cpus, queues } = cell;
  const hints = `queue_mapping ${sorts.join(", ")}`;
  const path = `${event} of ${port} (${kind}, ${queues} queues), guard ${guard}, kernel ${profile}`;
  return `${await resultText(result)}\n${path}\n${hints}, ${cpus} CPUs that transmit\n`;
}

function exitCode({ verdict, expected }: Pick<Exploration, "verdict" | "expected">): number {
  return verdict === expected ? EXIT.asExpected : EXIT.notAsExpected;
}

async function replayScenario(opened: Opened, token: string, flags: ScenarioFlags) {
  const { matrix, at, scenario, expected } = opened;
  matrix.decide(at);
  const { verdict, counterexample } = matrix.tell(at, token)!;
  const facts = { program: scenario.name, ...factsOf(opened) };
  const json = { schemaVersion: 1, ...facts, verdict, counterexample };
  const text = `${verdict}: ${scenario.name}\n${await storyText(counterexample)}`;
  await writeOut(process.stdout, flags.json === true ? `${JSON.stringify(json)}\n` : text);
  return exitCode({ verdict, expected });
}

async function explorePart(opened: Opened, text: string, flags: ScenarioFlags) {
  const { exploreCell } = await import("../../explore/system/results/exploration.js");
  const { mustSplit, parseShard } = await import("../../explore/shard/shards.js");
  const { partOf } = await import("../../explore/shard/merge.js");
  const shard = parseShard(text);
  mustSplit(flags.strategy, "--shard");
  const { matrix, at } = opened;
  const options = { ...optionsOf(flags), shard };
  const result = exploreCell(matrix, at, namesOf(opened), options);
  const { sorts, ...cell } = factsOf(opened);
  const settings = { ...options, ...cell, sorts: sorts.join() };
  const part = partOf(matrix, result, settings);
  const json = `${JSON.stringify({ schemaVersion: 1, ...part, ...factsOf(opened) })}\n`;
  if (flags.out !== undefined) writeText(flags.out, json);
  await writeOut(process.stdout, flags.json === true ? json : await resultText(part));
  // A part that has found nothing has done its work, whatever the whole will say.
  const isQuiet = part.shard.verdict === "SAFE" || part.verdict === "UNDECIDED";
  return isQuiet ? EXIT.asExpected : exitCode(part);
}
