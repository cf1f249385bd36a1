// Frames for the tests of segments: in a buffer with room in front and guard bytes around, so that
// a write outside the frame is seen.
import type { EditableFrame } from "../../../src/balancer/segment/segment.js";
import { buildEthernet } from "../../../src/wire/ethernet.js";
import { buildIpv4, ipv4Number } from "../../../src/wire/ipv4.js";
import { buildIpv6, ipv6Bytes } from "../../../src/wire/ipv6.js";
import {
  type ClientAddress,
  newClientAddress,
  setIpv4Client,
  setIpv6Client,
} from "../../../src/wire/options/toa.js";
import { buildTcp, buildUdp } from "../../../src/wire/transport.js";
import { putVnetHeader, VNET_FLAG, VNET_GSO } from "../../../src/wire/vnet-header.js";
import { type ReadPacketView, readFrame, readVnet } from "./verify.js";

export const HEADROOM = 64;
const GUARD = 0xa5;
const TAIL = 32;
const VNET_BYTES = 12;

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export interface FrameSpec {
  readonly version?: 4 | 6;
  readonly protocol?: "tcp" | "udp";
  readonly flags?: number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  /** Hex digits, a multiple of four bytes. */
  readonly options?: string;
  /** Hex digits of IPv4 options. */
  readonly ipOptions?: string;
  /** Its bytes, or how many. */
  readonly payload?: Uint8Array | number;
  /** `none`: no vnet header; `plain`: an empty one; `partial`: NEEDS_CSUM; `gso`: a super-frame. */
  readonly vnet?: "none" | "plain" | "partial" | "gso";
  readonly gsoSize?: number;
  /** IPv4 flags and fragment offset. */
  readonly fragment?: number;
  /** Extension headers of IPv6: number of the first one, hex digits of all. */
  readonly extensions?: { readonly nextHeader: number; readonly hex: string };
  readonly headroom?: number;
  /** From the server's address and port to the client's. */
  readonly isAnswer?: boolean;
  readonly clientPort?: number;
  readonly serverPort?: number;
  readonly client?: string;
  readonly server?: string;
  /** Bytes of Ethernet padding. */
  readonly padding?: number;
}

export const CLIENT_V4 = "192.0.2.10";
export const CLIENT_V6 = "2001:db8::10";
export const SERVER_V4 = "10.0.0.80";
export const SERVER_V6 = "2001:db8::80";

export function v4(address = CLIENT_V4, port = 54321): ClientAddress {
  const client = newClientAddress();
  setIpv4Client(client, ipv4Number(address), port);
  return client;
}

export function v6(address = CLIENT_V6, port = 443): ClientAddress {
  const client = newClientAddress();
  setIpv6Client(client, ipv6Bytes(address), 0, port);
  return client;
}

function payloadOf(spec: FrameSpec): Uint8Array {
  const { payload = 0 } = spec;
  return typeof payload === "number" ? new Uint8Array(payload).map((_, i) => i * 7) : payload;
}

function transportOf(spec: FrameSpec): Uint8Array {
  const [client, server] = [spec.clientPort ?? 40000, spec.serverPort ?? 80];
  const ports = {
    source: spec.isAnswer === true ? server : client,
    destination: spec.isAnswer === true ? client : server,
    payload: payloadOf(spec),
  };
  if (spec.protocol === "udp") return buildUdp(ports);
  return buildTcp({
    ...ports,
    ...(spec.flags === undefined ? {} : { flags: spec.flags }),
    sequence: spec.sequence ?? 1000,
    acknowledgment: spec.acknowledgment ?? 2000,
    options: hex(spec.options ?? ""),
  });
}

function sides(spec: FrameSpec): { source: string; destination: string } {
  const client = spec.client ?? (spec.version === 6 ? CLIENT_V6 : CLIENT_V4);
  const server = spec.server ?? (spec.version === 6 ? SERVER_V6 : SERVER_V4);
  return spec.isAnswer === true
    ? { source: server, destination: client }
    : { source: client, destination: server };
}

