// `packetpath observe WHAT`: what the models say, looked at on the running kernel of this host.
// Main thread only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../../base/errors.js";
import { writeOut } from "../../failure.js";
import { listenForStop, type StopRequest } from "../../signals.js";
import { type Observation, OBSERVATIONS, type ObserveFlags } from "./rows.js";

export function addObserveCommand(program: Command, exit: (code: number) => void): void {
  const parent = program
    .command("observe")
    .summary("look at the running kernel where the models speak of it")
    .description(
      "Shows on this host's own kernel what the models say of it, in namespaces of its own. " +
        "Exit code 0 if the kernel does what was predicted, 1 if not, 3 if it cannot be seen here.",
    );
  for (const row of OBSERVATIONS) {
    const command = parent.command(row.name).summary(row.summary).description(row.description);
    (row.addOptions?.(command) ?? command)
      .option("--json", "print the result as one JSON object")
      .action(async (flags: ObserveFlags) => exit(await observe(row, flags)));
  }
}

async function observe(row: Observation, flags: ObserveFlags): Promise<number> {
  if (process.geteuid?.() !== 0) {
    throw new PacketpathError("ENVIRONMENT", `observe ${row.name} needs root`, {
      fix: "Use sudo.",
    });
  }
  const stop = listenForStop((text) => process.stderr.write(`${text}\n`));
  try {
    const { asExpected, json, text } = await row.observe(flags, stop.signal);
    const stopped = await signalled(stop);
    if (stopped !== null) return stopped;
    const object = JSON.stringify({ schemaVersion: 1, ...json });
    await writeOut(process.stdout, flags.json === true ? `${object}\n` : text);
    return asExpected ? EXIT.asExpected : EXIT.notAsExpected;
  } finally {
    stop.release();
  }
}

/** What looks at the kernel call by call lets no signal in; two turns later each has been heard. */
async function signalled(stop: StopRequest): Promise<number | null> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  return stop.exitCode();
}
