// Printing actions as Open vSwitch 3.1 does (lib/ofp-actions.c ofpacts_format). A dump shows them
// as they came through OpenFlow, whose versions differ in their words: received.ts. Slow path; any
// thread.
import { OFPP, type Action, type Conntrack, type Match } from "../../flow/types.js";
import { HELPERS } from "../actions/conntrack.js";
import type { OpenFlowVersion } from "../protocols.js";
import { formatPort, formatTable } from "../text/ports.js";
import { formatSubField } from "../text/subfield.js";
import { formatLearn, formatNat } from "./format-nested.js";
import { formatSetField } from "./format-set-field.js";
import { hex, type FormatOptions } from "./format-value.js";
import { receivedActions } from "./received.js";

/** How a list of actions is printed. */
export interface ActionFormatOptions extends FormatOptions {
  /** The version of OpenFlow it is dumped with; default 10 (1.0), as with ovs-ofctl. */
  readonly version?: OpenFlowVersion;
}

type Controller = Extract<Action, { type: "controller" }>;

function formatOutput(port: number, options: FormatOptions): string {
  const text = formatPort(port, options.portNames);
  return port < OFPP.max ? `output:${text}` : text;
}

function formatBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(".");
}

function formatController(action: Controller): string {
  const meter = action.meter ?? 0;
  const parts = [
    action.reason === "action" ? "" : `reason=${action.reason}`,
    action.maxBytes === 0xffff ? "" : `max_len=${action.maxBytes}`,
    action.id === 0 ? "" : `id=${action.id}`,
    action.userdata === undefined ? "" : `userdata=${formatBytes(action.userdata)}`,
    action.pause === true ? "pause" : "",
    meter === 0 ? "" : `meter_id=${meter}`,
  ].filter((part) => part !== "");
  const isPlain = parts.every((part) => part.startsWith("max_len="));
  return isPlain ? `CONTROLLER:${action.maxBytes}` : `controller(${parts.join(",")})`;
}

function formatResubmit(
  action: Extract<Action, { type: "resubmit" }>,
  options: FormatOptions,
): string {
  const port = action.port === null ? "" : formatPort(action.port, options.portNames);
  // Open vSwitch 3.1 leaves the `ct` out where there is only a port.
  if (action.table === null && action.port !== null) return `resubmit:${port}`;
  const table = action.table === null ? "" : formatTable(action.table, options.tableNames);
  return `resubmit(${port},${table}${action.ct === true ? ",ct" : ""})`;
}

/** A note fills its action, whose length is a multiple of 8: 6 bytes, 14, 22 ... */
function formatNote(bytes: Uint8Array): string {
  const length = bytes.length <= 6 ? 6 : 6 + Math.ceil((bytes.length - 6) / 8) * 8;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  return `note:${formatBytes(padded)}`;
}

function formatHelper(port: number): string {
  if (port === 0) return "";
  const name = Object.keys(HELPERS).find((known) => HELPERS[known] === port);
  return `alg=${name ?? port}`;
}

/** `nat` stands before `exec(...)` when it is the first action, and inside it otherwise. */
function formatConntrack(ct: Conntrack, options: ActionFormatOptions): string {
  const first = ct.actions[0];
  const nat = first?.type === "nat" ? formatNat(first) : "";
  const rest = nat === "" ? ct.actions : ct.actions.slice(1);
  const zone = typeof ct.zone === "number" ? String(ct.zone) : formatSubField(ct.zone);
  const parts = [
    ct.commit ? "commit" : "",
    ct.force ? "force" : "",
    ct.table === null ? "" : `table=${formatTable(ct.table, options.tableNames)}`,
    ct.zone === 0 ? "" : `zone=${zone}`,
    nat,
    rest.length === 0 ? "" : `exec(${printActions(rest, options)})`,
    formatHelper(ct.alg),
  ];
  return `ct(${parts.filter((part) => part !== "").join(",")})`;
}

