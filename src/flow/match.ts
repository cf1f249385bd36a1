// Building and asking matches. Slow path only (these allocate): parsers, tests, tables.
import { fieldFullMask, getFieldWords, setFieldWords, type Field } from "./fields.js";
import { KEY_WORDS, VLAN_PRESENT, WORD, newKey } from "./key.js";
import type { Prerequisite } from "./fields.js";
import type { Match } from "./types.js";

/** A match that every key fulfills. */
export function newMatch(): Match {
  return { value: newKey(), mask: newKey() };
}

export function cloneMatch(match: Match): Match {
  return { value: match.value.slice(), mask: match.mask.slice() };
}

/**
 * Restricts a field, replacing what the match said of it before.
 * @param value,mask `field.words` words each; without `mask`, an exact match.
 */
export function setMatchField(
  match: Match,
  field: Field,
  value: Uint32Array,
  mask: Uint32Array = fieldFullMask(field),
): void {
  // Bits in the field's place that are not its own (ECN beside nw_tos) stay.
  const own = fieldFullMask(field);
  const old = getMatchField(match, field);
  const join = (before: Uint32Array, after: Uint32Array): Uint32Array =>
    before.map((word, i) => (word & ~own[i]!) | (after[i]! & own[i]!));
  setFieldWords(match.mask, field, join(old.mask, mask));
  const inMask = value.map((word, i) => word & mask[i]!);
  setFieldWords(match.value, field, join(old.value, inMask));
}

/** Value and mask of a field in a match, as `field.words` words each. */
export function getMatchField(
  match: Match,
  field: Field,
): { value: Uint32Array; mask: Uint32Array } {
  const value = new Uint32Array(field.words);
  const mask = new Uint32Array(field.words);
  getFieldWords(match.value, field, value);
  getFieldWords(match.mask, field, mask);
  return { value, mask };
}

export function matchesEqual(a: Match, b: Match): boolean {
  for (let i = 0; i < KEY_WORDS; i++) {
    if (a.value[i] !== b.value[i] || a.mask[i] !== b.mask[i]) return false;
  }
  return true;
}

/** Bits of ct_state: new, est, rel, rpl, snat or dnat; inv; trk. */
const CT_STATE = { connection: 0xcf, invalid: 0x10, tracked: 0x20 } as const;

/** The number that `values` has in the bits `bits` of a word, or -1 unless all are in the mask. */
function exact(match: Match, word: number, shift: number, ones: number): number {
  if (((match.mask[word]! >>> shift) & ones) !== ones) return -1;
  return (match.value[word]! >>> shift) & ones;
}

/**
 * True when a match on ct_state leaves only packets that belong to a connection: one of the bits
 * that only those have, or tracked and not invalid (OVS is_ct_valid).
 */
function saysConnection(value: number, mask: number): boolean {
  const { connection, invalid, tracked } = CT_STATE;
  const notInvalid = (mask & invalid) !== 0 && (value & invalid) === 0;
  return (value & connection) !== 0 || ((value & tracked) !== 0 && notInvalid);
}

/**
 * True when every key that fulfills the match fulfills the prerequisite too
 * (OVS mf_are_prereqs_ok).
 */
export function prerequisiteHolds(match: Match, prerequisite: Prerequisite): boolean {
  const type = exact(match, WORD.typeVlan, 16, 0xffff);
  const proto = exact(match, WORD.ip, 24, 0xff);
  const isIp = type === 0x0800 || type === 0x86dd;
  // A later fragment has no ports; only an exact "not later" or no say at all will do.
  const later = (match.mask[WORD.ip]! & match.value[WORD.ip]! & 2) !== 0;
  // Of ICMP, Open vSwitch does not ask: types of later fragments are 0.
  const icmpv6 = type === 0x86dd && proto === 58;
  const icmpType = exact(match, WORD.ports, 16, 0xff);
  // Neighbor discovery has the code 0; a match that says nothing of the code will do.
  const nd = icmpv6 && (match.value[WORD.ports]! & 0xff) === 0;
  switch (prerequisite) {
    case "none":
    case "ethernet":
      return true;
    case "vlan":
      return (match.mask[WORD.typeVlan]! & match.value[WORD.typeVlan]! & VLAN_PRESENT) !== 0;
    case "ipv4":
      return type === 0x0800;
    case "ipv6":
      return type === 0x86dd;
    case "ip":
      return isIp;
    case "arp":
      return type === 0x0806 || type === 0x8035;
    case "tcp":
      return isIp && proto === 6 && !later;
    case "udp":
      return isIp && proto === 17 && !later;
    case "sctp":
      return isIp && proto === 132 && !later;
    case "icmpv4":
      return type === 0x0800 && proto === 1;
    case "icmpv6":
      return icmpv6;
    case "nd":
      return nd && (icmpType === 135 || icmpType === 136);
    case "nd-solicit":
      return nd && icmpType === 135;
    case "nd-advert":
      return nd && icmpType === 136;
    case "ct":
      return saysConnection(match.value[WORD.ctState]!, match.mask[WORD.ctState]!);
  }
}
