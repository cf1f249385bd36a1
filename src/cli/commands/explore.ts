// `packetpath explore FILE`: every schedule of a program file, to a verdict with a counterexample
// that can be replayed. Needs neither root nor any native library. Main thread only.
import { type Command, InvalidArgumentError, Option } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import {
  STRATEGIES,
  type Exploration,
  type LoadedProgram,
  type Strategy,
} from "../../explore/types.js";
import { CertificateFile, checkFile } from "../certificates.js";
import { writeOut } from "../failure.js";
import { readText, seedOption } from "../input.js";
import { type ExportName, EXPORTS, exportText, programCase } from "../program-results.js";
import { repeatOnThreads, THREAD_TIMES } from "../thread-replay.js";
import { addResultOptions, type ResultFlags, writeResults, writeText } from "../results.js";

interface ExploreFlags extends ResultFlags {
  readonly strategy: Strategy;
  readonly replay?: string;
  /** Without a number: true. */
  readonly threads?: number | true;
  readonly export?: ExportName;
  readonly out?: string;
  readonly depth?: number;
  readonly bound?: number;
  readonly maxStates?: number;
  readonly maxSteps?: number;
  readonly maxExecutions?: number;
  readonly maxSeconds?: number;
  readonly seed?: number;
  readonly certificate?: string;
  readonly check?: string;
}

export function addExploreCommand(program: Command, exit: (code: number) => void): void {
  addResultOptions(program.command("explore"))
    .summary("run a program file under every schedule")
    .description(
      "Explores a TypeScript or JavaScript file that default-exports program({ ... }).\n" +
        "Exits with 0 if the verdict is the one that the program expects (SAFE by default).",
    )
    .argument("[file]", "the program; ends in .ts, .mts, .js or .mjs")
    .addOption(
      new Option("--strategy <strategy>", "all states, one run per trace, or picked schedules")
        .choices(STRATEGIES)
        .default("states"),
    )
    .option("--replay <token>", "repeat one schedule and show it")
    .option("--threads [times]", "repeat it on real worker threads, so often (100)", wholeNumber)
    .addOption(new Option("--export <form>", "draw the counterexample").choices(EXPORTS))
    .option("--out <file>", "where --export writes; stdout if absent")
    .option("--depth <number>", "ordered steps that a bug needs (pct; 3)", wholeNumber)
    .option("--bound <number>", "the last bound to complete (delay, preemption)", boundNumber)
    .option("--max-states <number>", "most states (states, delay, preemption)", wholeNumber)
    .option("--max-steps <number>", "most steps of a thread, and of an execution", wholeNumber)
    .option("--max-executions <number>", "most executions (of what runs them)", wholeNumber)
    .option("--max-seconds <number>", "most time to search", wholeNumber)
    .addOption(seedOption())
    .option("--certificate <file>", "write what a SAFE verdict rests on")
    .option("--check <certificate>", "check one, without the search")
    .option("--json", "print the result as one JSON object")
    .action(async (file: string | undefined, flags: ExploreFlags) => {
      const { check, json } = flags;
      if (check !== undefined) exit(await checkFile(check, file, json === true));
      else exit(await exploreFile(file ?? noFile(), flags));
    });
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 1e9) return number;
  throw new InvalidArgumentError("Expected a whole number from 1 to 1000000000.");
}

function noFile(): never {
  throw new PacketpathError("USAGE", "explore needs a file", {
    fix: "packetpath explore FILE, or --check CERTIFICATE.",
  });
}

function boundNumber(text: string): number {
  return text === "0" ? 0 : wholeNumber(text);
}

