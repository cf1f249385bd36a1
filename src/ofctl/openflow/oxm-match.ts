// Extensible matches, decoded and encoded: Nicira's of OpenFlow 1.0 and OXM of 1.2 and later
// (lib/nx-match.c nx_pull_raw, nx_put_raw of Open vSwitch 3.1). Bytes may be hostile: whatever is
// wrong with them is a WireError. Slow path; any thread.
import { fieldFullMask, fieldOf, getField, isFieldZero, setField } from "../../flow/fields.js";
import { VLAN_PRESENT, WORD } from "../../flow/key.js";
import { getMatchField, newMatch, prerequisiteHolds, setMatchField } from "../../flow/match.js";
import { OFPP, type Match } from "../../flow/types.js";
import { numberOf, wordsOf } from "../text/scan.js";
import { bigOf, ByteReader, type ByteWriter, type WarnLog, WireError } from "./bytes.js";
import {
  EXPERIMENTER_CLASS,
  findHeader,
  type ForeignId,
  type KnownHeader,
  type OxmField,
  oxmField,
  oxmNameFor,
} from "./oxm-fields.js";

/** A value and the bits of it that count. */
export interface Masked {
  readonly value: bigint;
  readonly mask: bigint;
}

/** A match as it travels. */
export interface WireMatch {
  readonly match: Match;
  /** Fields that this switch cannot match. */
  readonly foreign: Map<ForeignId, Masked>;
  /** Only Nicira's match of OpenFlow 1.0 has a cookie; mask 0: none. */
  cookie: Masked;
  /** A field of Ethernet frames was matched, even with a mask of no bits. */
  isEthernet: boolean;
  /** The mask of tcp_flags has its 12 bits, but not the 16 that travel: it is kept as it came. */
  hasNarrowFlags: boolean;
}

export function newWireMatch(match: Match = newMatch()): WireMatch {
  const cookie = { value: 0n, mask: 0n };
  return { match, foreign: new Map(), cookie, isEthernet: false, hasNarrowFlags: false };
}

/** The header of a field. */
export interface Header {
  readonly class: number;
  readonly number: number;
  readonly hasMask: boolean;
  readonly experimenter: number;
  /** Bytes of value and mask. */
  readonly payload: number;
  /** null: unknown, or known with another length. */
  readonly known: KnownHeader | null;
  readonly isCookie: boolean;
}

/** `vendor:class:field:hasmask:length`, as Open vSwitch's log has it. */
function headerText(header: Header): string {
  const { experimenter, number, hasMask, payload } = header;
  const length = payload + (header.class === EXPERIMENTER_CLASS ? 4 : 0);
  const vendor = experimenter === 0 ? "0" : `0x${experimenter.toString(16)}`;
  return `${vendor}:${header.class}:${number}:${Number(hasMask)}:${length}`;
}

const COOKIE = { class: 1, number: 30, bytes: 8 } as const;

/** @throws WireError when it is cut off. */
export function readHeader(reader: ByteReader): Header {
  if (reader.left < 4) throw new WireError("OFPBMC_BAD_LEN");
  const klass = reader.number(2);
  const [field, length] = [reader.number(1), reader.number(1)];
  const isExperimenter = klass === EXPERIMENTER_CLASS;
  if (isExperimenter && (reader.left < 4 || length < 4)) throw new WireError("OFPBMC_BAD_LEN");
  const experimenter = isExperimenter ? reader.number(4) : 0;
  const [number, hasMask] = [field >> 1, (field & 1) === 1];
  const payload = length - (isExperimenter ? 4 : 0);
  const bytes = hasMask ? Math.floor(payload / 2) : payload;
  const known = findHeader(klass, number, experimenter) ?? null;
  const isCookie = klass === COOKIE.class && number === COOKIE.number && bytes === COOKIE.bytes;
  const fits = known !== null && known.field.bytes === bytes;
  return {
    ...{ class: klass, number, hasMask, experimenter, payload, isCookie },
    known: fits ? known : null,
  };
}

export interface Entry extends Masked {
  readonly header: Header;
  /** Bytes of the value alone. */
  readonly bytes: Uint8Array;
  readonly maskBytes: Uint8Array | null;
}

/**
 * One header with what follows it; its field may be unknown.
 * @throws WireError.
 */
