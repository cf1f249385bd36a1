// ovs-ofctl flow text to flows, as `ovs-ofctl add-flow` and `add-flows` of Open vSwitch 3.1 read
// it (lib/ofp-flow.c parse_ofp_str). Errors are Open vSwitch's own sentences, with their place.
// Slow path; any thread.
import { PacketpathError } from "../base/errors.js";
import type { Flow } from "../flow/types.js";
import { flowVersion } from "./format.js";
import {
  findActions,
  flowOfMod,
  leadingCommand,
  parseFlowModText,
  type FlowCommand,
  type FlowMod,
  type Ignored,
  type ParsedFlowMod,
} from "./flow-mods.js";
import { columnOf, placed, placedLines, textLines, type ParseOptions } from "./text/place.js";
import type { PortMap } from "./text/ports.js";
import { FlowTextError } from "./text/scan.js";
import { unreadable } from "./print/unreadable.js";

export type { ParseOptions } from "./text/place.js";

/** Something to say about a flow text. Lines and columns count from 1. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const NO_PORTS: PortMap = new Map();

/** One line of a flow file of a scenario, where flows can only be added. */
function parseText(text: string, ports: PortMap): { flow: Flow; ignored: readonly Ignored[] } {
  const { command, from } = leadingCommand(text);
  if (command !== "add") {
    const at = text.search(/\S/);
    throw new FlowTextError(`${command}: only "add" can stand before a flow here`, at);
  }
  const { mod, ignored } = parseFlowModText(text, "add", ports, from);
  const flow = flowOfMod(mod);
  refuseUnreadable(text, mod, from);
  return { flow, ignored };
}

/** What ovs-ofctl takes and a switch refuses is refused at once. */
function refuseUnreadable(text: string, mod: FlowMod, from: number): void {
  const { fault } = mod;
  if (fault !== null) throw new FlowTextError(fault.message, fault.at);
  const error = unreadable(mod, flowVersion(flowOfMod(mod)));
  if (error === null) return;
  const isMatch = error.startsWith("OFPBMC") && error !== "OFPBMC_BAD_WILDCARDS";
  const what = isMatch ? "the match is invalid" : "actions are invalid with specified match";
  const at = isMatch ? from : (findActions(text, from)?.listAt ?? from);
  throw new FlowTextError(`${what} (${error})`, at);
}

/**
 * Reads one flow to add.
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence and the place of the mistake.
 */
export function parseFlow(text: string, options: ParseOptions = {}): Flow {
  return placed(options, (ports) => parseText(text, ports).flow);
}

/**
 * Reads the flow argument of a command: add-flow ("add"), mod-flows ("modify", with --strict
 * "modify_strict"), del-flows ("delete", "delete_strict"), dump-flows ("query").
 * @throws PacketpathError FLOW_INVALID.
 */
export function parseFlowMod(
  text: string,
  command: FlowCommand,
  options: ParseOptions = {},
): ParsedFlowMod {
  return placed(options, (ports) => parseFlowModText(text, command, ports));
}

/**
 * Reads a flow file whose lines may begin with a command, as `ovs-ofctl add-flows` and
 * replace-flows take it; without one, the flow is to be added.
 * @param command what every line means; then no line begins with a command (`del-flows br -`).
 * @throws PacketpathError FLOW_INVALID for the first mistake.
 */
export function parseFlowModFile(
  text: string,
  options: ParseOptions = {},
  command?: FlowCommand,
): ParsedFlowMod[] {
  return placedLines(text, options, (line, ports) => {
    if (command !== undefined) return parseFlowModText(line, command, ports);
    const leading = leadingCommand(line);
    return parseFlowModText(line, leading.command, ports, leading.from);
  });
}

/** Reads every flow of a text and keeps going after mistakes. */
export function readFlows(
  text: string,
  options: ParseOptions = {},
): { flows: Flow[]; diagnostics: Diagnostic[] } {
  const flows: Flow[] = [];
  const diagnostics: Diagnostic[] = [];
  const file = options.file ?? "<flow>";
  for (const entry of textLines(text)) {
    const line = (options.line ?? 1) + entry.line - 1;
    try {
      const { flow, ignored } = parseText(entry.text, options.ports ?? NO_PORTS);
      flows.push(flow);
      for (const { key, index } of ignored) {
        const message = `${key} is ignored: the flow does not match its protocol (prerequisite)`;
        const column = columnOf(index, options);
        diagnostics.push({ severity: "warning", file, line, column, message });
      }
    } catch (error) {
      if (!(error instanceof FlowTextError)) throw error;
      const column = columnOf(error.index, options);
      diagnostics.push({ severity: "error", file, line, column, message: error.message });
    }
  }
  return { flows, diagnostics };
}

/**
 * Reads a flow file: one flow a line, `#` comments, blank lines.
 * @throws PacketpathError FLOW_INVALID for the first mistake; `checkFlows` lists them all.
 */
export function parseFlows(text: string, options: ParseOptions = {}): Flow[] {
  const { flows, diagnostics } = readFlows(text, options);
  const first = diagnostics.find((diagnostic) => diagnostic.severity === "error");
  if (first === undefined) return flows;
  const { file, line, column, message } = first;
  throw new PacketpathError("FLOW_INVALID", message, { place: { file, line, column } });
}

/** Every mistake in a flow file, and warnings about matches that are silently dropped. */
export function checkFlows(text: string, file: string, ports: PortMap = NO_PORTS): Diagnostic[] {
  return readFlows(text, { file, ports }).diagnostics;
}
