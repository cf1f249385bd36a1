// `packetpath flow check|format`: ovs-ofctl flow text, without a switch. Needs neither root nor any
// native library. Main thread only.
import type { Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import { writeOut } from "../failure.js";
import { collect, readText } from "../input.js";

interface FlowFlags {
  readonly port: readonly string[];
  readonly json?: boolean;
}

/** The last port number that is not reserved (OpenFlow 1.0: OFPP_MAX is 0xff00). */
const PORT_NUMBER_MAX = 0xfeff;

export function addFlowCommand(program: Command, exit: (code: number) => void): void {
  const flow = program
    .command("flow")
    .summary("check and format ovs-ofctl flow text")
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
}

async function check(file: string, flags: FlowFlags): Promise<number> {
  const text = readText(file);
  const ports = portMap(flags.port);
  const { parseFlows } = await import("../../ofctl/parse.js");
  const name = file === "-" ? "<stdin>" : file;
  if (flags.json !== true) {
    const flows = parseFlows(text, { file: name, ports });
    await writeOut(process.stdout, `${name}: ${flows.length} flows, all right\n`);
    return EXIT.asExpected;
  }
  let flows = 0;
  let errors: readonly PacketpathError[] = [];
  try {
    flows = parseFlows(text, { file: name, ports }).length;
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    errors = [error, ...error.others];
  }
  const list = errors.map((error) => ({
    line: error.place?.line ?? null,
    column: error.place?.column ?? null,
    message: error.message,
  }));
  const result = { schemaVersion: 1, file: name, ok: list.length === 0, flows, errors: list };
  await writeOut(process.stdout, `${JSON.stringify(result)}\n`);
  return list.length === 0 ? EXIT.asExpected : EXIT.badInput;
}

async function format(file: string, flags: FlowFlags): Promise<number> {
  const text = readText(file);
  const ports = portMap(flags.port);
  const { parseFlows } = await import("../../ofctl/parse.js");
  const { formatFlow } = await import("../../ofctl/format.js");
  const flows = parseFlows(text, { file: file === "-" ? "<stdin>" : file, ports });
  await writeOut(process.stdout, flows.map((flow) => `${formatFlow(flow)}\n`).join(""));
  return EXIT.asExpected;
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
