// `packetpath flow check|format|trace`: ovs-ofctl flow text, without a switch. Needs neither root
// nor any native library. Main thread only; `trace` is in ../flow.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Flow } from "../../flow/types.js";
import type { Diagnostic } from "../../ofctl/parse.js";
import { writeOut } from "../failure.js";
import { collect, readText } from "../input.js";
import { addTraceCommand } from "../flow/trace.js";

interface FlowFlags {
  readonly port: readonly string[];
  readonly json?: boolean;
}

/** The last port number that is not reserved (OpenFlow 1.0: OFPP_MAX is 0xff00). */
const PORT_NUMBER_MAX = 0xfeff;

export function addFlowCommand(program: Command, exit: (code: number) => void): void {
  const flow = program
    .command("flow")
    .summary("check, format and trace ovs-ofctl flow text")
    .description("Works on flow text as ovs-ofctl reads it: one flow a line, # for comments.");
  flow
    .command("check")
    .summary("say what is wrong with flow text")
    .description("Checks every line and prints each error with its line and column.")
    .argument("<file>", "flow text; - reads standard input")
    .option("--port <name=number>", "a port name that flows may use (repeatable)", collect, [])
    .option("--json", "print the result as one JSON object")
    .action(async (file: string, flags: FlowFlags) => exit(await check(file, flags)));
  flow
    .command("format")
    .summary("print flow text in canonical form")
    .description("Prints each flow as `ovs-ofctl dump-flows --no-stats` would.")
    .argument("<file>", "flow text; - reads standard input")
    .option("--port <name=number>", "a port name that flows may use (repeatable)", collect, [])
    .action(async (file: string, flags: FlowFlags) => exit(await format(file, flags)));
  addTraceCommand(flow, exit, portMap);
}

interface Read {
  readonly name: string;
  readonly text: string;
  readonly flows: readonly Flow[];
  readonly diagnostics: readonly Diagnostic[];
}

async function readFlowFile(file: string, flags: FlowFlags): Promise<Read> {
  const text = readText(file);
  const ports = portMap(flags.port);
  const { readFlows } = await import("../../ofctl/parse.js");
  const name = file === "-" ? "<stdin>" : file;
  return { name, text, ...readFlows(text, { file: name, ports }) };
}

const isError = (one: Diagnostic) => one.severity === "error";

async function check(file: string, flags: FlowFlags): Promise<number> {
  const read = await readFlowFile(file, flags);
  const errors = read.diagnostics.filter(isError).map(withoutFile);
  const warnings = read.diagnostics.filter((one) => !isError(one)).map(withoutFile);
  const ok = errors.length === 0;
  const count = read.flows.length;
  if (flags.json === true) {
    const result = { schemaVersion: 1, file: read.name, ok, flows: count, errors, warnings };
    await writeOut(process.stdout, `${JSON.stringify(result)}\n`);
    return ok ? EXIT.asExpected : EXIT.badInput;
  }
  await writeOut(process.stderr, read.diagnostics.map((one) => diagnosticText(one, read)).join(""));
  if (!ok) return EXIT.badInput;
  const flowsText = `${count} ${count === 1 ? "flow" : "flows"}`;
  await writeOut(process.stdout, `${read.name}: ${flowsText}, all right\n`);
  return EXIT.asExpected;
}

async function format(file: string, flags: FlowFlags): Promise<number> {
  const read = await readFlowFile(file, flags);
  const errors = read.diagnostics.filter(isError);
  if (errors.length > 0) {
    await writeOut(process.stderr, errors.map((one) => diagnosticText(one, read)).join(""));
    return EXIT.badInput;
  }
  const { formatFlow } = await import("../../ofctl/format.js");
  await writeOut(process.stdout, read.flows.map((flow) => `${formatFlow(flow)}\n`).join(""));
  return EXIT.asExpected;
}

function withoutFile({ line, column, message }: Diagnostic) {
  return { line, column, message };
}

/** As compilers print it: place, sentence, the line, and a caret below the place. */
function diagnosticText(one: Diagnostic, read: Read): string {
  const line = read.text.split("\n")[one.line - 1] ?? "";
  const caret = `${line.slice(0, one.column - 1).replace(/[^\t]/g, " ")}^`;
  const head = `${one.file}:${one.line}:${one.column}: ${one.severity}: ${one.message}`;
  return `${head}\n  ${line}\n  ${caret}\n`;
}

function portMap(texts: readonly string[]): Map<string, number> {
  const ports = new Map<string, number>();
  for (const text of texts) {
    const parts = /^([^=]+)=(\d{1,5})$/.exec(text);
    const number = Number(parts?.[2] ?? 0);
    if (parts === null || number < 1 || number > PORT_NUMBER_MAX) {
      const expected = `expected name=number with a number from 1 to ${PORT_NUMBER_MAX}`;
      throw new PacketpathError("USAGE", `--port "${text}": ${expected}`);
    }
    ports.set(parts[1]!, number);
  }
  return ports;
}
