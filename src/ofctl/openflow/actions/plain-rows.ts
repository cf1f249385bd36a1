// Actions whose bodies are a few numbers, as rows (lib/ofp-actions.c, decode_* and encode_* of
// Open vSwitch 3.1). Any thread.
import type { FieldId } from "../../../flow/fields.js";
import { VLAN_PRESENT } from "../../../flow/key.js";
import { type Action, type ControllerReason, OFPP } from "../../../flow/types.js";
import { setWhole } from "../../actions/mod.js";
import { isOutputPort } from "../../text/ports.js";
import { numberOf } from "../../text/scan.js";
import { isPort32, port32 } from "../oxm-match.js";
import {
  type ActionContext,
  type ActionRow,
  argumentRow,
  type ArgumentBytes,
  type Decoded,
  exactRow,
  type AnyAction,
  isType,
  type Of,
  openRow,
  refuse,
} from "./row.js";

type Controller = Of<"controller">;
type Output = Of<"output">;
type Resubmit = Of<"resubmit">;
type SetField = Of<"set-field">;

const ALL_TABLES = 0xff;
const SHORTEST_CUT = 14;

const REASONS: readonly ControllerReason[] = [
  ...(["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"] as const),
];

/** Packet-ins of which only the length is said are outputs to the controller. */
export function isPlainController(action: Controller): boolean {
  const { reason, id, userdata, pause, meter } = action;
  const isBare = userdata === undefined && pause !== true && meter === undefined;
  return reason === "action" && id === 0 && isBare;
}

export function controllerOf(maxBytes: number, reason: number, id: number): Controller {
  const name = REASONS[reason] ?? refuse("OFPBAC_BAD_ARGUMENT");
  return { type: "controller", maxBytes, reason: name, id };
}

export function reasonNumber(action: Controller): number {
  return REASONS.indexOf(action.reason);
}

const isOutput = (action: AnyAction): action is Output | Controller =>
  action.type === "output" || (action.type === "controller" && isPlainController(action));

function outputTo(port: number, maxBytes: number): Decoded {
  if (!isOutputPort(port)) refuse("OFPBAC_BAD_OUT_PORT");
  if (port === OFPP.controller) return controllerOf(maxBytes, 1, 0);
  return { action: { type: "output", port }, maxBytes };
}

const portOf = (action: Output | Controller): number =>
  action.type === "output" ? action.port : OFPP.controller;
const lengthOf = (action: Output | Controller, maxBytes: number): number =>
  action.type === "output" ? maxBytes : action.maxBytes;

/** mod_* and set_vlan_*: a whole field, in the words of the older versions. */
function modRow(
  name: string,
  headers: string,
  bytes: ArgumentBytes,
  field: FieldId,
  more: { readonly forbidden?: bigint; readonly added?: bigint; readonly wide?: boolean } = {},
): ActionRow {
  const { forbidden = 0n, added = 0n, wide = false } = more;
  const spelling = wide ? "set_tunnel64" : "mod";
  return argumentRow<SetField>(name, headers, bytes, {
    of: (value) => {
      if ((value & forbidden) !== 0n) refuse("OFPBAC_BAD_ARGUMENT");
      return setWhole(field, value | added, spelling);
    },
    takes: (action): action is SetField =>
      action.type === "set-field" && action.field === field && action.spelling === spelling,
    value: (action) => numberOf(action.value) & ~added,
  });
}

/** mod_dl_src and mod_dl_dst: six bytes and six of padding. */
function macRow(name: string, headers: string, field: FieldId): ActionRow {
  return exactRow<SetField>(name, headers, 16, {
    decode: (reader) => setWhole(field, reader.wide(6)),
    takes: (action): action is SetField =>
      action.type === "set-field" && action.field === field && action.spelling === "mod",
    encode: (action, out) => out.wide(numberOf(action.value), 6),
  });
}

/** An action that is nothing but its name. */
function voidRow<T extends Action["type"]>(
  name: string,
  headers: string,
  action: Of<T>,
): ActionRow {
  return argumentRow<Of<T>>(name, headers, 0, {
    of: () => action,
    takes: isType(action.type as T),
  });
}

