// `packetpath run FILE`: one scenario to its verdict. Everything the user wrote is checked before
// anything is created; the runner itself is loaded only then. Main thread only.
import { chownSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { wallClock } from "../../base/clock.js";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { RunRecord } from "../../report/types.js";
import { parseScenario } from "../../scenario/parse.js";
import type { Scenario } from "../../scenario/types.js";
import { modelScenario, type ModelRunFlags, runModel } from "../exploration/model.js";
import { writeOut } from "../failure.js";
import { type CheckedGuard, checkGuard } from "../guard-module.js";
import {
  backendOption,
  type BackendName,
  collect,
  nameOf,
  needRoot,
  readText,
  seedOption,
} from "../input.js";
import { listenForStop, type StopRequest } from "../signals.js";

interface RunFlags {
  readonly guard?: string;
  readonly backend: BackendName;
  readonly set: readonly string[];
  readonly seed?: number;
  readonly out?: string;
  readonly json?: boolean;
}

export function addRunCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("run")
    .summary("run one scenario to its verdict")
    .description(
      "Builds the scenario's topology, runs its load and faults, and says the verdict. The scenario\n" +
        "of a model (system: ...) is explored instead, without root.",
    )
    .argument("<file>", "scenario (YAML); - reads standard input")
    .option("--guard <guard>", "guard of do_output: a name, or a module such as ./my-guard.js")
    .addOption(backendOption())
    .option("--set <path=value>", "change a value of the scenario (repeatable)", collect, [])
    .addOption(seedOption())
    .option("--out <folder>", "run folder (default: runs/<time>-<scenario>-<guard>)")
    .option("--json", "print the report as one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  sudo packetpath run scenarios/ovs-netns-delete.yaml --guard none
  packetpath run scenarios/dummy-sink.yaml --backend memory --guard ./my-guard.js
  packetpath run scenarios/softirq-loopback.yaml
  packetpath run scenarios/flap.yaml --set load.http.requests=50 --set ports.server.queues=2`,
    )
    .action(async (file: string, flags: RunFlags, command: Command) => {
      const text = readText(file);
      const model = await modelScenario(text, nameOf(file), flags.set);
      if (model === null) exit(await run(file, text, flags));
      else exit(await runModel(model, modelFlags(flags, command)));
    });
}

/** @throws PacketpathError USAGE for flags that mean nothing where nothing is built. */
function modelFlags(flags: RunFlags, command: Command): ModelRunFlags {
  for (const name of ["guard", "backend", "seed"] as const) {
    if (command.getOptionValueSource(name) !== "cli") continue;
    throw new PacketpathError("USAGE", `--${name} is not for the scenario of a model`, {
      fix: "Use packetpath explore for more ways to explore it.",
    });
  }
  return flags;
}

async function run(file: string, text: string, flags: RunFlags): Promise<number> {
  const scenario = parseScenario(text, nameOf(file), { set: flags.set });
  const guard = await checkGuard(flags.guard ?? scenario.guard);
  try {
    needRoot(flags.backend);
    const outFolder = makeFolder(flags.out, scenario, guard.name);
    const stop = listenForStop((text) => process.stderr.write(`${text}\n`));
    try {
      return await runAndReport(scenario, { file, flags, guard, outFolder, stop });
    } finally {
      stop.release();
      removeIfEmpty(outFolder);
    }
  } finally {
    guard.dispose();
  }
}

interface Surroundings {
  readonly file: string;
  readonly flags: RunFlags;
  readonly guard: CheckedGuard;
  readonly outFolder: string;
  readonly stop: StopRequest;
}

async function runAndReport(scenario: Scenario, around: Surroundings): Promise<number> {
  const { flags, guard, outFolder, stop } = around;
  const { runScenario } = await import("../../scenario/run.js");
  const { createProgress } = await import("../../report/progress.js");
  const seed = flags.seed ?? scenario.seed;
  process.stderr.write(`${scenario.name}: guard ${guard.name}, ${flags.backend}, seed ${seed}\n`);
  const progress = createProgress(process.stderr, {
    requests: scenario.load.http?.requests ?? null,
  });
  let record: RunRecord;
  try {
    record = await runScenario(scenario, {
      guard: guard.name,
      guardModule: guard.file,
      backend: flags.backend,
      seed,
      outFolder,
      command: repeatCommand(around.file, flags, { guard: guard.name, seed }),
      signal: stop.signal,
      onProgress: (sample) => progress.update(sample),
    });
  } finally {
    progress.done();
  }
  const { writeRunFolder } = await import("../../report/folder.js");
  writeRunFolder(outFolder, record);
  giveBack(outFolder);
  await printResult(record, flags.json === true);
  const { verdict, expected } = record.report;
  return stop.exitCode() ?? (verdict === expected ? EXIT.asExpected : EXIT.notAsExpected);
}

async function printResult(record: RunRecord, json: boolean): Promise<void> {
  if (json) {
    const { reportJson } = await import("../../report/json.js");
    const text = reportJson(record);
    await writeOut(process.stdout, text.endsWith("\n") ? text : `${text}\n`);
    return;
  }
  const { summary, wantsColor } = await import("../../report/summary.js");
  const color = wantsColor(process.stdout, process.env);
  await writeOut(process.stdout, summary(record, { color }));
}

/** The folder exists before the run: if it cannot be written, the user learns it now. */
function makeFolder(out: string | undefined, scenario: Scenario, guard: string): string {
  const time = wallClock().slice(0, 19).replaceAll(":", "").replace("T", "-");
  const guardWord = guard.replace(/^.*\//, "").replace(/[^A-Za-z0-9.-]/g, "_");
  const folder = resolve(out ?? join("runs", `${time}-${scenario.name}-${guardWord}`));
  try {
    mkdirSync(folder, { recursive: true });
    giveBack(folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const fix = "Name another folder with --out.";
    throw new PacketpathError("FILE_UNUSABLE", `cannot make the run folder: ${reason}`, { fix });
  }
  return folder;
}

/** Under sudo the folder belongs to the user who asked, not to root. */
function giveBack(folder: string): void {
  const [uid, gid] = [Number(process.env["SUDO_UID"]), Number(process.env["SUDO_GID"])];
  if (process.geteuid?.() !== 0 || !(uid > 0) || !Number.isInteger(gid)) return;
  chownSync(folder, uid, gid);
  for (const name of readdirSync(folder)) chownSync(join(folder, name), uid, gid);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty: the run left its files there.
  }
}

/** The command that does the same again, with every choice spelled out. */
function repeatCommand(
  file: string,
  flags: RunFlags,
  chosen: { readonly guard: string; readonly seed: number },
): string {
  const words = flags.backend === "linux" ? ["sudo"] : [];
  words.push("./scripts/packetpath", "run", file, "--guard", chosen.guard);
  words.push("--backend", flags.backend, "--seed", String(chosen.seed));
  for (const set of flags.set) words.push("--set", set);
  return words.map(quoted).join(" ");
}

/** A word as a POSIX shell must see it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
