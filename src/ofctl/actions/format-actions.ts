// Printing actions in Open vSwitch's OpenFlow 1.0 style (lib/ofp-actions.c, 3.1): what has an
// OpenFlow 1.0 action is printed as that (`mod_nw_src:`), everything else as Nicira extension
// (`load:0x5->NXM_NX_REG0[]`). Slow path; any thread.
import { fieldFullMask, fieldOf } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import { OFPP, type Action } from "../../flow/types.js";
import { formatIpv4, formatMac } from "../text/addresses.js";
import { hex, type FormatOptions } from "../match/format-match.js";
import { formatPort } from "../text/ports.js";
import { numberOf, onesOf } from "../text/scan.js";
import { formatSubField } from "../text/subfield.js";

type SetField = Extract<Action, { type: "set-field" }>;

/** A load moves at most 64 bits (NXAST_REG_LOAD). */
const LOAD_BITS_MAX = 64;

/** The action of OpenFlow 1.0 that sets a whole field, or null. */
function formatLegacy(action: SetField): string | null {
  const field = fieldOf(action.field);
  const value = numberOf(action.value);
  if (numberOf(action.mask) !== numberOf(fieldFullMask(field))) return null;
  switch (field.id) {
    case "eth_src":
      return `mod_dl_src:${formatMac(value)}`;
    case "eth_dst":
      return `mod_dl_dst:${formatMac(value)}`;
    case "ip_src":
      return `mod_nw_src:${formatIpv4(value)}`;
    case "ip_dst":
      return `mod_nw_dst:${formatIpv4(value)}`;
    case "nw_tos":
      return `mod_nw_tos:${value}`;
    case "ip_dscp":
      return `mod_nw_tos:${value << 2n}`;
    case "tcp_src":
    case "udp_src":
      return `mod_tp_src:${value}`;
    case "tcp_dst":
    case "udp_dst":
      return `mod_tp_dst:${value}`;
    case "dl_vlan":
    case "vlan_vid":
      return `mod_vlan_vid:${value & 0xfffn}`;
    case "dl_vlan_pcp":
    case "vlan_pcp":
      return `mod_vlan_pcp:${value}`;
    case "vlan_tci":
      if ((value & BigInt(VLAN_PRESENT)) === 0n) return "strip_vlan";
      return `mod_vlan_vid:${value & 0xfffn},mod_vlan_pcp:${value >> 13n}`;
    default:
      return null;
  }
}

/** One load for each run of ones in the mask, lowest first, none longer than 64 bits. */
function formatLoads(action: SetField): string {
  const field = fieldOf(action.field);
  const value = numberOf(action.value);
  let mask = numberOf(action.mask);
  // Fields of which not all bits are stored (nw_tos, arp_op) are written whole when set whole.
  if (mask === numberOf(fieldFullMask(field))) mask = onesOf(field.bits);
  const loads: string[] = [];
  for (let offset = 0; offset < field.bits;) {
    if (((mask >> BigInt(offset)) & 1n) === 0n) {
      offset++;
      continue;
    }
    let width = 1;
    const isOne = (at: number): boolean => ((mask >> BigInt(at)) & 1n) === 1n;
    while (width < LOAD_BITS_MAX && offset + width < field.bits && isOne(offset + width)) width++;
    const part = (value >> BigInt(offset)) & onesOf(width);
    const target = formatSubField({ field: field.id, offset, width });
    loads.push(`load:${hex(part)}->${target}`);
    offset += width;
  }
  return loads.join(",");
}

function formatSetField(action: SetField): string {
  if (action.spelling === "load") return formatLoads(action);
  return formatLegacy(action) ?? formatLoads(action);
}

function formatOutput(port: number, options: FormatOptions): string {
  const text = formatPort(port, options.portNames);
  return port < OFPP.max ? `output:${text}` : text;
}

function formatController(action: Extract<Action, { type: "controller" }>): string {
  if (action.reason === "action" && action.id === 0) return `CONTROLLER:${action.maxBytes}`;
  const parts = [
    action.reason === "action" ? "" : `reason=${action.reason}`,
    action.maxBytes === 0xffff ? "" : `max_len=${action.maxBytes}`,
    action.id === 0 ? "" : `id=${action.id}`,
  ];
  return `controller(${parts.filter((part) => part !== "").join(",")})`;
}

function formatResubmit(port: number | null, table: number | null, options: FormatOptions): string {
  const portText = port === null ? "" : formatPort(port, options.portNames);
  if (table === null) return `resubmit:${portText}`;
  return `resubmit(${portText},${table})`;
}

/** A note fills its action, whose length is a multiple of 8: 6 bytes, 14, 22 ... */
function formatNote(bytes: Uint8Array): string {
  const length = bytes.length <= 6 ? 6 : 6 + Math.ceil((bytes.length - 6) / 8) * 8;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  return `note:${Array.from(padded, (b) => b.toString(16).padStart(2, "0")).join(".")}`;
}

function formatDecTtl(ids: readonly number[]): string {
  return ids.length === 0 ? "dec_ttl" : `dec_ttl(${ids.join(",")})`;
}

function formatAction(action: Action, options: FormatOptions): string {
  switch (action.type) {
    case "output":
      return formatOutput(action.port, options);
    case "output-field":
      return `output:${formatSubField(action.source)}`;
    case "output-truncated": {
      const port = formatPort(action.port, options.portNames);
      return `output(port=${port},max_len=${action.maxBytes})`;
    }
    case "controller":
      return formatController(action);
    case "drop":
      return "drop";
    case "resubmit":
      return formatResubmit(action.port, action.table, options);
    case "goto-table":
      return `resubmit(,${action.table})`;
    case "set-field":
      return formatSetField(action);
    case "move":
      return `move:${formatSubField(action.source)}->${formatSubField(action.target)}`;
    case "push-vlan":
      return `push_vlan:0x${action.ethertype.toString(16).padStart(4, "0")}`;
    case "pop-vlan":
      return "strip_vlan";
    case "dec-ttl":
      return formatDecTtl(action.controllerIds);
    case "note":
      return formatNote(action.bytes);
    default:
      throw new Error(`no text for ${action.type}`);
  }
}

/** The actions as `dump-flows` prints them after `actions=`; no actions are `drop`. */
export function formatActions(actions: readonly Action[], options: FormatOptions = {}): string {
  if (actions.length === 0) return "drop";
  return actions.map((action) => formatAction(action, options)).join(",");
}
