// Offsets and checksums that the user-space stack of the memory backend needs: Ethernet, ARP,
// IPv4, ICMP, UDP, TCP. Stack threads only; no allocation.

export const ETH_HLEN = 14;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IP_HLEN = 20;
export const TCP_HLEN = 20;
export const UDP_HLEN = 8;
export const ARP_BYTES = 28;

/** TCP flags. */
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export function get16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Signed 32 bits: sequence numbers and addresses are compared and stored as such. */
export function get32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Unfolded one's complement sum of big-endian 16-bit words (RFC 1071). */
export function sum16(bytes: Uint8Array, at: number, size: number): number {
  let sum = 0;
  const end = at + (size & ~1);
  for (let i = at; i < end; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  return (size & 1) === 0 ? sum : sum + (bytes[end]! << 8);
}

/** Folds a sum and complements it: the checksum field; 0 over correct bytes with the field. */
export function fold(sum: number): number {
  let folded = (sum & 0xffff) + Math.floor(sum / 0x10000);
  folded = (folded & 0xffff) + (folded >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Sum of the pseudo header of TCP and UDP (RFC 9293, 3.1). */
export function pseudoSum(source: number, target: number, protocol: number, size: number): number {
  return (
    (source >>> 16) + (source & 0xffff) + (target >>> 16) + (target & 0xffff) + protocol + size
  );
}

/** `10.0.0.1` as signed 32 bits; null when it is not an IPv4 address. */
export function parseIp(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let ip = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    ip = (ip << 8) | Number(part);
  }
  return ip;
}

export function ipText(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}
