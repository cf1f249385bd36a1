// Actions that send a packet somewhere: output, controller, enqueue, resubmit, bare port names
// (lib/ofp-actions.c of Open vSwitch 3.1). Slow path; any thread.
import { OFPP, type Action, type ControllerReason } from "../../flow/types.js";
import { numberArgument, uint32Argument } from "../text/numbers.js";
import { parsePort, parseTable, type PortMap } from "../text/ports.js";
import { FlowTextError, type Pair } from "../text/scan.js";
import { parseSubField } from "../text/subfield.js";
import { innerPairs, type ActionContext } from "./context.js";

/** The smallest frame that a truncating output may leave (ETH_HLEN). */
const TRUNCATE_MIN = 14;

/** Bytes of userdata that fit into an action of 64 KiB. */
const USERDATA_MAX = 65536 - 64;

const REASONS: readonly ControllerReason[] = [
  "no_match",
  "action",
  "invalid_ttl",
  "action_set",
  "group",
  "packet_out",
];

function outputTo(port: number): Action {
  if (port === OFPP.controller) {
    return { type: "controller", maxBytes: 0xffff, reason: "action", id: 0 };
  }
  return { type: "output", port };
}

/** `output:PORT`, `output:FIELD[..]`, `output(port=N,max_len=M)`. */
export function parseOutput(pair: Pair, context: ActionContext): Action {
  const { value, valueAt } = pair;
  if (value.includes("port") && value.includes("max_len")) return parseTruncated(pair, context);
  const port = parsePort(value, context.ports);
  if (port !== null) return outputTo(port);
  try {
    return { type: "output-field", source: parseSubField(value, valueAt) };
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    throw new FlowTextError(`${value}: output to unknown port`, valueAt);
  }
}

function parseTruncated(outer: Pair, context: ActionContext): Action {
  let [port, maxBytes]: [number, number] = [0, 0];
  for (const pair of innerPairs(outer, context)) {
    if (pair.key === "port") {
      const found = parsePort(pair.value, context.ports);
      if (found === null) {
        const message = `output to unknown truncate port: ${pair.value}`;
        throw new FlowTextError(message, pair.valueAt);
      }
      if (found > OFPP.max && found !== OFPP.local && found !== OFPP.inPort) {
        const message = `output to unsupported truncate port: ${pair.value}`;
        throw new FlowTextError(message, pair.valueAt);
      }
      port = found;
    } else if (pair.key === "max_len") {
      maxBytes = uint32Argument(pair.value, pair.valueAt);
      if (maxBytes < TRUNCATE_MIN) {
        const message = `max_len ${maxBytes} is less than the minimum value ${TRUNCATE_MIN}`;
        throw new FlowTextError(message, pair.valueAt);
      }
    } else {
      const message = `invalid key '${pair.key}' in output_trunc argument`;
      throw new FlowTextError(message, pair.keyAt);
    }
  }
  return { type: "output-truncated", port, maxBytes };
}

/** Bytes from hex digits in pairs, with dots and spaces between them; null if wrong. */
export function parseHexBytes(text: string): Uint8Array | null {
  const bytes: number[] = [];
  for (let i = 0; i < text.length;) {
    if (". \t\r\n".includes(text[i]!)) {
      i++;
      continue;
    }
    const two = text.slice(i, i + 2);
    if (!/^[0-9a-fA-F]{2}$/.test(two)) return null;
    bytes.push(Number.parseInt(two, 16));
    i += 2;
  }
  return Uint8Array.from(bytes);
}

