// Ethernet II (IEEE 802.3) and 802.1Q / 802.1ad tags.
//
//   0        6        12         14            with a tag:  12     14    16
//   | dst    | src    | ethertype |                         | TPID | TCI | ethertype |
//
// TCI: priority (3 bits), DEI (1), VLAN id (12). Any thread; no allocation except in builders.
import { DROP } from "../base/drop-reasons.js";
import { get16, put16 } from "./bytes.js";

export const ETHERNET = { destination: 0, source: 6, type: 12, header: 14, tag: 4 } as const;

/** EtherTypes that the switch knows by name. */
export const ETHERTYPE = {
  ipv4: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  vlan: 0x8100,
  serviceVlan: 0x88a8,
  ipv6: 0x86dd,
} as const;

/** 0, or DROP.runt when there is no room for an Ethernet header. */
export function checkEthernet(_bytes: Uint8Array, _at: number, length: number): number {
  return length < ETHERNET.header ? DROP.runt : 0;
}

/** The two bytes after the source address: an ethertype, a TPID or an 802.3 length. */
export function etherType(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + ETHERNET.type);
}

export function setEtherType(bytes: Uint8Array, at: number, type: number): void {
  put16(bytes, at + ETHERNET.type, type);
}

export function isVlanType(type: number): boolean {
  return type === ETHERTYPE.vlan || type === ETHERTYPE.serviceVlan;
}

export function hasVlanTag(bytes: Uint8Array, at: number, length: number): boolean {
  return length >= ETHERNET.header + ETHERNET.tag && isVlanType(etherType(bytes, at));
}

/** TCI of the outer tag; only where `hasVlanTag`. */
export function vlanTci(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + ETHERNET.header);
}

export function setVlanTci(bytes: Uint8Array, at: number, tci: number): void {
  put16(bytes, at + ETHERNET.header, tci);
}

/** True for group addresses, broadcast among them. */
export function isMulticast(bytes: Uint8Array, at: number): boolean {
  return (bytes[at]! & 1) !== 0;
}

/** The high 16 and low 32 bits of a MAC, as the key stores them. */
export function macHigh(bytes: Uint8Array, at: number): number {
  return get16(bytes, at);
}

export function macLow(bytes: Uint8Array, at: number): number {
  return ((get16(bytes, at + 2) << 16) | get16(bytes, at + 4)) >>> 0;
}

export function setMac(bytes: Uint8Array, at: number, high: number, low: number): void {
  put16(bytes, at, high);
  put16(bytes, at + 2, low >>> 16);
  put16(bytes, at + 4, low & 0xffff);
}

/**
 * Inserts an outer tag by moving the two addresses 4 bytes towards lower offsets.
 * The caller guarantees 4 bytes of headroom before `at`, and has moved a vnet header that lies
 * there out of the way (`shiftVnetHeader`) before it calls this.
 * @returns the new offset of the frame, which has become 4 bytes longer.
 */
export function pushVlanTag(bytes: Uint8Array, at: number, tpid: number, tci: number): number {
  const start = at - ETHERNET.tag;
  bytes.copyWithin(start, at, at + ETHERNET.type);
  put16(bytes, start + ETHERNET.type, tpid);
  put16(bytes, start + ETHERNET.header, tci);
  return start;
}

/**
 * Removes the outer tag; only where `hasVlanTag`.
 * @returns the new offset of the frame, which has become 4 bytes shorter.
 */
export function popVlanTag(bytes: Uint8Array, at: number): number {
  const start = at + ETHERNET.tag;
  bytes.copyWithin(start, at, at + ETHERNET.type);
  return start;
}

/** The six bytes of `02:00:00:00:00:01`; for tests and configuration, not the hot path. */
export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}

export function macText(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (b) => b.toString(16).padStart(2, "0")).join(":");
}

/** Builds a frame. `tags` are written outermost first. For tests and probes. */
export function buildEthernet(fields: {
  destination?: string;
  source?: string;
  type: number;
  tags?: readonly { tpid?: number; tci: number }[];
  payload?: Uint8Array;
}): Uint8Array {
  const payload = fields.payload ?? new Uint8Array(0);
  const tags = fields.tags ?? [];
  const bytes = new Uint8Array(ETHERNET.header + ETHERNET.tag * tags.length + payload.length);
  bytes.set(macBytes(fields.destination ?? "02:00:00:00:00:02"), ETHERNET.destination);
  bytes.set(macBytes(fields.source ?? "02:00:00:00:00:01"), ETHERNET.source);
  let at: number = ETHERNET.type;
  for (const tag of tags) {
    put16(bytes, at, tag.tpid ?? ETHERTYPE.vlan);
    put16(bytes, at + 2, tag.tci);
    at += ETHERNET.tag;
  }
  put16(bytes, at, fields.type);
  bytes.set(payload, at + 2);
  return bytes;
}
