// `packetpath doctor`: what this machine has and lacks, one line each, with the fix. `clean`:
// removes what dead runs left. Main thread only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../base/errors.js";
import { writeOut } from "./failure.js";

interface JsonFlag {
  readonly json?: boolean;
}

/** A line of the doctor; `optional` ones may fail without consequence for runs. */
interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly optional?: boolean;
  readonly detail: string;
  readonly fix?: string | null;
}

export function addDoctorCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("doctor")
    .summary("say what this machine has and lacks")
    .description("Checks everything a run needs, and says how to get what is missing.")
    .option("--json", "print the result as one JSON object")
    .action(async (flags: JsonFlag) => exit(await doctor(flags)));
}

async function doctor(flags: JsonFlag): Promise<number> {
  const { runDoctor } = await import("../host/doctor.js");
  const checks: readonly Check[] = await runDoctor();
  const lacking = checks.filter((check) => !check.ok && check.optional !== true);
  const text =
    flags.json === true
      ? `${JSON.stringify({ schemaVersion: 1, ok: lacking.length === 0, checks })}\n`
      : checks.map(checkText).join("");
  await writeOut(process.stdout, text);
  return lacking.length === 0 ? EXIT.asExpected : EXIT.environment;
}

function checkText(check: Check): string {
  const mark = check.ok ? "ok     " : check.optional === true ? "absent " : "LACKING";
  const fix = check.ok || !check.fix ? "" : `\n         fix: ${check.fix}`;
  return `${mark}  ${check.name}: ${check.detail}${fix}\n`;
}

export function addCleanCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("clean")
    .summary("remove what dead runs left behind")
    .description(
      "Removes namespaces and devices whose run is dead; touches nothing of anybody else's.",
    )
    .option("--json", "print the result as one JSON object")
    .action(async (flags: JsonFlag) => exit(await clean(flags)));
}

async function clean(flags: JsonFlag): Promise<number> {
  if (process.geteuid?.() !== 0) {
    throw new PacketpathError("ENVIRONMENT", "clean needs root: it removes namespaces", {
      fix: "Use sudo.",
    });
  }
  const { sweep } = await import("../host/sweep.js");
  const removed: readonly string[] = await sweep();
  const lines = removed.length === 0 ? "nothing to remove\n" : removed.map(removedText).join("");
  const json = `${JSON.stringify({ schemaVersion: 1, removed })}\n`;
  await writeOut(process.stdout, flags.json === true ? json : lines);
  return EXIT.asExpected;
}

function removedText(what: string): string {
  return `removed ${what}\n`;
}
