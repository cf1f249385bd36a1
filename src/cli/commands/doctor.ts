// `packetpath doctor`: what this machine has and lacks, one line each, with the fix. `clean`:
// removes what dead runs left. Main thread only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Check } from "../../host/doctor.js";
import { writeOut } from "../failure.js";

interface JsonFlag {
  readonly json?: boolean;
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
  const { runDoctor } = await import("../../host/doctor.js");
  const checks = await runDoctor();
  const lacking = checks.filter((check) => !check.ok && check.required);
  const text =
    flags.json === true
      ? `${JSON.stringify({ schemaVersion: 1, ok: lacking.length === 0, checks })}\n`
      : checks.map(checkText).join("");
  await writeOut(process.stdout, text);
  return lacking.length === 0 ? EXIT.asExpected : EXIT.environment;
}

function checkText(check: Check): string {
  const mark = check.ok ? "ok     " : check.required ? "LACKING" : "absent ";
  const fix = check.ok ? "" : `\n         fix: ${check.fix}`;
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
  const { sweep } = await import("../../host/ledger.js");
  const { sweepFolders } = await import("../../host/peers/folders.js");
  const { removed, kept } = sweep();
  removed.push(...sweepFolders());
  const { sweepSockets } = await import("../../vswitch/socket/registry.js");
  removed.push(...sweepSockets());
  const lines = [
    ...removed.map((name) => `removed ${name}`),
    ...kept.map(({ name, reason }) => `kept ${name}: ${reason}`),
  ];
  if (lines.length === 0) lines.push("nothing to remove");
  const json = JSON.stringify({ schemaVersion: 1, removed, kept });
  await writeOut(process.stdout, `${flags.json === true ? json : lines.join("\n")}\n`);
  return EXIT.asExpected;
}