async function exploreFile(file: string, flags: ExploreFlags): Promise<number> {
  if (!/\.m?[jt]s$/.test(file)) {
    throw new PacketpathError("USAGE", `"${file}": expected a .ts, .mts, .js or .mjs file`);
  }
  const source = readText(file);
  const { explore, loadProgram, replay } = await import("../../explore/index.js");
  const program = await loadProgram(source, file);
  if (flags.threads !== undefined) {
    const token = flags.replay ?? explore(program, flags).counterexample?.token;
    const times = flags.threads === true ? THREAD_TIMES : flags.threads;
    return repeatOnThreads(program, { source, token: token ?? "", times }, flags);
  }
  if (flags.replay !== undefined) {
    const result = replay(program, flags.replay);
    const { verdict, ...counterexample } = result;
    const json = { schemaVersion: 1, program: program.name, verdict, counterexample };
    const text = `${verdict}: ${program.name}\n${await storyText(counterexample)}`;
    await writeStory(program, flags.replay, {
      flags,
      text: flags.json === true ? `${JSON.stringify(json)}\n` : text,
    });
    return verdict === program.expect ? EXIT.asExpected : EXIT.notAsExpected;
  }
  const { certificate } = flags;
  const certificateFile = certificate === undefined ? null : new CertificateFile(certificate);
  const onCertificate = certificateFile?.take ?? (() => undefined);
  const found = explore(program, { ...flags, onCertificate });
  const result = certificateFile?.write(found) ?? found;
  const json = { schemaVersion: 1, guard: null, profile: null, ...result };
  const text = flags.json === true ? `${JSON.stringify(json)}\n` : await resultText(result);
  await writeStory(program, result.counterexample?.token ?? null, { flags, text });
  await writeResults([await programCase(file, result)], flags);
  certificateFile?.mustExist(result);
  return result.verdict === result.expected ? EXIT.asExpected : EXIT.notAsExpected;
}

interface Output {
  readonly flags: ExploreFlags;
  /** The result, as text or JSON. */
  readonly text: string;
}

/** The result on stdout; with --export the drawing of the schedule, there or in a file. */
async function writeStory(program: LoadedProgram, token: string | null, output: Output) {
  const { flags, text } = output;
  if (flags.export === undefined) return writeOut(process.stdout, text);
  if (token === null) {
    await writeOut(process.stderr, "packetpath: no counterexample to draw\n");
    return writeOut(process.stdout, text);
  }
  const drawing = await exportText(program, token, flags.export);
  if (flags.out === undefined) return writeOut(process.stdout, drawing);
  writeText(flags.out, drawing);
  return writeOut(process.stdout, text);
}

async function resultText(result: Exploration): Promise<string> {
  const { verdict, expected } = result;
  const surprise = verdict === expected ? "" : ` (expected ${expected})`;
  const facts = [
    result.bound === null ? null : `bound: ${result.bound}`,
    result.states === null ? null : `${result.states} states, ${result.transitions} transitions`,
    result.traces === null ? null : `${result.traces} traces, ${result.blocked} blocked`,
    result.interleavings === null ? null : `${result.interleavings} interleavings`,
    result.cyclic === true ? "executions without end: the state graph has a cycle" : null,
    result.executions === null ? null : `${result.executions} executions`,
    chanceText(result),
    coverageText(result),
    result.race === result.counterexample?.message ? null : result.race,
    `${result.seconds.toFixed(3)} s, strategy ${result.strategy}`,
  ];
  const lines = facts.filter((one) => one !== null).map((one) => `  ${one}\n`);
  const story = result.counterexample === null ? "" : await storyText(result.counterexample);
  return `${verdict}: ${result.program}${surprise}\n${lines.join("")}${story}`;
}

/** How often random runs would show the verdict. */
function chanceText(result: Exploration): string | null {
  const { bugProbability: chance, bugProbabilityFraction: fraction } = result;
  if (chance === null || result.counterexample === null) return null;
  const value = Number(chance.toPrecision(4));
  const exact = fraction !== null && fraction.length <= 24 ? ` (${fraction})` : "";
  return `a random run shows it with a chance of ${value}${exact}`;
}

const MISSING_SHOWN = 3;

function coverageText(result: Exploration): string | null {
  const { coverage } = result;
  if (coverage === null || coverage.pairs === 0) return null;
  const { missing } = coverage;
  const never = missing
    .slice(0, MISSING_SHOWN)
    .map(({ cell, first, second }) => `${cell}: ${first} before ${second}`);
  const more = missing.length > MISSING_SHOWN ? [`${missing.length - MISSING_SHOWN} more`] : [];
  const rest = missing.length === 0 ? "" : `; never ${[...never, ...more].join(", ")}`;
  const runs = coverage.runs === null ? "" : ` in ${coverage.runs} runs`;
  return `${coverage.bothOrders} of ${coverage.pairs} racing pairs in both orders${runs}${rest}`;
}

async function storyText(one: NonNullable<Exploration["counterexample"]>): Promise<string> {
  const { timelineTable } = await import("../../explore/text/timeline.js");
  const fewest = one.minimal ? ", no schedule has fewer switches" : "";
  const why = one.message === "" ? "" : `  ${one.message}\n`;
  const count = `  ${one.steps} steps, ${one.switches} context switches${fewest}\n`;
  return `${why}${count}  replay: --replay ${one.token}\n\n${timelineTable(one)}`;
}
