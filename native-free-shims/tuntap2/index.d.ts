// Types of tuntap2: upstream's API, and behind an options argument what upstream has not.
import { Duplex } from "node:stream";

export const QUEUES_MAX: 256;
export const VNET_HEADER_BYTES: 12;

export interface TapOptions {
  /** Interface name, 1 to 15 characters, perhaps with one `%d`; the kernel chooses when empty. */
  readonly name?: string;
  /** 1 (default) to 256; more than one asks for IFF_MULTI_QUEUE. */
  readonly queues?: number;
  /** A 12-byte virtio_net_hdr_mrg_rxbuf in front of each frame, read and written. */
  readonly vnetHdr?: boolean;
  /** TUN_F_CSUM | TSO4 | TSO6: frames of up to 64 KB; needs `vnetHdr`. */
  readonly offloads?: boolean;
  /** The device stays when it is released. */
  readonly persist?: boolean;
  /** An open file descriptor of the network namespace to create the device in. */
  readonly netns?: number;
}

export interface OpenDevice {
  readonly name: string;
  readonly mode: "tap" | "tun";
  /** One non-blocking, close-on-exec file descriptor per queue; the caller closes them. */
  readonly fds: number[];
  /** 0 or 12. */
  readonly vnetHeaderBytes: number;
}

/** Creates a device with all its queues. Synchronous, any thread; throws system errors. */
export function openDevice(options: TapOptions & { readonly mode: "tap" | "tun" }): OpenDevice;
/** TUNSETPERSIST. @returns 0 or the negative errno, as the four below. */
export function setPersist(fd: number, on: boolean): number;
/** TUNSETQUEUE; -EINVAL when it is so already, or the device has one queue or is gone. */
export function setQueueAttached(fd: number, on: boolean): number;
/** TUNSETCARRIER; -EBADFD when the device is gone. */
/** Makes the transmit queue a function of the flow (an eBPF program); 0 or a negative errno. */
export function setFlowSteering(fd: number): number;
export function setCarrier(fd: number, on: boolean): number;
/** TUNGETIFF; null when the device is gone. */
export function deviceName(fd: number): string | null;
/** TUNGETDEVNETNS: a new fd of the namespace the device lives in, or the negative errno. */
export function deviceNetns(fd: number): number;

export interface Queue {
  readonly fd: number;
  readonly attached: boolean;
  /** @returns bytes read; 0 when the queue is empty; otherwise a negative errno. */
  read(buffer: Uint8Array): number;
  /** @returns bytes written, or a negative errno. */
  write(buffer: Uint8Array): number;
  attach(): number;
  detach(): number;
}

declare class Tuntap extends Duplex {
  readonly name: string;
  readonly isTap: boolean;
  readonly isTun: boolean;
  isUp: boolean;
  /** Bytes. */
  mtu: number;
  /** Readable while up, else throws a string. Setting it on a Tun throws. */
  mac: string;
  /** CIDR text; readable while up. null when there is none; only texts can be set. */
  get ipv4(): string | null;
  set ipv4(cidr: string);
  get ipv6(): string | null;
  set ipv6(cidr: string);
  /** The carrier (ETHTOOL_GLINK, TUNSETCARRIER); false while the device is down. */
  carrier: boolean;
  readonly queues: readonly Queue[];
  /** 0 or 12. */
  readonly vnetHeaderBytes: number;
  release(callback?: (error?: NodeJS.ErrnoException) => void): void;
  /** @deprecated does nothing. */
  onReceive(): void;
  /** @deprecated does nothing. */
  writePacket(): void;
}

/** A layer 2 device; the stream carries Ethernet frames. */
export class Tap extends Tuntap {
  constructor(options?: TapOptions);
}

/** A layer 3 device; the stream carries IP packets. */
export class Tun extends Tuntap {
  constructor(options?: TapOptions);
}

export interface TuntapOptions {
  readonly type: "tun" | "tap";
  readonly name?: "" | undefined;
  readonly mtu?: number;
  readonly addr?: string;
  readonly mask?: string;
  readonly up?: boolean;
  readonly [ignored: string]: unknown;
}

export function tuntap(options: TuntapOptions): Tap | Tun;