function resubmitRow(name: string, type: number, hasTuple: boolean): ActionRow {
  return exactRow<Resubmit>(name, `NX1.0+:${type}`, 16, {
    decode: (reader) => {
      const [port, table] = [reader.number(2), reader.number(1)];
      reader.zeros(3, "OFPBAC_BAD_ARGUMENT");
      return resubmitTo(port, table, hasTuple);
    },
    takes: (action): action is Resubmit =>
      action.type === "resubmit" && (action.ct === true) === hasTuple,
    encode: (action, out) => {
      out.number(action.port ?? OFPP.inPort, 2);
      out.number(action.table ?? ALL_TABLES, 1);
    },
  });
}

function resubmitTo(port: number, table: number, ct: boolean): Resubmit {
  return {
    ...{ type: "resubmit", port: port === OFPP.inPort ? null : port },
    ...{ table: table === ALL_TABLES ? null : table, ...(ct ? { ct } : {}) },
  };
}

function pushVlan(type: bigint): Action {
  if (type !== 0x8100n && type !== 0x88a8n) refuse("OFPBAC_BAD_ARGUMENT");
  return { type: "push-vlan", ethertype: Number(type) };
}

const OUTPUTS: readonly ActionRow[] = [
  exactRow<Output | Controller>("OFPAT_OUTPUT", "OF1.0:0", 8, {
    decode: (reader) => outputTo(reader.number(2), reader.number(2)),
    takes: isOutput,
    encode: (action, out, _, maxBytes) => {
      out.number(portOf(action), 2);
      out.number(lengthOf(action, maxBytes), 2);
    },
  }),
  exactRow<Output | Controller>("OFPAT_OUTPUT", "OF1.1+:0", 16, {
    decode: (reader, context: ActionContext) => {
      const port = reader.number(4);
      if (!isPort32(BigInt(port), context.warn)) refuse("OFPBAC_BAD_OUT_PORT");
      return outputTo(port & 0xffff, reader.number(2));
    },
    takes: isOutput,
    encode: (action, out, _, maxBytes) => {
      out.wide(port32(portOf(action)), 4);
      out.number(lengthOf(action, maxBytes), 2);
    },
  }),
  exactRow<Controller>("NXAST_CONTROLLER", "NX1.0+:20", 16, {
    decode: (reader) => {
      const [maxBytes, id] = [reader.number(2), reader.number(2)];
      return controllerOf(maxBytes, reader.number(1), id);
    },
    takes: (action): action is Controller =>
      action.type === "controller" &&
      action.userdata === undefined &&
      action.pause !== true &&
      action.meter === undefined,
    encode: (action, out) => {
      out.number(action.maxBytes, 2);
      out.number(action.id, 2);
      out.number(reasonNumber(action), 1);
    },
  }),
  exactRow<Of<"enqueue">>("OFPAT_ENQUEUE", "OF1.0:11", 16, {
    decode: (reader) => {
      const port = reader.number(2);
      const isSpecial = port === OFPP.inPort || port === OFPP.local;
      if (port >= OFPP.max && !isSpecial) refuse("OFPBAC_BAD_OUT_PORT");
      reader.skip(6);
      return { type: "enqueue", port, queue: reader.number(4) };
    },
    takes: isType("enqueue"),
    encode: (action, out) => {
      out.number(action.port, 2);
      out.zeros(6);
      out.number(action.queue, 4);
    },
  }),
  exactRow<Of<"output-truncated">>("NXAST_OUTPUT_TRUNC", "NX1.0+:39", 16, {
    decode: (reader) => {
      const [port, maxBytes] = [reader.number(2), reader.number(4)];
      if (maxBytes < SHORTEST_CUT) refuse("OFPBAC_BAD_ARGUMENT");
      return { type: "output-truncated", port, maxBytes };
    },
    takes: isType("output-truncated"),
    encode: (action, out) => {
      out.number(action.port, 2);
      out.number(action.maxBytes, 4);
    },
  }),
];

const VID = { forbidden: 0xf000n };
const PCP = { forbidden: 0xf8n };