function packetOf(spec: FrameSpec): { packet: Uint8Array; header: number } {
  const isPartial = spec.vnet === "partial" || spec.vnet === "gso";
  const fields = {
    protocol: spec.protocol === "udp" ? 17 : 6,
    payload: transportOf(spec),
    transportChecksum: isPartial ? ("partial" as const) : ("full" as const),
  };
  if (spec.version === 6) {
    const nextHeader = spec.extensions?.nextHeader ?? fields.protocol;
    const bytes = hex(spec.extensions?.hex ?? "");
    const packet = buildIpv6({ ...sides(spec), ...fields, extensions: { nextHeader, bytes } });
    return { packet, header: 40 + bytes.length };
  }
  const options = hex(spec.ipOptions ?? "");
  const packet = buildIpv4({
    ...sides(spec),
    fragment: spec.fragment ?? 0x4000,
    options,
    ...fields,
  });
  return { packet, header: 20 + options.length };
}

/** A frame with its buffer; `check` throws when something around the frame was written. */
export interface LaidFrame {
  readonly frame: EditableFrame;
  readonly floor: number;
  /** Verifies lengths and checksums and reads the frame; throws what is wrong. */
  read(): ReadPacketView;
  /** The frame's bytes with its vnet header, for comparisons. */
  copy(): Uint8Array;
  isGuarded(): boolean;
}

function putVnet(bytes: Uint8Array, at: number, spec: FrameSpec, header: number): void {
  if (spec.vnet === "plain") return putVnetHeader(bytes, at, {});
  const isTcp = spec.protocol !== "udp";
  const gsoType = isTcp ? (spec.version === 6 ? VNET_GSO.tcpv6 : VNET_GSO.tcpv4) : VNET_GSO.udpL4;
  const transport = isTcp ? 20 + hex(spec.options ?? "").length : 8;
  putVnetHeader(bytes, at, {
    flags: VNET_FLAG.needsChecksum,
    gsoType: spec.vnet === "gso" ? gsoType : VNET_GSO.none,
    gsoSize: spec.vnet === "gso" ? (spec.gsoSize ?? 1400) : 0,
    headerLength: 14 + header + transport,
    checksumStart: 14 + header,
    checksumOffset: isTcp ? 16 : 6,
  });
}

export function lay(spec: FrameSpec): LaidFrame {
  const { packet, header } = packetOf(spec);
  const type = spec.version === 6 ? 0x86dd : 0x0800;
  const payload = new Uint8Array(packet.length + (spec.padding ?? 0));
  payload.set(packet);
  return layBytes(buildEthernet({ type, payload }), spec, header);
}

/** The same for bytes that are made elsewhere; `header` is the IP header's length. */
export function layBytes(ethernet: Uint8Array, spec: FrameSpec, header: number): LaidFrame {
  const hasVnet = (spec.vnet ?? "none") !== "none";
  const floor = TAIL;
  const start = floor + (spec.headroom ?? HEADROOM);
  const offset = start + (hasVnet ? VNET_BYTES : 0);
  const end = offset + ethernet.length;
  const bytes = new Uint8Array(end + TAIL).fill(GUARD);
  bytes.set(ethernet, offset);
  if (hasVnet) putVnet(bytes, start, spec, header);
  const frame = { bytes, offset, length: ethernet.length, vnetOffset: hasVnet ? start : -1 };
  const first = () => (frame.vnetOffset >= 0 ? frame.vnetOffset : frame.offset);
  return {
    frame,
    floor,
    read: () => {
      const vnet = frame.vnetOffset < 0 ? null : readVnet(bytes.subarray(frame.vnetOffset));
      return readFrame(bytes.subarray(frame.offset, frame.offset + frame.length), vnet);
    },
    copy: () => bytes.slice(first(), frame.offset + frame.length),
    isGuarded: () =>
      first() >= floor &&
      frame.offset + frame.length === end &&
      bytes.subarray(0, floor).every((byte) => byte === GUARD) &&
      bytes.subarray(end).every((byte) => byte === GUARD),
  };
}