export function readEntry(reader: ByteReader, warn: WarnLog): Entry {
  const header = readHeader(reader);
  if (reader.left < header.payload) throw new WireError("OFPBMC_BAD_LEN");
  const payload = reader.take(header.payload);
  const width = header.hasMask ? Math.floor(header.payload / 2) : header.payload;
  const bytes = payload.subarray(0, width);
  const maskBytes = header.hasMask ? payload.subarray(width, 2 * width) : null;
  const value = bigOf(bytes);
  const mask = maskBytes === null ? (1n << BigInt(8 * width)) - 1n : bigOf(maskBytes);
  if ((value & ~mask) !== 0n) {
    const what = "with 1-bits in value for bits wildcarded by the mask.";
    warn("nx_match", `Rejecting NXM/OXM entry ${headerText(header)} ${what}`);
    throw new WireError("OFPBMC_BAD_WILDCARDS");
  }
  return { header, bytes, maskBytes, value, mask };
}

/** Ports of OpenFlow 1.1 and later: those of 1.0, the reserved ones at the end of 32 bits. */
export function isPort32(port: bigint, warn: WarnLog): boolean {
  if (port < BigInt(OFPP.max) || port >= 0xffffff00n) return true;
  const range = `0 through ${OFPP.max - 1} or 0xffffff00 through 0xffffffff`;
  warn("ofp_port", `port ${port} is outside the supported range ${range}`);
  return false;
}

export function port32(port: number): bigint {
  return BigInt(port) + (port < OFPP.max ? 0n : 0xffff0000n);
}

/** Whether a field can have a value (mf_is_value_valid). */
export function isValidValue(field: OxmField, value: bigint, warn: WarnLog): boolean {
  if (field.id === "in_port_oxm" || field.id === "actset_output") return isPort32(value, warn);
  if (field.id === "nsh_mdtype") return value === 1n || value === 2n;
  return (value & ~field.valid) === 0n;
}

const fullMask = (field: OxmField): bigint => (1n << BigInt(8 * field.bytes)) - 1n;

/** The prerequisites of fields that this switch does not have, by Ethernet type. */
function holds(wire: WireMatch, field: OxmField): boolean {
  const { match } = wire;
  const type = getField(match.value, fieldOf("eth_type"));
  const isEthernet = getField(match.value, fieldOf("packet_type")) === 0;
  if (field.prerequisite !== "none" && !isEthernet) return false;
  if (field.prerequisite === "mpls") return type === 0x8847 || type === 0x8848;
  if (field.prerequisite === "nsh") return type === 0x894f;
  return prerequisiteHolds(match, field.prerequisite);
}

function isFree(wire: WireMatch, field: OxmField): boolean {
  if (field.field === null) return !wire.foreign.has(field.id as ForeignId);
  if (field.id === "packet_type" && wire.isEthernet) return false;
  const own = fieldOf(field.field);
  if (field.field !== "nw_tos") return isFieldZero(wire.match.mask, own);
  return (getField(wire.match.mask, own) & fieldFullMask(own)[0]!) === 0;
}

/** Fields of tunnels that are kept under their value instead of a mask of all bits. */
const MASKED_BY_VALUE = /^tun_(erspan_(ver|dir|hwid)|gtpu_)/;

function setForeign(wire: WireMatch, field: OxmField, { value, mask }: Masked): void {
  if (mask === 0n) return;
  const bits = field.id === "tun_flags" ? mask & field.valid : mask;
  const kept = MASKED_BY_VALUE.test(field.id) ? value : bits;
  if (kept !== 0n) wire.foreign.set(field.id as ForeignId, { value, mask: kept });
}

function setOwn(match: Match, field: OxmField, { value, mask }: Masked): void {
  const own = fieldOf(field.field!);
  if (field.id === "vlan_pcp") {
    const tci = fieldOf("vlan_tci");
    const keep = (words: Uint32Array): number => getField(words, tci) & 0x0fff;
    if (mask === 0n) return;
    setField(match.mask, tci, keep(match.mask) | 0xe000 | VLAN_PRESENT);
    setField(match.value, tci, keep(match.value) | (Number(value) << 13) | VLAN_PRESENT);
    return;
  }
  const inField = BigInt.asUintN(own.stored, mask);
  const words = (number: bigint): Uint32Array => wordsOf(number, own.words);
  // Types and codes of ICMP lie in the 16 bits of a port, and are matched on all of them.
  const isIcmp = own.prerequisite === "icmpv4" || own.prerequisite === "icmpv6";
  const place = isIcmp ? fieldOf(own.id.endsWith("_type") ? "tcp_src" : "tcp_dst") : own;
  const wide = isIcmp && mask !== 0n ? fieldFullMask(place) : words(inField);
  setMatchField(match, place, words(BigInt.asUintN(own.stored, value)), wide);
}

