// The command line's entry: `scripts/packetpath` starts it. Parses the arguments, runs one command,
// turns errors into text and exit codes, and ends the process. Main thread only.
import { CommanderError } from "commander";
import { EXIT } from "../base/errors.js";
import { failureCode, failureText, writeOut } from "./failure.js";
import { createProgram } from "./program.js";

// A reader that closes its end early (`packetpath schema | head`) is no error; later writes to the
// stream are dropped, and the command goes on to its end and its cleaning up.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.exit(EXIT.internal);
  });
}

async function main(argv: readonly string[]): Promise<number> {
  let code: number = EXIT.asExpected;
  const program = createProgram((exitCode) => {
    code = exitCode;
  });
  try {
    if (argv.length <= 2) {
      program.outputHelp({ error: true });
      return EXIT.badInput;
    }
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    // commander has printed its message already; help and version end with 0.
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.asExpected;
      await writeOut(process.stderr, "  fix: See packetpath --help.\n");
      return EXIT.badInput;
    }
    await writeOut(process.stderr, failureText(error));
    return failureCode(error);
  }
}

const code = await main(process.argv);
await writeOut(process.stdout, "");
// Not left to an empty event loop: a worker that locked up would keep the process for ever.
process.exit(code);
