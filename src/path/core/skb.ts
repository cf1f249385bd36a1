// struct sk_buff, as far as the transmit path looks at it: private to the thread that has it, so a
// plain object, one per worker and used again for every packet. The bytes are not in it.
//
// skb->queue_mapping has two meanings that follow each other in one word: on receive it is "0: no
// queue recorded, else the queue + 1" (the hint), and netdev_core_pick_tx overwrites it with the
// transmit index. A veth hands the word to its peer as it is, which is how a transmit index comes
// to be read as a recorded receive queue.
import { type Addr, NULL } from "../../sync/index.js";
import type { DeviceView } from "../device-view.js";
import type { Profile } from "../profiles.js";

export interface Skb {
  /** skb->dev. */
  dev: Addr;
  /** skb->queue_mapping, u16. */
  queueMapping: number;
  /** skb->hash: the flow hash, u32. */
  hash: number;
  priority: number;
  /** Bytes, Ethernet header included. */
  len: number;
  /** Not 0: a super-frame (skb_is_gso). */
  gsoSize: number;
  /** skb->sk: a socket structure, or NULL. Forwarded packets have none. */
  sk: Addr;
  oooOkay: boolean;
  /** skb->sender_cpu: CPU + 1, 0 = not stamped. */
  senderCpu: number;
  /** OVS_CB(skb)->cutlen: bytes to trim to; CUTLEN_NONE = no truncation. */
  cutlen: number;
  /** OVS_CB(skb)->mru: largest fragment when reassembled by conntrack; 0 = not a fragment. */
  mru: number;
  /** The key has an Ethernet header (ovs_key_mac_proto). */
  isEthernet: boolean;

  // What transmitting it came to, for the caller.
  /** Device whose wire (or sink) the packet reached; NULL if it was dropped. */
  wireDev: Addr;
  /** Transmit queue it was handed to the driver on. */
  wireQueue: number;
  /** It lies on this CPU's backlog: the caller takes it from there (`processBacklog`). */
  onBacklog: boolean;
  /** Queue selections made, with a hint, corrected by the cap, made at count 0. */
  picks: number;
  hinted: number;
  capped: number;
  picksAtZero: number;
  /** The thread's view for a user's guard. */
  guardView: DeviceView | null;
}

export const CUTLEN_NONE = 0xffffffff;

export function newSkb(): Skb {
  return {
    dev: NULL,
    queueMapping: 0,
    hash: 0,
    priority: 0,
    len: 0,
    gsoSize: 0,
    sk: NULL,
    oooOkay: false,
    senderCpu: 0,
    cutlen: CUTLEN_NONE,
    mru: 0,
    isEthernet: true,
    wireDev: NULL,
    wireQueue: 0,
    onBacklog: false,
    picks: 0,
    hinted: 0,
    capped: 0,
    picksAtZero: 0,
    guardView: null,
  };
}

/** skb_rx_queue_recorded(). */
export function skbRxQueueRecorded(skb: Skb): boolean {
  return skb.queueMapping !== 0;
}

/** skb_get_rx_queue(). */
export function skbGetRxQueue(skb: Skb): number {
  return (skb.queueMapping - 1) & 0xffff;
}

/**
 * queue_mapping of a packet that the far end of a veth transmitted on `txQueue`, as the receiving
 * side sees it: recorded always (Mar 2021 to Jan 2022), recorded only with an XDP program (before),
 * or the leftover transmit index (since 710ad98c363a, 5.17), where queue 0 leaves no hint.
 */
export function vethIngressMapping(profile: Profile, txQueue: number, xdp: boolean): number {
  if (profile.vethHint === "leftover") return txQueue;
  return profile.vethHint === "always" || xdp ? txQueue + 1 : 0;
}

/** skb_record_rx_queue() by tun_get_user: a packet from a tun or tap file always has a hint. */
export function tunIngressMapping(queueIndex: number): number {
  return queueIndex + 1;
}
