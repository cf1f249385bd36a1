// Reads frames as an outsider would: offsets counted by hand, checksums summed in full. Shares no
// code with what it judges.

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 65_536 + u16(bytes, at + 2);
}

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    total += bytes[i]! * 256 + (i + 1 < bytes.length ? bytes[i + 1]! : 0);
  }
  return total;
}

function isZero(total: number): boolean {
  let folded = total;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded === 0xffff;
}

function mac(bytes: Uint8Array, at: number): string {
  return [...bytes.slice(at, at + 6)].map((b) => b.toString(16).padStart(2, "0")).join(":");
}

function address(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => u16(bytes, 2 * i).toString(16));
  return groups
    .join(":")
    .replace(/\b(0:)+0?/, ":")
    .replace(":::", "::");
}

export interface ReadFrame {
  readonly macs: { readonly from: string; readonly to: string };
  readonly from: string;
  readonly to: string;
  readonly ports: { readonly from: number; readonly to: number };
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** TCP options, or IPv4 options of a datagram. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
  /** What is wrong with lengths and checksums; empty: nothing. */
  readonly faults: readonly string[];
}

/** Reads a whole TCP segment or UDP datagram without tags and extension headers. */
export function readFrame(frame: Uint8Array): ReadFrame {
  const isV6 = u16(frame, 12) === 0x86dd;
  const ip = frame.slice(14);
  const faults: string[] = [];
  const header = isV6 ? 40 : (ip[0]! & 15) * 4;
  const total = isV6 ? 40 + u16(ip, 4) : u16(ip, 2);
  if (total !== ip.length) faults.push(`IP length ${total} of ${ip.length}`);
  if (!isV6 && !isZero(sum(ip.slice(0, header)))) faults.push("IPv4 checksum");
  const protocol = isV6 ? ip[6]! : ip[9]!;
  const source = isV6 ? ip.slice(8, 24) : ip.slice(12, 16);
  const destination = isV6 ? ip.slice(24, 40) : ip.slice(16, 20);
  const transport = ip.slice(header, total);
  const pseudo = sum(source) + sum(destination) + protocol + transport.length;
  const isUnchecked = protocol === 17 && u16(transport, 6) === 0;
  if (!isUnchecked && !isZero(pseudo + sum(transport))) faults.push("transport checksum");
  const isTcp = protocol === 6;
  const size = isTcp ? (transport[12]! >> 4) * 4 : 8;
  return {
    macs: { from: mac(frame, 6), to: mac(frame, 0) },
    from: address(source),
    to: address(destination),
    ports: { from: u16(transport, 0), to: u16(transport, 2) },
    sequence: isTcp ? u32(transport, 4) : 0,
    acknowledgment: isTcp ? u32(transport, 8) : 0,
    flags: isTcp ? transport[13]! : 0,
    options: isTcp ? transport.slice(20, size) : ip.slice(20, isV6 ? 20 : header),
    payload: transport.slice(size),
    faults,
  };
}
