// `packetpath explore FILE`: every schedule of a program file, to a verdict with a counterexample
// that can be replayed. Needs neither root nor any native library. Main thread only.
import { type Command, InvalidArgumentError, Option } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import { type LoadedProgram, STRATEGIES } from "../../explore/types.js";
import { CertificateFile, checkFile } from "../exploration/certificates.js";
import { resultText, storyText } from "../exploration/text.js";
import { auditProgram } from "../exploration/audit.js";
import { exploreParts, optionsOf, type PartFlags } from "../exploration/parts.js";
import { modelProgram, modelScenario } from "../exploration/model.js";
import { exploreScenario } from "../exploration/scenario.js";
import { type SystemFlags, systemProgram, withFlags } from "../exploration/variants.js";
import { writeOut } from "../failure.js";
import { collect, kindOf, readText, seedOption } from "../input.js";
import { type ExportName, EXPORTS, exportText, programCase } from "../program-results.js";
import { repeatOnThreads, THREAD_TIMES } from "../thread-replay.js";
import { addResultOptions, type ResultFlags, writeResults, writeText } from "../results.js";

interface ExploreFlags extends ResultFlags, PartFlags, SystemFlags {
  readonly guard?: string;
  readonly replay?: string;
  /** Without a number: true. */
  readonly threads?: number | true;
  readonly export?: ExportName;
  readonly certificate?: string;
  readonly check?: string;
  readonly audit?: boolean;
}

