// The API of raw-socket 1.8.1 without a native addon. Where it differs, index.js says so.
import type { EventEmitter } from "node:events";

export const AddressFamily: {
  readonly IPv4: 1;
  readonly IPv6: 2;
  readonly [number: number]: string;
};
export const Protocol: {
  readonly None: 0;
  readonly ICMP: 1;
  readonly TCP: 6;
  readonly UDP: 17;
  readonly ICMPv6: 58;
  readonly [number: number]: string;
};
export const SocketLevel: {
  readonly SOL_SOCKET: number;
  readonly IPPROTO_IP: number;
  readonly IPPROTO_IPV6: number;
};
export const SocketOption: {
  readonly SO_BROADCAST: number;
  readonly SO_RCVBUF: number;
  readonly SO_RCVTIMEO: number;
  readonly SO_SNDBUF: number;
  readonly SO_SNDTIMEO: number;
  readonly SO_BINDTODEVICE: number;
  readonly IP_HDRINCL: number;
  readonly IP_OPTIONS: number;
  readonly IP_TOS: number;
  readonly IP_TTL: number;
  readonly IPV6_TTL: number;
  readonly IPV6_UNICAST_HOPS: number;
  readonly IPV6_V6ONLY: number;
};

export interface SocketOptions {
  /** Default `AddressFamily.IPv4`. */
  addressFamily?: number;
  /** The protocol of the IP header, 0 to 255; default `Protocol.None`. */
  protocol?: number;
  /** Bytes of the longest message received whole; default 4096. */
  bufferSize?: number;
}

export interface SocketEvents {
  /** A received message (IPv4: with its IP header) and the sender's address. */
  message: [buffer: Buffer, source: string];
  error: [error: Error];
  close: [];
}

type AfterSend = (this: Socket, error: Error | null, bytes?: number) => void;

/** A raw socket. Keeps the event loop alive unless closed or paused in both directions. */
export class Socket extends EventEmitter<SocketEvents> {
  constructor(options?: SocketOptions);
  readonly recvPaused: boolean;
  readonly sendPaused: boolean;
  close(): this;
  pauseRecv(): this;
  pauseSend(): this;
  resumeRecv(): this;
  resumeSend(): this;
  send(buffer: Buffer, offset: number, length: number, address: string, after: AfterSend): this;
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    before: (() => void) | null,
    after: AfterSend,
  ): this;
  /** @returns bytes written into `buffer`. */
  getOption(level: number, option: number, buffer: Buffer, length: number): number;
  setOption(level: number, option: number, value: number): void;
  setOption(level: number, option: number, buffer: Buffer, length: number): void;
}

/** @throws Error "Operation not permitted" (`code` EPERM) without CAP_NET_RAW. */
export function createSocket(options?: SocketOptions): Socket;

export type ChecksumPart = Buffer | { buffer: Buffer; offset: number; length: number };

/** The Internet checksum (RFC 1071) over all parts as if they were one buffer. */
export function createChecksum(...parts: ChecksumPart[]): number;
export function writeChecksum(buffer: Buffer, offset: number, checksum: number): Buffer;
export function htonl(number: number): number;
export function htons(number: number): number;
export function ntohl(number: number): number;
export function ntohs(number: number): number;

declare const raw: {
  AddressFamily: typeof AddressFamily;
  Protocol: typeof Protocol;
  SocketLevel: typeof SocketLevel;
  SocketOption: typeof SocketOption;
  Socket: typeof Socket;
  createSocket: typeof createSocket;
  createChecksum: typeof createChecksum;
  writeChecksum: typeof writeChecksum;
  htonl: typeof htonl;
  htons: typeof htons;
  ntohl: typeof ntohl;
  ntohs: typeof ntohs;
};
export default raw;