const MODS: readonly ActionRow[] = [
  modRow("OFPAT_SET_VLAN_VID", "OF1.0:1", 2, "dl_vlan", VID),
  modRow("OFPAT_SET_VLAN_PCP", "OF1.0:2", 1, "dl_vlan_pcp", PCP),
  modRow("OFPAT_SET_VLAN_VID", "OF1.1:1, OF1.2+:1d", 2, "vlan_vid", {
    ...VID,
    added: BigInt(VLAN_PRESENT),
  }),
  modRow("OFPAT_SET_VLAN_PCP", "OF1.1:2, OF1.2+:2d", 1, "vlan_pcp", PCP),
  macRow("OFPAT_SET_DL_SRC", "OF1.0:4, OF1.1:3, OF1.2+:3d", "eth_src"),
  macRow("OFPAT_SET_DL_DST", "OF1.0:5, OF1.1:4, OF1.2+:4d", "eth_dst"),
  modRow("OFPAT_SET_NW_SRC", "OF1.0:6, OF1.1:5, OF1.2+:5d", 4, "ip_src"),
  modRow("OFPAT_SET_NW_DST", "OF1.0:7, OF1.1:6, OF1.2+:6d", 4, "ip_dst"),
  modRow("OFPAT_SET_NW_TOS", "OF1.0:8, OF1.1:7, OF1.2+:7d", 1, "nw_tos", { forbidden: 3n }),
  modRow("OFPAT_SET_NW_ECN", "OF1.1:8, OF1.2+:8d", 1, "nw_ecn", { forbidden: 0xfcn }),
  modRow("OFPAT_SET_TP_SRC", "OF1.0-1.1:9, OF1.2+:9d", 2, "tcp_src"),
  modRow("OFPAT_SET_TP_DST", "OF1.0-1.1:10, OF1.2+:10d", 2, "tcp_dst"),
  modRow("OFPAT_SET_NW_TTL", "OF1.1+:23", 1, "nw_ttl"),
  modRow("NXAST_SET_TUNNEL", "NX1.0-1.1:2, NX1.2+:2r", 4, "tun_id"),
  modRow("NXAST_SET_TUNNEL64", "NX1.0-1.1:9, NX1.2+:9r", 8, "tun_id", { wide: true }),
];