export function addExploreCommand(program: Command, exit: (code: number) => void): void {
  addResultOptions(program.command("explore"))
    .summary("run a scenario's path or a program file under every schedule")
    .description(
      "Explores a TypeScript or JavaScript file that default-exports program({ ... }), or the " +
        "transmit path of a scenario while its first fault takes the device away. " +
        "Exits with 0 if the verdict is the one that the file expects (SAFE by default).",
    )
    .argument("[file]", "a scenario (.yaml, .yml), or a program (.ts, .mts, .js, .mjs)")
    .option("--guard <guard>", "of a scenario: guard of do_output, a name or a module")
    .option("--system <name>", "instead of a file: a system of packetpath matrix --system")
    .option("--variant <id>", "which variant of the system")
    .option("--set <name=value>", "another value for a program's parameter", collect, [])
    .addOption(
      new Option("--strategy <strategy>", "all states, one run per trace, or picked schedules")
        .choices(STRATEGIES)
        .default("states"),
    )
    .option("--replay <token>", "repeat one schedule and show it")
    .option("--threads [times]", "repeat it on real worker threads, so often (100)", wholeNumber)
    .addOption(new Option("--export <form>", "draw the counterexample").choices(EXPORTS))
    .option("--out <file>", "where --export or --shard writes; stdout if absent")
    .option("--shard <i/n>", "look at one part of n, from 0 (or 1); see packetpath merge")
    .option("--jobs <number>", "split the work between so many worker threads", wholeNumber)
    .option("--depth <number>", "ordered steps that a bug needs (pct; 3)", wholeNumber)
    .option("--bound <number>", "the last bound to complete (delay, preemption)", boundNumber)
    .option("--max-states <number>", "most states (states, hash, delay, preemption)", wholeNumber)
    .option("--max-steps <number>", "most steps of a thread, and of an execution", wholeNumber)
    .option("--max-executions <number>", "most executions (of what runs them)", wholeNumber)
    .option("--max-seconds <number>", "most time to search", wholeNumber)
    .addOption(seedOption())
    .option("--certificate <file>", "write what a SAFE verdict rests on")
    .option("--check <certificate>", "check one, without the search")
    .option("--audit", "run the functions as they are written, too, and compare")
    .option("--json", "print the result as one JSON object")
    .action(async (file: string | undefined, flags: ExploreFlags, command: Command) => {
      const { check, json } = flags;
      const isSplit = flags.shard !== undefined || flags.jobs !== undefined;
      // States cannot be split; whoever asks for parts and names no strategy means this one.
      if (isSplit && command.getOptionValueSource("strategy") === "default") {
        command.setOptionValue("strategy", "dpor");
      }
      if (check !== undefined) exit(await checkFile(check, file, json === true, flags));
      else exit(await exploreFile(file, command.opts<ExploreFlags>()));
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

async function exploreFile(given: string | undefined, flags: ExploreFlags): Promise<number> {
  const model = flags.system === undefined ? await modelOf(given, flags) : null;
  if (model === null && flags.system === undefined && isScenarioFile(given)) {
    if (flags.set?.length !== 0) throw new PacketpathError("USAGE", "--set is for programs");
    return exploreScenario(given, flags);
  }
  if (flags.guard !== undefined) {
    throw new PacketpathError("USAGE", `--guard is for scenarios: "${given ?? ""}" is a program`);
  }
  const { source, file, expect, name } = model ?? (await chosenProgram(given, flags));
  const { explore, loadProgram, replay } = await import("../../explore/index.js");
  const loaded = await loadProgram(source, file);
  const program = expect === null ? loaded : { ...loaded, expect };
  if (flags.threads !== undefined) {
    const token = flags.replay ?? explore(program, optionsOf(flags)).counterexample?.token;
    const times = flags.threads === true ? THREAD_TIMES : flags.threads;
    return repeatOnThreads(program, { source, token: token ?? "", times }, flags);
  }
  if (flags.replay !== undefined) {
    const result = replay(program, flags.replay, flags.maxSeconds);
    const { verdict, ...counterexample } = result;
    const json = { schemaVersion: 1, program: program.name, verdict, counterexample };
    const text = `${verdict}: ${program.name}\n${await storyText(counterexample)}`;
    await writeStory(program, flags.replay, {
      flags,
      text: flags.json === true ? `${JSON.stringify(json)}\n` : text,
    });
    return verdict === program.expect ? EXIT.asExpected : EXIT.notAsExpected;
  }
  const parts = await exploreParts(program, source, flags);
  if (parts !== null) return parts;
  const { certificate } = flags;
  const certificateFile = certificate === undefined ? null : new CertificateFile(certificate);
  const onCertificate = certificateFile?.take ?? (() => undefined);
  const found = explore(program, { ...optionsOf(flags), onCertificate });
  const result = certificateFile?.write(found) ?? found;
  const audited = flags.audit === true ? await auditProgram(program, source, flags) : null;
  const json = { schemaVersion: 1, guard: null, profile: null, ...result, ...audited?.json };
  const isJson = flags.json === true;
  const words = `${await resultText(result)}${audited?.text ?? ""}`;
  const text = isJson ? `${JSON.stringify(json)}\n` : words;
  await writeStory(program, result.counterexample?.token ?? null, { flags, text });
  const { command, ...one } = await programCase(file, result);
  await writeResults([{ ...one, command: command.replace(file, name) }], flags);
  certificateFile?.mustExist(result);
  audited?.mustAgree();
  return result.verdict === result.expected ? EXIT.asExpected : EXIT.notAsExpected;
}

function isScenarioFile(file: string | undefined): file is string {
  return file !== undefined && /\.ya?ml$/.test(file);
}

/** The program of a scenario of a model; null for all other files. */
async function modelOf(file: string | undefined, { set = [] }: ExploreFlags) {
  if (!isScenarioFile(file)) return null;
  const text = readText(file);
  if ((await kindOf(text)) !== "model") return null;
  return modelProgram(await modelScenario(text, file, set));
}

/** The program of a file or of a system, with its parameters. */
async function chosenProgram(file: string | undefined, flags: ExploreFlags) {
  const { system, variant, set = [] } = flags;
  if (system !== undefined) {
    if (file === undefined) return withFlags(await systemProgram(flags), set);
    throw new PacketpathError("USAGE", `--system ${system} is explored instead of "${file}"`);
  }
  if (variant !== undefined) throw new PacketpathError("USAGE", "--variant is for --system");
  if (file === undefined) noFile();
  if (!/\.m?[jt]s$/.test(file)) {
    const expected = "a .ts, .mts, .js or .mjs file, or a scenario (.yaml, .yml)";
    throw new PacketpathError("USAGE", `"${file}": expected ${expected}`);
  }
  return withFlags({ source: readText(file), file, expect: null, name: file }, set);
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