/** `controller`, `controller:N`, `controller(key=value,...)`. */
export function parseController(outer: Pair, context: ActionContext): Action {
  const action = { type: "controller", maxBytes: 0xffff, reason: "action", id: 0 } as const;
  if (outer.value === "") return action;
  if (/^[0-9]+$/.test(outer.value)) {
    return { ...action, maxBytes: numberArgument(outer, "max_len", 0xffff) };
  }
  let read: Extract<Action, { type: "controller" }> = action;
  let userdata: Pair | null = null;
  for (const pair of innerPairs(outer, context)) {
    if (pair.key === "userdata") userdata = pair;
    else read = withControllerKey(read, pair);
  }
  if (userdata === null) return read;
  const bytes = parseHexBytes(userdata.value);
  if (bytes === null) {
    const message = "bad hex digit in `controller' action `userdata'";
    throw new FlowTextError(message, userdata.valueAt);
  }
  if (bytes.length > USERDATA_MAX) throw new FlowTextError("input too big", userdata.valueAt);
  // No bytes are as good as no userdata at all once the action has been sent.
  return bytes.length === 0 ? read : { ...read, userdata: bytes };
}

type Controller = Extract<Action, { type: "controller" }>;

function withControllerKey(action: Controller, pair: Pair): Controller {
  switch (pair.key) {
    case "reason": {
      const reason = REASONS.find((name) => name === pair.value.toLowerCase());
      if (reason !== undefined) return { ...action, reason };
      throw new FlowTextError(`unknown reason "${pair.value}"`, pair.valueAt);
    }
    case "max_len":
      return { ...action, maxBytes: numberArgument(pair, "max_len", 0xffff) };
    case "id":
      return { ...action, id: numberArgument(pair, "id", 0xffff) };
    case "pause":
      return { ...action, pause: true };
    case "meter_id":
      return { ...action, meter: uint32Argument(pair.value, pair.valueAt) };
    default: {
      const message = `unknown key "${pair.key}" parsing controller action`;
      throw new FlowTextError(message, pair.keyAt);
    }
  }
}

/** `enqueue:PORT:QUEUE`, `enqueue(PORT,QUEUE)`, `enqueue:PORTqQUEUE`. */
export function parseEnqueue(pair: Pair, context: ActionContext): Action {
  const parts = /^[:q,]*([^:q,]+)[:q,](.+)$/s.exec(pair.value);
  if (parts === null) {
    const message = '"enqueue" syntax is "enqueue:PORT:QUEUE" or "enqueue(PORT,QUEUE)"';
    throw new FlowTextError(message, pair.valueAt);
  }
  const port = parsePort(parts[1]!, context.ports);
  if (port === null) {
    throw new FlowTextError(`${parts[1]!}: enqueue to unknown port`, pair.valueAt);
  }
  return { type: "enqueue", port, queue: uint32Argument(parts[2]!, pair.valueAt) };
}

/** `resubmit:PORT`, `resubmit(PORT?,TABLE?,ct?)`. */
export function parseResubmit(pair: Pair, context: ActionContext): Action {
  const [portText = "", tableText = "", ctText = ""] = pair.value.split(",");
  const port = parseResubmitPort(portText, pair.valueAt, context.ports);
  const tableAt = pair.valueAt + portText.length + 1;
  let table: number | null = null;
  if (tableText !== "") {
    table = parseTable(tableText, context.ports);
    if (table === null) {
      throw new FlowTextError(`${tableText}: resubmit to unknown table`, tableAt);
    }
    if (table === 255) table = null;
  }
  if (ctText !== "" && ctText !== "ct") {
    const message = `${ctText}: unknown parameter`;
    throw new FlowTextError(message, tableAt + tableText.length + 1);
  }
  if (port === null && table === null) {
    const message = 'at least one "in_port" or "table" must be specified on resubmit';
    throw new FlowTextError(message, pair.keyAt);
  }
  const action = { type: "resubmit", port, table } as const;
  return ctText === "" ? action : { ...action, ct: true };
}

/** null: the packet's own port. */
function parseResubmitPort(text: string, at: number, ports: PortMap): number | null {
  if (text === "") return null;
  const port = parsePort(text, ports);
  if (port === null) throw new FlowTextError(`${text}: resubmit to unknown port`, at);
  return port === OFPP.inPort ? null : port;
}

/** `3`, `LOCAL`, `eth0`: an output without the word; null when the key is no port. */
export function parseBarePort(pair: Pair, ports: PortMap): Action | null {
  const port = parsePort(pair.key, ports);
  return port === null ? null : outputTo(port);
}
