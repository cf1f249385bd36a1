// Printing actions that set fields, each in the words it was written in (lib/ofp-actions.c
// format_SET_FIELD and the format_SET_* of mod_*; Open vSwitch 3.1). Slow path; any thread.
import { fieldFullMask, fieldOf, type Field, type FieldId } from "../../flow/fields.js";
import type { Action } from "../../flow/types.js";
import { formatIpv4, formatMac } from "../text/addresses.js";
import { numberOf, onesOf } from "../text/scan.js";
import { formatSubField } from "../text/subfield.js";
import { formatValue, hex, type FormatOptions } from "./format-value.js";

export type SetField = Extract<Action, { type: "set-field" }>;

/** A load moves at most 64 bits (NXAST_REG_LOAD). */
const LOAD_BITS_MAX = 64;

/** All bits of a field that an action can set; of an ARP operation, those too that do nothing. */
export function settableMask(field: Field): bigint {
  return field.id === "arp_op" ? onesOf(field.bits) : numberOf(fieldFullMask(field));
}

/** Whether an action sets all of its field that can be set. */
export function isWhole(action: SetField): boolean {
  return numberOf(action.mask) === settableMask(fieldOf(action.field));
}

/**
 * The parts of a field that loads set: one for each run of ones in the mask, lowest first, none
 * longer than 64 bits.
 */
export function loadParts(action: SetField): { offset: number; width: number; value: bigint }[] {
  const field = fieldOf(action.field);
  const value = numberOf(action.value);
  // A field of which not all bits are its own (nw_tos) is written whole when set whole.
  const mask = isWhole(action) ? onesOf(field.bits) : numberOf(action.mask);
  const isOne = (at: number): boolean => ((mask >> BigInt(at)) & 1n) === 1n;
  const parts: { offset: number; width: number; value: bigint }[] = [];
  for (let offset = 0; offset < field.bits;) {
    if (!isOne(offset)) {
      offset++;
      continue;
    }
    let width = 1;
    while (width < LOAD_BITS_MAX && offset + width < field.bits && isOne(offset + width)) width++;
    parts.push({ offset, width, value: (value >> BigInt(offset)) & onesOf(width) });
    offset += width;
  }
  return parts;
}

function formatLoads(action: SetField): string {
  return loadParts(action)
    .map(({ offset, width, value }) => {
      return `load:${hex(value)}->${formatSubField({ field: action.field, offset, width })}`;
    })
    .join(",");
}

const decimal = (value: bigint): string => String(value);

/** The names of "mod" actions by field, and how each prints its value. */
const MODS: Readonly<Partial<Record<FieldId, readonly [string, (value: bigint) => string]>>> = {
  dl_vlan: ["mod_vlan_vid", decimal],
  dl_vlan_pcp: ["mod_vlan_pcp", decimal],
  vlan_vid: ["set_vlan_vid", (value) => String(value & 0xfffn)],
  vlan_pcp: ["set_vlan_pcp", decimal],
  eth_src: ["mod_dl_src", formatMac],
  eth_dst: ["mod_dl_dst", formatMac],
  ip_src: ["mod_nw_src", formatIpv4],
  ip_dst: ["mod_nw_dst", formatIpv4],
  nw_tos: ["mod_nw_tos", decimal],
  nw_ecn: ["mod_nw_ecn", decimal],
  nw_ttl: ["mod_nw_ttl", decimal],
  tcp_src: ["mod_tp_src", decimal],
  tcp_dst: ["mod_tp_dst", decimal],
};

function formatMod(action: SetField): string {
  const value = numberOf(action.value);
  if (action.field === "tun_id") {
    const isWide = action.spelling === "set_tunnel64" || value >> 32n !== 0n;
    return `set_tunnel${isWide ? "64" : ""}:${hex(value)}`;
  }
  const [name, text] = MODS[action.field]!;
  return `${name}:${text(value)}`;
}

/** @param hasLoads whether the version of OpenFlow has loads; 1.5 has masks instead. */
export function formatSetField(
  action: SetField,
  options: FormatOptions,
  hasLoads: boolean,
): string {
  const isLoad = action.spelling === "load";
  if (isLoad && hasLoads) return formatLoads(action);
  const isMasked = isLoad || action.spelling === "masked";
  if (!isMasked && action.spelling !== "set_field") return formatMod(action);
  const field = fieldOf(action.field);
  const mask = isWhole(action) && !isMasked ? null : numberOf(action.mask);
  const value = formatValue(field, numberOf(action.value), mask, options);
  return `set_field:${value}->${field.id}`;
}