export interface DecodeOptions {
  /** Unknown fields and missing prerequisites are errors. */
  readonly strict: boolean;
  /** A cookie may stand in it. */
  readonly cookie: boolean;
  readonly warn: WarnLog;
}

/** @throws WireError. */
export function decodeMatch(bytes: Uint8Array, options: DecodeOptions): WireMatch {
  const wire = newWireMatch();
  const reader = new ByteReader(bytes, "OFPBMC_BAD_LEN");
  while (reader.left > 0) applyEntry(wire, readEntry(reader, options.warn), options);
  return wire;
}

function applyEntry(wire: WireMatch, entry: Entry, options: DecodeOptions): void {
  const { header, value, mask } = entry;
  if (header.known === null) {
    if (header.isCookie && options.cookie) {
      if (wire.cookie.mask !== 0n) throw new WireError("OFPBMC_DUP_FIELD");
      wire.cookie = { value, mask };
      return;
    }
    if (options.strict) throw new WireError("OFPBMC_BAD_FIELD");
    return;
  }
  const { field } = header.known;
  const isWhole = mask === 0n || mask === fullMask(field);
  if (!field.maskable && !isWhole) throw new WireError("OFPBMC_BAD_MASK");
  if (!isValidValue(field, value, options.warn)) throw new WireError("OFPBMC_BAD_VALUE");
  if (options.strict && !holds(wire, field)) throw new WireError("OFPBMC_BAD_PREREQ");
  if (!isFree(wire, field)) throw new WireError("OFPBMC_DUP_FIELD");
  if (field.id === "tcp_flags") wire.hasNarrowFlags = mask === field.valid;
  if (field.field === null) setForeign(wire, field, entry);
  else setOwn(wire.match, field, entry);
  if (field.prerequisite !== "none") wire.isEthernet = true;
}

