// ARP for Ethernet and IPv4 (RFC 826).
//
//   0      2      4    5    6    8             14       18            24
//   | hw 1 | 0800 | 6  | 4  | op | sender MAC  | sender | target MAC  | target |
//
// Any thread; no allocation except in the builder.
import { get16, get32, put16, put32 } from "./bytes.js";
import { macBytes } from "./ethernet.js";

export const ARP = {
  hardwareType: 0,
  protocolType: 2,
  hardwareLength: 4,
  protocolLength: 5,
  operation: 6,
  senderMac: 8,
  senderIp: 14,
  targetMac: 18,
  targetIp: 24,
  size: 28,
} as const;

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** 0, or 1 when it is not an ARP packet for Ethernet and IPv4 that fits into `length` bytes. */
export function checkArp(bytes: Uint8Array, at: number, length: number): number {
  if (length < ARP.size) return 1;
  return get32(bytes, at) === 0x00010800 && get16(bytes, at + ARP.hardwareLength) === 0x0604
    ? 0
    : 1;
}

export function arpOperation(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + ARP.operation);
}

export function arpSenderIp(bytes: Uint8Array, at: number): number {
  return get32(bytes, at + ARP.senderIp);
}

export function arpTargetIp(bytes: Uint8Array, at: number): number {
  return get32(bytes, at + ARP.targetIp);
}

export function buildArp(fields: {
  operation: number;
  senderMac: string;
  senderIp: number;
  targetMac?: string;
  targetIp: number;
}): Uint8Array {
  const bytes = new Uint8Array(ARP.size);
  put32(bytes, ARP.hardwareType, 0x00010800);
  put16(bytes, ARP.hardwareLength, 0x0604);
  put16(bytes, ARP.operation, fields.operation);
  bytes.set(macBytes(fields.senderMac), ARP.senderMac);
  put32(bytes, ARP.senderIp, fields.senderIp);
  bytes.set(macBytes(fields.targetMac ?? "00:00:00:00:00:00"), ARP.targetMac);
  put32(bytes, ARP.targetIp, fields.targetIp);
  return bytes;
}
