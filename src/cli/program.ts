// The command tree. Commands report their exit code through `exit`; none ends the process itself.
// Main thread only.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { addBenchCommand } from "./commands/bench.js";
import { addCompletionCommand } from "./commands/completion.js";
import { addCleanCommand, addDoctorCommand } from "./commands/doctor.js";
import { addExploreCommand } from "./commands/explore.js";
import { addMatrixCommand } from "./commands/matrix.js";
import { addFlowCommand } from "./commands/flow.js";
import { addMergeCommand } from "./commands/merge.js";
import { addMutantsCommand } from "./commands/mutants.js";
import { addObserveCommand } from "./commands/observe/observe.js";
import { addRunCommand } from "./commands/run.js";
import { addSchemaCommand } from "./commands/schema.js";
import { addSwitchCommand } from "./commands/switch.js";
import { addUpCommand } from "./commands/up.js";

/** The tree; the caller parses with it and gets the exit code of the command that ran. */
export function createProgram(exit: (code: number) => void): Command {
  const program = new Command("packetpath")
    .description("A packet-path emulator: races between output and unregister, on real devices.")
    .version(version(), "-V, --version", "print the version")
    .helpCommand(false)
    .showHelpAfterError(false)
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText(
      "after",
      `
Exit codes: 0 as the scenario expects; 1 not as expected; 2 bad input; 3 the machine lacks
something; 4 internal error; 130, 143 interrupted and cleaned up.`,
    );
  addRunCommand(program, exit);
  addUpCommand(program, exit);
  addSwitchCommand(program, exit);
  addExploreCommand(program, exit);
  addMatrixCommand(program, exit);
  addMutantsCommand(program, exit);
  addMergeCommand(program, exit);
  addFlowCommand(program, exit);
  addObserveCommand(program, exit);
  addBenchCommand(program, exit);
  addDoctorCommand(program, exit);
  addCleanCommand(program, exit);
  addSchemaCommand(program, exit);
  addCompletionCommand(program, exit);
  return program;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  const { version: text } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return text;
}
