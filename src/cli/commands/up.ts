// `packetpath up FILE`: builds the topology with named namespaces and forwards until it is told
// to stop; real programs are run in the namespaces meanwhile. Main thread only.
import type { Command } from "commander";
import { EXIT } from "../../base/errors.js";
import { checkGuard } from "../guard-module.js";
import { backendOption, type BackendName, collect, needRoot, readScenario } from "../input.js";
import { listenForStop } from "../signals.js";

interface UpFlags {
  readonly guard?: string;
  readonly backend: BackendName;
  readonly set: readonly string[];
}

export function addUpCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("up")
    .summary("build a scenario's topology and forward until Ctrl-C")
    .description(
      "Builds the topology with named namespaces, so that `ip netns exec client curl ...` works.",
    )
    .argument("<file>", "scenario (YAML); its load and faults are not used")
    .option("--guard <guard>", "guard of do_output: a name, or a module")
    .addOption(backendOption())
    .option("--set <path=value>", "change a value of the scenario (repeatable)", collect, [])
    .addHelpText("after", "\nExample:\n  sudo packetpath up scenarios/two-hosts.yaml")
    .action(async (file: string, flags: UpFlags) => exit(await up(file, flags)));
}

async function up(file: string, flags: UpFlags): Promise<number> {
  const scenario = await readScenario(file, flags.set);
  const guard = await checkGuard(flags.guard ?? scenario.guard);
  const stop = listenForStop((text) => process.stderr.write(`${text}\n`));
  try {
    needRoot(flags.backend);
    const { upScenario } = await import("../../scenario/up.js");
    await upScenario(scenario, {
      guard: guard.name,
      guardModule: guard.file,
      backend: flags.backend,
      signal: stop.signal,
      onReady: (text) => process.stdout.write(text.endsWith("\n") ? text : `${text}\n`),
    });
    // Ctrl-C is how `up` is meant to end: everything was removed, as asked.
    return stop.exitCode() ?? EXIT.asExpected;
  } finally {
    stop.release();
    guard.dispose();
  }
}
