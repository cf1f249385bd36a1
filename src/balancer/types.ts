// What a load balancer is told to do, as plain data: checked by whoever made it (the scenario room
// does), structured-cloned into every queue worker. Addresses are words, so that no text is parsed
// where frames are.
import type { ToaProfile } from "../wire/options/toa.js";

/**
 * How packets reach the real server (IPVS and DPVS have these three, and tunnels besides):
 * - `fullnat`: both addresses are replaced; answers come back to the local address.
 * - `nat`: the destination only; the server's route to its clients must lead back here.
 * - `dr` (direct routing): the destination's MAC only; the server has the virtual address itself,
 *   and answers past the balancer.
 */
export const MODES = ["fullnat", "nat", "dr"] as const;
export type Mode = (typeof MODES)[number];

/** `rr`: in turn; `wrr`: in turn, by weight; `hash`: by the client's address, by weight. */
export const SCHEDULERS = ["rr", "wrr", "hash"] as const;
export type Scheduler = (typeof SCHEDULERS)[number];

/** Whether, and in which dialect, servers are told the client's address. */
export const TOA_SETTINGS = ["off", "dpvs", "kind"] as const;
export type ToaSetting = (typeof TOA_SETTINGS)[number];

export const PROTOCOLS = ["tcp", "udp"] as const;

/** Services of a balancer, and servers of a service. */
export const SERVICES_MAX = 64;
export const SERVERS_MAX = 64;

/** Four words, the most significant first; IPv4 is v4-mapped (::ffff:a.b.c.d). */
export type AddressWords = readonly number[];

export interface RealServer {
  readonly address: AddressWords;
  /** 1 to 65535. */
  readonly port: number;
  /** 0 to 256; 0 gets no new connections. */
  readonly weight: number;
  /** Six bytes: of the device that has the address. */
  readonly mac: readonly number[];
  /** Of the server's device, in bytes: what is inserted must fit. */
  readonly mtu: number;
  /** Taken away while the switch runs: connections that it has go on, and it gets no others. */
  readonly isGone?: boolean;
}

export interface VirtualService {
  readonly name: string;
  readonly family: 4 | 6;
  readonly address: AddressWords;
  readonly port: number;
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly mode: Mode;
  readonly scheduler: Scheduler;
  /** Of `fullnat` services only: in the other modes servers see the client's address anyhow. */
  readonly toa: ToaSetting;
  /** Connections know service and server by their places, which therefore stay what they are. */
  readonly servers: readonly RealServer[];
  /** Taken away while the switch runs: connections that it has go on, and it gets no others. */
  readonly isGone?: boolean;
}

/** Addresses and ports of its own that fullnat connections come from. */
export interface LocalPool {
  readonly addresses: readonly { readonly family: 4 | 6; readonly words: AddressWords }[];
  readonly firstPort: number;
  readonly lastPort: number;
}

export interface BalancerConfig {
  /** The balancer's MAC address. */
  readonly mac: readonly number[];
  readonly services: readonly VirtualService[];
  readonly local: LocalPool;
  /** Connections at a time. */
  readonly connectionsMax: number;
  /** What initial sequence numbers are drawn from. */
  readonly seed: number;
}

/** A frame in hand, as the datapath's; the balancer sees no more of it. */
export interface FrameInHand {
  bytes: Uint8Array;
  /** Where the Ethernet header begins; at least 64 bytes lie free in front of all. */
  offset: number;
  length: number;
  /** Where the vnet header begins, directly in front of the frame; -1 without one. */
  vnetOffset: number;
}

/** The dialect of a service, or null when its servers are told nothing. */
export function profileOf(service: VirtualService): ToaProfile | null {
  if (service.mode !== "fullnat" || service.toa === "off") return null;
  return service.toa;
}