function formatFinTimeout(idle: number, hard: number): string {
  const parts = [
    idle === 0 ? "" : `idle_timeout=${idle}`,
    hard === 0 ? "" : `hard_timeout=${hard}`,
  ];
  return `fin_timeout(${parts.filter((part) => part !== "").join(",")})`;
}

/** Actions that print as a word and numbers. */
function formatPlain(action: Action, options: ActionFormatOptions): string {
  switch (action.type) {
    case "drop":
    case "exit":
      return action.type;
    case "pop-queue":
      return "pop_queue";
    case "debug-recirc":
      return "debug_recirc";
    case "ct-clear":
      return "ct_clear";
    case "clear-actions":
      return "clear_actions";
    case "pop-vlan":
      return (options.version ?? 10) > 10 || action.asPop === true ? "pop_vlan" : "strip_vlan";
    case "push-vlan":
      return `push_vlan:0x${action.ethertype.toString(16).padStart(4, "0")}`;
    case "goto-table":
      return `goto_table:${formatTable(action.table, options.tableNames)}`;
    case "set-queue":
      return `set_queue:${action.queue}`;
    case "group":
      return `group:${action.group}`;
    case "meter":
      return `meter:${action.meter}`;
    case "conjunction":
      return `conjunction(${action.id},${action.clause}/${action.clauses})`;
    case "dec-ttl":
      return action.controllerIds.length === 0
        ? "dec_ttl"
        : `dec_ttl(${action.controllerIds.join(",")})`;
    case "note":
      return formatNote(action.bytes);
    case "fin-timeout":
      return formatFinTimeout(action.idleTimeout, action.hardTimeout);
    case "write-metadata": {
      const mask = action.mask === (1n << 64n) - 1n ? "" : `/${hex(action.mask)}`;
      return `write_metadata:${hex(action.value)}${mask}`;
    }
    case "push":
      return `push:${formatSubField(action.source)}`;
    case "pop":
      return `pop:${formatSubField(action.target)}`;
    case "move":
      return `move:${formatSubField(action.source)}->${formatSubField(action.target)}`;
    case "check-packet-larger":
      return `check_pkt_larger(${action.bytes})->${formatSubField(action.target)}`;
    case "output-field":
      return `output:${formatSubField(action.source)}`;
    default:
      return formatOther(action, options);
  }
}

type Other = Extract<
  Action,
  {
    type:
      | "output"
      | "output-truncated"
      | "enqueue"
      | "controller"
      | "resubmit"
      | "set-field"
      | "learn"
      | "clone"
      | "ct"
      | "nat"
      | "write-actions";
  }
>;

function formatOther(action: Other, options: ActionFormatOptions): string {
  switch (action.type) {
    case "output":
      return formatOutput(action.port, options);
    case "output-truncated": {
      const port = formatPort(action.port, options.portNames);
      return `output(port=${port},max_len=${action.maxBytes})`;
    }
    case "enqueue":
      return `enqueue:${formatPort(action.port, options.portNames)}:${action.queue}`;
    case "controller":
      return formatController(action);
    case "resubmit":
      return formatResubmit(action, options);
    case "set-field":
      return formatSetField(action, options, (options.version ?? 10) < 15);
    case "learn":
      return formatLearn(action, options);
    case "clone":
      return `clone(${printActions(action.actions, options)})`;
    case "ct":
      return formatConntrack(action, options);
    case "nat":
      return formatNat(action);
    case "write-actions":
      return `write_actions(${printActions(action.actions, options)})`;
  }
}

/** The actions as they are, in their own words; no actions are `drop`. For traces. */
export function printActions(
  actions: readonly Action[],
  options: ActionFormatOptions = {},
): string {
  if (actions.length === 0) return "drop";
  return actions.map((action) => formatPlain(action, options)).join(",");
}

/**
 * The actions as `dump-flows` prints them after `actions=`: as they come through OpenFlow.
 * @param match the flow's, which decides what some actions become; absent: of a bucket.
 */
export function formatActions(
  actions: readonly Action[],
  options: ActionFormatOptions = {},
  match: Match | null = null,
): string {
  return printActions(receivedActions(actions, options.version ?? 10, match), options);
}
