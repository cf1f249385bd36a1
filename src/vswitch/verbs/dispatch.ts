// From a command line of one of the four tools to its answer. Main thread of whoever has the
// switch; or of a look-alike itself, for the verbs that need none.
import { PacketpathError } from "../../base/errors.js";
import { APPCTL } from "./appctl/tool.js";
import {
  type Answer,
  Call,
  NotYet,
  type Request,
  type Target,
  type Tool,
  VerbError,
} from "./call.js";
import { DPCTL } from "./dpctl/tool.js";
import { OFCTL } from "./ofctl/tool.js";
import { OptionError, has, readOptions, valueOf } from "./options.js";
import type { ToolSpec } from "./tool.js";
import { VSCTL } from "./vsctl/tool.js";

const TOOL_SPECS: Readonly<Record<Tool, ToolSpec>> = {
  "ovs-ofctl": OFCTL,
  "ovs-appctl": APPCTL,
  "ovs-vsctl": VSCTL,
  "ovs-dpctl": DPCTL,
};

/** The version of Open vSwitch whose tools are spoken like. */
const VERSION = "3.1.0";

/** The signal that ends a tool whose time is over (`--timeout`). */
const SIGALRM = 14;

/**
 * Performs one command line. Never rejects: mistakes are answers, in the tool's own words.
 * @param target null: no switch is at hand.
 */
export async function perform(request: Request, target: Target | null): Promise<Answer> {
  const spec = TOOL_SPECS[request.tool];
  let call: Call | null = null;
  try {
    const options = readOptions(request.args, spec.options, spec.stopAtCommand);
    if (has(options, "version")) return done(`${request.tool} (Open vSwitch) ${VERSION}\n`);
    if (has(options, "help")) return done(spec.help());
    call = new Call(request, options, target);
    await spec.perform(call);
    const { exitCode, stdout, stderr, session } = call;
    return { exitCode, stdout, stderr, ...(session === null ? {} : { session }) };
  } catch (error) {
    if (error instanceof NotYet) {
      const seconds = Number(valueOf(call!.options, "timeout") ?? 0);
      const waits = seconds > 0 ? seconds : Infinity;
      return { exitCode: 128 + SIGALRM, stdout: "", stderr: call!.stderr, waits };
    }
    const stderr = (call?.stderr ?? "") + errorText(request.tool, error);
    const exitCode = error instanceof VerbError ? error.exitCode : 1;
    return { exitCode, stdout: call?.stdout ?? "", stderr };
  }
}

/** Whether a command line can be answered without a switch. */
export function isLocal(request: Request): boolean {
  const spec = TOOL_SPECS[request.tool];
  try {
    const options = readOptions(request.args, spec.options, spec.stopAtCommand);
    if (has(options, "version") || has(options, "help")) return true;
    return spec.isLocal(options.args[0] ?? "");
  } catch (error) {
    if (error instanceof OptionError) return true;
    throw error;
  }
}

function done(stdout: string): Answer {
  return { exitCode: 0, stdout, stderr: "" };
}

function errorText(tool: Tool, error: unknown): string {
  if (error instanceof VerbError) return error.text(tool);
  if (error instanceof OptionError) return `${tool}: ${error.message}\n`;
  if (error instanceof PacketpathError) {
    const fix = error.fix === undefined ? "" : `  fix: ${error.fix}\n`;
    return `${tool}: ${error.message}\n${fix}`;
  }
  // A defect of ours must neither end the switch nor look like success.
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${tool}: packetpath: internal error: ${detail}\n`;
}
