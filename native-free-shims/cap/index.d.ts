// The API of cap 0.2.1 without a native addon. What cap does not have is marked "beyond cap".
import type { EventEmitter } from "node:events";

export interface DeviceAddress {
  addr: string;
  netmask?: string;
  broadaddr?: string;
  dstaddr?: string;
}

export interface Device {
  name: string;
  description?: string;
  addresses: DeviceAddress[];
  flags?: "PCAP_IF_LOOPBACK";
}

/** The first device with this address; without one the first that has any address. */
export function findDevice(ip?: string): string | undefined;
/** The devices of the calling thread's network namespace. */
export function deviceList(): Device[];

export interface CapEvents {
  /** Bytes placed in the buffer, and whether the frame was longer than it. */
  packet: [nbytes: number, truncated: boolean];
  /** Beyond cap: the device was removed; the capture has ended. */
  error: [error: Error];
}

/** One capture. Keeps the event loop alive while it is open. Any thread. */
export class Cap extends EventEmitter<CapEvents> {
  static findDevice: typeof findDevice;
  static deviceList: typeof deviceList;
  /**
   * @param device a name in the calling thread's namespace.
   * @param filter a part of pcap-filter(7): arp rarp ip ip6 tcp udp sctp icmp icmp6, `ether proto
   *   N`, `ip proto N`, `[src|dst] host A`, `[tcp|udp|sctp] [src|dst] port N`, `ether src|dst|host
   *   MAC`, `greater N`, `less N`, and/or/not, parentheses. "" passes everything.
   * @param bufSize bytes that the kernel may hold back for this capture.
   * @param buffer receives one frame at a time; overwritten by the next.
   * @throws Error naming the device, the missing permission or the word of the filter.
   */
  open(device: string, filter: string, bufSize: number, buffer: Buffer): "ETHERNET" | "RAW";
  close(): boolean;
  /** Sends a frame with its link header. Errors carry `code` ("ENETDOWN", "EMSGSIZE"). */
  send(buffer: Buffer, nBytes?: number): void;
  /** No effect on Linux. */
  setMinBytes(nBytes: number): void;
  /** Beyond cap: PACKET_STATISTICS since `open`; still answers after `close`. */
  stats(): { received: number; dropped: number };
  /** Beyond cap: nanoseconds since 1970 at which the kernel saw the last frame. */
  readonly lastTimestamp: bigint;
  /** Beyond cap: the last frame's length before any truncation, in bytes. */
  readonly lastWireLength: number;
  /** Beyond cap: whether this machine sent the last frame. */
  readonly lastOutgoing: boolean;
}

export interface EthernetInfo {
  dstmac: string;
  srcmac: string;
  type: number | undefined;
  vlan: { priority: number; CFI: boolean; VID: number } | undefined;
  length: number | undefined;
}

export interface IPv4Info {
  hdrlen: number;
  dscp: number;
  ecn: number;
  totallen: number;
  id: number;
  flags: number;
  fragoffset: number;
  ttl: number;
  protocol: number;
  hdrchecksum: number;
  srcaddr: string;
  dstaddr: string;
  options: undefined;
}

export interface IPv6Info {
  class: number;
  flowLabel: number;
  extensions: undefined;
  protocol: number | undefined;
  hopLimit: number;
  srcaddr: string;
  dstaddr: string;
  payloadlen: number;
}

export interface TCPInfo {
  srcport: number;
  dstport: number;
  seqno: number;
  ackno: number | undefined;
  flags: number;
  window: number;
  checksum: number;
  urgentptr: number | undefined;
  options: undefined;
}

export interface UDPInfo {
  srcport: number;
  dstport: number;
  length: number;
  checksum: number;
}

export interface ARPInfo {
  hardwareaddr: number;
  protocol: number;
  hdrlen: number;
  protlen: number;
  opcode: number;
  sendermac: string;
  senderip: string;
  targetmac: string;
  targetip: string;
}

export interface SCTPInfo {
  srcport: number;
  dstport: number;
  verifyTag: undefined;
  checksum: number;
  chunks: { type: number; flags: number; offset: number; length: number }[] | undefined;
}

/** `type`, `code`, `checksum` and what the message's type adds. */
export interface ICMPv4Info {
  type: number;
  code: number;
  checksum: number;
  [field: string]: unknown;
}

export interface Decoded<Info> {
  info: Info;
  offset: number;
}

/** Header decoders. All throw a RangeError for frames that end too early. */
export const decoders: {
  Ethernet(b: Buffer, offset?: number): Decoded<EthernetInfo>;
  IPV4(b: Buffer, offset?: number): Decoded<IPv4Info> & { hdrlen: number };
  IPV6(
    b: Buffer,
    offset?: number,
  ): { info: IPv6Info; payloadlen: undefined; offset: number | undefined };
  ICMPV4(b: Buffer, nbytes: number, offset?: number): Decoded<ICMPv4Info>;
  TCP(b: Buffer, offset?: number): Decoded<TCPInfo> & { hdrlen: number };
  UDP(b: Buffer, offset?: number): Decoded<UDPInfo>;
  SCTP(b: Buffer, nbytes: number, offset?: number): Decoded<SCTPInfo>;
  ARP(b: Buffer, offset?: number): Decoded<ARPInfo>;
  PROTOCOL: {
    ETHERNET: Record<string, string | number>;
    IP: Record<string, string | number>;
  };
};

/** One instruction of classic BPF. */
export interface BpfInstruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** Beyond cap: a filter as classic BPF; null for the empty filter. Throws as `open` does. */
export function compileFilter(text: string, linkType?: "ETHERNET" | "RAW"): BpfInstruction[] | null;

declare const cap: {
  Cap: typeof Cap;
  decoders: typeof decoders;
  deviceList: typeof deviceList;
  findDevice: typeof findDevice;
};
export default cap;
