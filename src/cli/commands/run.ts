// `packetpath run FILE`: one scenario to its verdict. Everything the user wrote is checked before
// anything is created; the runner itself is loaded only then. Main thread only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { RunRecord } from "../../report/types.js";
import type { Scenario } from "../../scenario/types.js";
import { modelScenario, type ModelRunFlags, runModel } from "../exploration/model.js";
import { writeOut } from "../failure.js";
import { type CheckedGuard, checkGuard } from "../guard-module.js";
import {
  backendOption,
  type BackendName,
  collect,
  kindOf,
  nameOf,
  needRoot,
  readText,
  seedOption,
} from "../input.js";
import { runEndpoint } from "../running/endpoint.js";
import { giveBack, makeFolder, removeIfEmpty, repeatCommand } from "../running/folder.js";
import { listenForStop, type StopRequest } from "../signals.js";

interface RunFlags {
  readonly guard?: string;
  readonly backend: BackendName;
  readonly set: readonly string[];
  readonly seed?: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly ctl?: string;
}

export function addRunCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("run")
    .summary("run one scenario to its verdict")
    .description(
      "Builds the scenario's topology, runs its load and faults, and says the verdict. " +
        "The scenario of a model (system: ...) is explored instead, without root. That of an " +
        "endpoint (endpoint: ...) is attached and detached under load.",
    )
    .argument("<file>", "scenario (YAML); - reads standard input")
    .option("--guard <guard>", "guard of do_output: a name, or a module such as ./my-guard.js")
    .addOption(backendOption())
    .option("--set <path=value>", "change a value of the scenario (repeatable)", collect, [])
    .addOption(seedOption())
    .option("--out <folder>", "run folder (default: runs/<time>-<scenario>-<guard>)")
    .option("--json", "print the report as one JSON object")
    .option("--ctl <path>", "serve the tools in native-free-shims/ovs here ($PACKETPATH_CTL)")
    .addHelpText(
      "after",
      `
Examples:
  sudo packetpath run scenarios/ovs-netns-delete.yaml --guard none
  packetpath run scenarios/dummy-sink.yaml --backend memory --guard ./my-guard.js
  packetpath run scenarios/softirq-loopback.yaml
  sudo packetpath run scenarios/endpoint-shutdown.yaml --set endpoint.design=buggy
  packetpath run scenarios/flap.yaml --set load.http.requests=50 --set ports.server.queues=2`,
    )
    .action(async (file: string, flags: RunFlags, command: Command) => {
      const text = readText(file);
      const kind = await kindOf(text);
      if (kind === "switch") exit(await run(file, text, flags));
      else if (kind === "endpoint") {
        const { parseEndpointScenario } = await import("../../scenario/endpoint/parse.js");
        const scenario = parseEndpointScenario(text, nameOf(file), flags.set);
        refuse(["guard", "seed"], command, "an endpoint");
        exit(await runEndpoint(scenario, file, flags));
      } else {
        const scenario = await modelScenario(text, nameOf(file), flags.set);
        exit(await runModel(scenario, modelFlags(flags, command)));
      }
    });
}

function modelFlags(flags: RunFlags, command: Command): ModelRunFlags {
  const fix = "Use packetpath explore for more ways to explore it.";
  refuse(["guard", "backend", "seed"], command, "a model", { fix });
  return flags;
}

/** @throws PacketpathError USAGE for flags that mean nothing for a kind of scenario. */
function refuse(
  names: readonly (keyof RunFlags)[],
  command: Command,
  kind: string,
  details: { readonly fix?: string } = {},
): void {
  for (const name of names) {
    if (command.getOptionValueSource(name) !== "cli") continue;
    throw new PacketpathError("USAGE", `--${name} is not for the scenario of ${kind}`, details);
  }
}

async function run(file: string, text: string, flags: RunFlags): Promise<number> {
  const { parseScenario } = await import("../../scenario/parse.js");
  const scenario = parseScenario(text, nameOf(file), { set: flags.set });
  const guard = await checkGuard(flags.guard ?? scenario.guard);
  try {
    needRoot(flags.backend);
    const outFolder = makeFolder(flags.out, scenario.name, guard.name);
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
  const chosen = process.env["PACKETPATH_CTL"];
  const controlPath = flags.ctl ?? (chosen === "" ? undefined : chosen);
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
      command: repeatCommand(around.file, flags, ["--guard", guard.name, "--seed", `${seed}`]),
      ...(controlPath === undefined ? {} : { controlPath }),
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
