// Printing `learn(...)` and `nat(...)` (lib/learn.c learn_format, lib/ofp-actions.c format_NAT;
// Open vSwitch 3.1). Slow path; any thread.
import { fieldOf } from "../../flow/fields.js";
import {
  DEFAULT_PRIORITY,
  type Learn,
  type LearnPart,
  type Nat,
  type SubField,
} from "../../flow/types.js";
import { formatIpv4, formatIpv6 } from "../text/addresses.js";
import { formatTable } from "../text/ports.js";
import { numberOf } from "../text/scan.js";
import { CT_STATE_NAMES } from "../text/values.js";
import { formatSubField } from "../text/subfield.js";
import { formatFlags, formatValue, hex, type FormatOptions } from "./format-value.js";

function sameSubField(a: SubField, b: SubField): boolean {
  return a.field === b.field && a.offset === b.offset;
}

function formatPart(part: LearnPart, options: FormatOptions): string {
  if (part.type === "output") return `output:${formatSubField(part.source)}`;
  const { target, from } = part;
  const targetText = formatSubField(target);
  const constant = from.type === "value" ? hex(numberOf(from.value)) : "";
  if (part.type === "load") {
    const source = from.type === "value" ? constant : formatSubField(from.source);
    return `load:${source}->${targetText}`;
  }
  if (from.type === "field") {
    if (sameSubField(from.source, target)) return targetText;
    return `${targetText}=${formatSubField(from.source)}`;
  }
  const field = fieldOf(target.field);
  if (target.offset !== 0 || target.width !== field.bits) return `${targetText}=${constant}`;
  if (field.id === "ct_state") {
    // All 32 bits are meant, and most of them have no name.
    const flags = formatFlags(from.value[0]!, 0xff, CT_STATE_NAMES, 0xffffffff);
    return `ct_state=${flags}${"-[Unknown]".repeat(24)}`;
  }
  return `${field.id}=${formatValue(field, numberOf(from.value), null, options)}`;
}

export function formatLearn(learn: Learn, options: FormatOptions): string {
  const number = (name: string, value: number, usual: number): string =>
    value === usual ? "" : `${name}=${value}`;
  const parts = [
    `table=${formatTable(learn.table, options.tableNames)}`,
    number("idle_timeout", learn.idleTimeout, 0),
    number("hard_timeout", learn.hardTimeout, 0),
    number("fin_idle_timeout", learn.finIdleTimeout, 0),
    number("fin_hard_timeout", learn.finHardTimeout, 0),
    number("priority", learn.priority, DEFAULT_PRIORITY),
    ...learn.flags,
    learn.deleteLearned ? "delete_learned" : "",
    learn.cookie === 0n ? "" : `cookie=0x${learn.cookie.toString(16)}`,
    number("limit", learn.limit, 0),
    learn.resultDst === null ? "" : `result_dst=${formatSubField(learn.resultDst)}`,
    ...learn.parts.map((part) => formatPart(part, options)),
  ];
  return `learn(${parts.filter((part) => part !== "").join(",")})`;
}

/** An address of a range; an IPv6 address that ports follow stands in brackets. */
function formatRangeAddress(bytes: Uint8Array, hasPorts: boolean): string {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (bytes.length === 4) return formatIpv4(value);
  return hasPorts ? `[${formatIpv6(value)}]` : formatIpv6(value);
}

function formatRange(range: NonNullable<Nat["range"]>): string {
  const hasPorts = range.firstPort !== 0;
  const last = range.last === null ? "" : `-${formatRangeAddress(range.last, hasPorts)}`;
  const lastPort = range.lastPort === 0 ? "" : `-${range.lastPort}`;
  const ports = hasPorts ? `:${range.firstPort}${lastPort}` : "";
  return formatRangeAddress(range.first, hasPorts) + last + ports;
}

export function formatNat(nat: Nat): string {
  if (nat.direction === null) return "nat";
  if (nat.range === null) return `nat(${nat.direction})`;
  const parts = [
    `${nat.direction}=${formatRange(nat.range)}`,
    nat.persistent ? "persistent" : "",
    nat.hash ? "hash" : "",
    nat.random ? "random" : "",
  ];
  return `nat(${parts.filter((part) => part !== "").join(",")})`;
}