const NUMBERS: readonly ActionRow[] = [
  argumentRow<Of<"push-vlan">>("OFPAT_PUSH_VLAN", "OF1.1+:17", 2, {
    of: pushVlan,
    takes: isType("push-vlan"),
    value: (action) => BigInt(action.ethertype),
  }),
  argumentRow<Of<"set-queue">>("OFPAT_SET_QUEUE", "NX1.0:4, OF1.1+:21", 4, {
    of: (queue) => ({ type: "set-queue", queue: Number(queue) }),
    takes: isType("set-queue"),
    value: (action) => BigInt(action.queue),
  }),
  argumentRow<Of<"group">>("OFPAT_GROUP", "NX1.0:40, OF1.1+:22", 4, {
    of: (group) => ({ type: "group", group: Number(group) }),
    takes: isType("group"),
    value: (action) => BigInt(action.group),
  }),
  argumentRow<Of<"meter">>("OFPAT_METER", "OF1.5+:29", 4, {
    of: (meter) => ({ type: "meter", meter: Number(meter) }),
    takes: isType("meter"),
    value: (action) => BigInt(action.meter),
  }),
  resubmitRow("NXAST_RESUBMIT_TABLE", 14, false),
  resubmitRow("NXAST_RESUBMIT_TABLE_CT", 44, true),
  argumentRow<Resubmit>("NXAST_RESUBMIT", "NX1.0+:1", 2, {
    of: (port) => resubmitTo(Number(port), ALL_TABLES, false),
    takes: (action): action is Resubmit => action.type === "resubmit" && action.table === null,
    value: (action) => BigInt(action.port ?? OFPP.inPort),
  }),
  exactRow<Of<"fin-timeout">>("NXAST_FIN_TIMEOUT", "NX1.0+:19", 16, {
    decode: (reader) => {
      const [idleTimeout, hardTimeout] = [reader.number(2), reader.number(2)];
      return { type: "fin-timeout", idleTimeout, hardTimeout };
    },
    takes: isType("fin-timeout"),
    encode: (action, out) => {
      out.number(action.idleTimeout, 2);
      out.number(action.hardTimeout, 2);
    },
  }),
  exactRow<Of<"write-metadata">>("NXAST_WRITE_METADATA", "NX1.0:22, NX1.1+:22r", 32, {
    decode: (reader) => {
      reader.zeros(6, "NXBRC_MUST_BE_ZERO");
      return { type: "write-metadata", value: reader.wide(8), mask: reader.wide(8) };
    },
    takes: isType("write-metadata"),
    encode: (action, out) => {
      out.zeros(6);
      out.wide(action.value, 8);
      out.wide(action.mask, 8);
    },
  }),
  exactRow<Of<"conjunction">>("NXAST_CONJUNCTION", "NX1.0+:34", 16, {
    decode: (reader) => {
      const [clause, clauses, id] = [reader.number(1), reader.number(1), reader.number(4)];
      if (clauses < 2 || clauses > 64 || clause >= clauses) refuse("NXBAC_BAD_CONJUNCTION");
      return { type: "conjunction", id, clause: clause + 1, clauses };
    },
    takes: isType("conjunction"),
    encode: (action, out) => {
      out.number(action.clause - 1, 1);
      out.number(action.clauses, 1);
      out.number(action.id, 4);
    },
  }),
  openRow<Of<"note">>("NXAST_NOTE", "NX1.0+:8", 16, {
    decode: (reader) => ({ type: "note", bytes: reader.take(reader.left) }),
    takes: isType("note"),
    encode: (action, out) => out.bytes(action.bytes),
  }),
  openRow<Of<"dec-ttl">>("NXAST_DEC_TTL_CNT_IDS", "NX1.0+:21", 16, {
    decode: (reader, context) => {
      const count = reader.number(2);
      reader.zeros(4, "NXBRC_MUST_BE_ZERO");
      if (reader.left < 2 * count) {
        const has = `only has ${reader.left} bytes allocated for controller ids.`;
        const needs = `${2 * count} bytes are required for ${count} controllers.`;
        context.warn("ofp_actions", `Nicira action dec_ttl_cnt_ids ${has}  ${needs}`);
        refuse("OFPBAC_BAD_LEN");
      }
      const controllerIds = Array.from({ length: count }, () => reader.number(2));
      return { type: "dec-ttl", controllerIds };
    },
    takes: (action): action is Of<"dec-ttl"> =>
      action.type === "dec-ttl" && action.controllerIds.length > 0,
    encode: (action, out) => {
      out.number(action.controllerIds.length, 2);
      out.zeros(4);
      for (const id of action.controllerIds) out.number(id, 2);
    },
  }),
];

export const PLAIN_ROWS: readonly ActionRow[] = [
  ...OUTPUTS,
  ...MODS,
  ...NUMBERS,
  voidRow("OFPAT_STRIP_VLAN", "OF1.0:3", { type: "pop-vlan" }),
  voidRow("OFPAT_POP_VLAN", "OF1.1+:18", { type: "pop-vlan", asPop: true }),
  argumentRow<Of<"dec-ttl">>("OFPAT_DEC_NW_TTL", "NX1.0:18, OF1.1+:24", 0, {
    of: () => ({ type: "dec-ttl", controllerIds: [] }),
    takes: (action): action is Of<"dec-ttl"> =>
      action.type === "dec-ttl" && action.controllerIds.length === 0,
  }),
  voidRow("NXAST_POP_QUEUE", "NX1.0+:5", { type: "pop-queue" }),
  voidRow("NXAST_EXIT", "NX1.0+:17", { type: "exit" }),
  voidRow("NXAST_CT_CLEAR", "NX1.0+:43", { type: "ct-clear" }),
  argumentRow<Of<"debug-recirc">>("NXAST_DEBUG_RECIRC", "NX1.0+:255", 0, {
    // Only a switch that is under test takes it.
    of: () => refuse("OFPBAC_BAD_VENDOR_TYPE"),
    takes: isType("debug-recirc"),
  }),
];
