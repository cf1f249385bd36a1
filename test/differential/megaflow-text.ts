// The mask of a megaflow that Open vSwitch prints. Read here and not by the parser of flows, so
// that a mistake of that parser cannot hide one of the wildcards.
import {
  fieldByName,
  fieldFullMask,
  fieldOf,
  getFieldWords,
  setFieldWords,
  type FieldId,
} from "../../src/flow/fields.js";
import { VLAN_PRESENT, WORD, newKey } from "../../src/flow/key.js";
import { readNumber, wordsOf } from "./field-text.js";

const SHORTHANDS: Readonly<Record<string, readonly FieldId[]>> = {
  eth: [],
  ip: ["eth_type"],
  ipv6: ["eth_type"],
  arp: ["eth_type"],
  rarp: ["eth_type"],
  mpls: ["eth_type"],
  mplsm: ["eth_type"],
};
for (const name of ["tcp", "udp", "sctp", "icmp", "tcp6", "udp6", "sctp6", "icmp6"]) {
  Object.assign(SHORTHANDS, { [name]: ["eth_type", "nw_proto"] });
}

const FRAGMENT_MASKS: Readonly<Record<string, bigint>> = { yes: 1n, not_later: 2n };
const FLAG_BITS: Readonly<Record<string, readonly string[]>> = {
  tcp_flags: ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"],
  ct_state: ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"],
};

function addBits(mask: Uint32Array, id: FieldId, bits: bigint | null): void {
  const field = fieldOf(id);
  const old = new Uint32Array(field.words);
  getFieldWords(mask, field, old);
  const more = bits === null ? fieldFullMask(field) : wordsOf(id, bits);
  setFieldWords(
    mask,
    field,
    old.map((word, i) => word | more[i]!),
  );
}

/** Flags without a name are printed as `[200]`. */
function flagBit(name: string, flags: readonly string[]): bigint {
  if (name.startsWith("[")) return BigInt(`0x${name.slice(1, -1)}`);
  return 1n << BigInt(flags.indexOf(name));
}

/** The bits of a mask as it is written after the slash; null: the whole field. */
function maskBits(id: FieldId, value: string): bigint | null {
  const slash = value.indexOf("/");
  const text = value.slice(slash + 1);
  const flags = FLAG_BITS[id];
  if (flags !== undefined && /^[+-]/.test(value)) {
    return value
      .match(/[+-](?:[a-z]+|\[[0-9a-f]+\])/g)!
      .map((flag) => flagBit(flag.slice(1), flags))
      .reduce((all, bit) => all | bit, 0n);
  }
  if (id === "ip_frag") return FRAGMENT_MASKS[value] ?? 3n;
  if (slash < 0) return null;
  const { stored, format } = fieldOf(id);
  if (/^\d+$/.test(text) && (format === "ipv4" || format === "ipv6")) {
    const width = BigInt(stored);
    return ((1n << width) - 1n) ^ ((1n << (width - BigInt(text))) - 1n);
  }
  return readNumber(text);
}

/** @throws Error for a field that is not known here. */
export function megaflowMask(text: string): Uint32Array {
  const mask = newKey();
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    const shorthand = SHORTHANDS[part];
    if (shorthand !== undefined) {
      for (const id of shorthand) addBits(mask, id, null);
    } else if (name === "dl_vlan") mask[WORD.typeVlan]! |= 0x0fff | VLAN_PRESENT;
    else if (name === "dl_vlan_pcp") mask[WORD.typeVlan]! |= 0xe000 | VLAN_PRESENT;
    else if (/^(dl_vlan1|dl_vlan_pcp1|vlan_tci1)$/.test(name)) mask[WORD.innerVlan] = 0xffffffff;
    else {
      const field = fieldByName(name);
      if (field === undefined) throw new Error(`megaflow with ${part}: not known here`);
      const value = part.slice(at + 1);
      // nw_tos is DSCP in place; ECN has a name of its own.
      addBits(mask, field.id, maskBits(field.id, value));
    }
  }
  return mask;
}