/** The order in which fields are sent. Registers stand where `reg` does. */
const ORDER = [
  ...["dp_hash", "recirc_id", "conj_id", "in_port", "actset_output"],
  ...["eth_src", "eth_dst", "eth_type", "vlan", "mpls_tc", "mpls_bos", "mpls_ttl", "mpls_label"],
  ...["ip_src", "ip_dst", "ipv6_src", "ipv6_dst", "ip_frag", "nw_tos", "nw_ecn", "nw_ttl"],
  ...["ipv6_label", "nw_proto", "tcp_src", "tcp_dst", "tcp_flags", "udp_src", "udp_dst"],
  ...["sctp_src", "sctp_dst", "icmp_type", "icmp_code", "icmpv6_type", "icmpv6_code"],
  ...["nd_reserved", "nd_target", "nd_options_type", "nd_sll", "nd_tll"],
  ...["arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"],
  ...["tun_id", "tun_flags", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst"],
  ...["tun_gbp_id", "tun_gbp_flags", "tun_erspan_idx", "tun_erspan_ver", "tun_erspan_dir"],
  ...["tun_erspan_hwid", "tun_gtpu_flags", "tun_gtpu_msgtype"],
  ...["nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np", "nsh_spi", "nsh_si"],
  ...["nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4", "reg", "pkt_mark", "ct_state", "ct_zone"],
  ...["ct_mark", "ct_label", "ct_nw_src", "ct_ipv6_src", "ct_nw_dst", "ct_ipv6_dst"],
  ...["ct_nw_proto", "ct_tp_src", "ct_tp_dst", "metadata"],
] as const;

type Step = (typeof ORDER)[number];

/** The fields that are sent at a step, in the words of a version; 10: Nicira's. */
function fieldsAt(step: Step, version: number): OxmField["id"][] {
  if (step === "vlan") return version === 10 ? ["vlan_tci"] : ["vlan_vid", "vlan_pcp"];
  if (step === "reg") {
    const isWide = version >= 15;
    const name = (i: number): string => `${isWide ? "xreg" : "reg"}${i}`;
    return Array.from({ length: isWide ? 8 : 16 }, (_, i) => name(i) as OxmField["id"]);
  }
  if (version === 10) return [step as OxmField["id"]];
  if (step === "in_port") return ["in_port_oxm"];
  return step === "nw_tos" ? ["ip_dscp"] : [step as OxmField["id"]];
}

/** Fragments are not looked at any more, and a flow label goes with every version of IP. */
function isSendable(wire: WireMatch, field: OxmField): boolean {
  const { value, mask } = wire.match;
  const match = { value: value.slice(), mask };
  setField(match.value, fieldOf("ip_frag"), 0);
  if (field.prerequisite === "ethernet") return true;
  const prerequisite = field.id === "ipv6_label" ? "ip" : field.prerequisite;
  return holds({ ...wire, match }, { ...field, prerequisite });
}

/** What the match says of a field, in the bits in which it travels; mask 0: nothing. */
function saidOf(wire: WireMatch, field: OxmField): Masked {
  const nothing = { value: 0n, mask: 0n };
  const { match } = wire;
  if (field.field === null) {
    const isSent = field.prerequisite === "nsh" || holds(wire, field);
    return (isSent && wire.foreign.get(field.id as ForeignId)) || nothing;
  }
  const isOfTuple = field.prerequisite === "ct";
  if (!isOfTuple && field.id !== "vlan_pcp" && !isSendable(wire, field)) return nothing;
  // Of a connection's protocol 0 and its ports nothing is sent.
  const needsProtocol = isOfTuple && /^ct_(nw_proto|tp_)/.test(field.id);
  if (needsProtocol && (match.value[WORD.ctNwProto]! & 0xff) === 0) return nothing;
  const own = fieldOf(field.field);
  const said = getMatchField(match, own);
  const [value, mask] = [numberOf(said.value), numberOf(said.mask)];
  if (field.id === "in_port_oxm") {
    return { value: port32(Number(value)), mask: mask === 0n ? 0n : fullMask(field) };
  }
  if (field.id === "vlan_pcp") {
    const tagged = getField(match.value, fieldOf("vlan_vid")) !== 0;
    return tagged && mask !== 0n ? { value, mask: fullMask(field) } : nothing;
  }
  // Of the states of a connection eight are kept, and it is not said that these are all.
  const kept = field.id === "ct_state" ? field.valid : numberOf(fieldFullMask(own));
  const bits = mask & kept;
  const isExact = bits === kept || (!field.maskable && bits !== 0n);
  const isNarrow = field.id === "tcp_flags" && wire.hasNarrowFlags;
  const isWhole = isExact && field.id !== "ct_state" && !isNarrow;
  return { value: value & kept, mask: isWhole ? fullMask(field) : bits };
}

export function writeHeader(
  out: ByteWriter,
  field: OxmField,
  version: number,
  hasMask: boolean,
): void {
  const name = oxmNameFor(field, version);
  const length = field.bytes * (hasMask ? 2 : 1) + (name.class === EXPERIMENTER_CLASS ? 4 : 0);
  out.number(name.class, 2);
  out.number((name.number << 1) | Number(hasMask), 1);
  out.number(length, 1);
  if (name.class === EXPERIMENTER_CLASS) out.number(name.experimenter, 4);
}

export function writeEntry(
  out: ByteWriter,
  field: OxmField,
  version: number,
  { value, mask }: Masked,
): void {
  const hasMask = mask !== fullMask(field);
  writeHeader(out, field, version, hasMask);
  out.wide(value, field.bytes);
  if (hasMask) out.wide(mask, field.bytes);
}

/**
 * Appends a match.
 * @param version of OpenFlow; 10: Nicira's extended match.
 */
export function encodeMatch(out: ByteWriter, wire: WireMatch, version: number): void {
  const entries = ORDER.flatMap((step) => fieldsAt(step, version)).flatMap((id) => {
    const field = oxmField(id);
    const said = saidOf(wire, field);
    return said.mask === 0n ? [] : [{ field, said }];
  });
  const impliesEthernet = entries.some(({ field }) => field.prerequisite !== "none");
  const type = fieldOf("packet_type");
  const saysType = wire.isEthernet || !isFieldZero(wire.match.mask, type);
  const value = BigInt(getField(wire.match.value, type));
  if (saysType && (!impliesEthernet || value !== 0n)) {
    const field = oxmField("packet_type");
    writeEntry(out, field, version, { value, mask: fullMask(field) });
  }
  for (const { field, said } of entries) writeEntry(out, field, version, said);
  writeCookie(out, wire.cookie);
}

function writeCookie(out: ByteWriter, { value, mask }: Masked): void {
  if (mask === 0n) return;
  const isExact = mask === (1n << 64n) - 1n;
  out.number(COOKIE.class, 2);
  out.number((COOKIE.number << 1) | Number(!isExact), 1);
  out.number(isExact ? COOKIE.bytes : 2 * COOKIE.bytes, 1);
  out.wide(value & mask, COOKIE.bytes);
  if (!isExact) out.wide(mask, COOKIE.bytes);
}
