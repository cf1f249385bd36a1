// Which queue carries a flow: the automatic steering of drivers/net/tun.c ("tx follows rx").
// Called per frame by queue workers (the hash of what the switch wrote) and by protocol stacks.
//
// tun_get_user hashes the frame, hands it to the namespace, and only then records "this flow came
// in on that queue" (tun_flow_update). A reply that the namespace sends while it handles the first
// frame of a flow is therefore steered without the record: by hash. On Linux 6.18, 9 of 40 first
// replies came back on the queue of the request, from the second frame on 40 of 40.
import {
  FLOWS_AT,
  FLOW_BUCKETS,
  FLOW_TABLE_WORDS,
  FLOW_WAYS,
  HEADER,
  type Image,
} from "./layout.js";

/** TUN_FLOW_EXPIRE is 3 * HZ. */
const FLOW_EXPIRE_MS = 3000;

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const VLAN_TAGS_MAX = 2;

function be16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function be32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  // 0 means "no hash" (net/core/flow_dissector.c turns it into 1).
  return h === 0 ? 1 : h;
}

// Addresses and ports are put in order first, each on their own, so that both directions of a flow
// hash the same (__flow_hash_consistentify).
function mixPair(hash: number, a: number, b: number): number {
  return a <= b ? mix(mix(hash, a), b) : mix(mix(hash, b), a);
}

/**
 * Symmetric flow hash as __skb_get_hash_symmetric defines it: ethertype, IP protocol, addresses,
 * and the ports of TCP and UDP packets that are not fragments. The mixing function is our own (the
 * kernel's is seeded at boot).
 * @param tap whether the bytes begin with an Ethernet header.
 * @returns 32 bits, never 0.
 */
export function flowHash(bytes: Uint8Array, offset: number, length: number, tap: boolean): number {
  const end = offset + length;
  let at = offset;
  let type = 0;
  if (tap) {
    at += 12;
    for (let tags = 0; ; tags++) {
      if (at + 2 > end) return 1;
      type = be16(bytes, at);
      at += 2;
      if ((type !== ETH_P_8021Q && type !== ETH_P_8021AD) || tags === VLAN_TAGS_MAX) break;
      at += 2;
    }
  } else {
    type = bytes[at]! >> 4 === 6 ? ETH_P_IPV6 : ETH_P_IP;
  }
  let hash = mix(0x2545f491, type);
  if (type === ETH_P_IP && at + 20 <= end) {
    const protocol = bytes[at + 9]!;
    hash = mixPair(mix(hash, protocol), be32(bytes, at + 12), be32(bytes, at + 16));
    const fragment = (be16(bytes, at + 6) & 0x3fff) !== 0;
    if (!fragment) hash = mixPorts(hash, protocol, bytes, at + (bytes[at]! & 15) * 4, end);
  } else if (type === ETH_P_IPV6 && at + 40 <= end) {
    const protocol = bytes[at + 6]!;
    hash = mixPair(mix(hash, protocol), fold6(bytes, at + 8), fold6(bytes, at + 24));
    hash = mixPorts(hash, protocol, bytes, at + 40, end);
  }
  return finish(hash);
}

function mixPorts(
  hash: number,
  protocol: number,
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  if ((protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) || at + 4 > end) return hash;
  return mixPair(hash, be16(bytes, at), be16(bytes, at + 2));
}

function fold6(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let i = 0; i < 16; i += 4) hash = mix(hash, be32(bytes, at + i));
  return hash;
}

function bucketAt(deviceSlot: number, hash: number): number {
  return FLOWS_AT + deviceSlot * FLOW_TABLE_WORDS + (hash & (FLOW_BUCKETS - 1)) * FLOW_WAYS * 2;
}

function isFresh(words: Int32Array, at: number): boolean {
  return ((Atomics.load(words, HEADER.jiffiesMs) - words[at + 1]!) | 0) < FLOW_EXPIRE_MS;
}

/**
 * Records that a flow was last carried by a queue (tun_flow_update). An entry is one word, so that
 * a racing reader sees the old queue or the new one. A full bucket gives up its oldest entry.
 */
export function flowUpdate(image: Image, deviceSlot: number, hash: number, queue: number): void {
  const words = image.words;
  const tag = (hash & ~(FLOW_BUCKETS - 1)) | 0;
  const bucket = bucketAt(deviceSlot, hash);
  const now = Atomics.load(words, HEADER.jiffiesMs);
  let oldest = bucket;
  for (let way = 0; way < FLOW_WAYS; way++) {
    const at = bucket + way * 2;
    const entry = Atomics.load(words, at);
    if (entry === 0 || (entry & ~(FLOW_BUCKETS - 1)) === tag) {
      oldest = at;
      break;
    }
    if (((words[at + 1]! - words[oldest + 1]!) | 0) < 0) oldest = at;
  }
  words[oldest + 1] = now;
  Atomics.store(words, oldest, tag | (queue + 1));
}

/** The queue that last carried a flow (tun_flow_find), or -1. */
export function flowFind(image: Image, deviceSlot: number, hash: number): number {
  const words = image.words;
  const tag = (hash & ~(FLOW_BUCKETS - 1)) | 0;
  const bucket = bucketAt(deviceSlot, hash);
  for (let way = 0; way < FLOW_WAYS; way++) {
    const entry = Atomics.load(words, bucket + way * 2);
    if (entry === 0 || (entry & ~(FLOW_BUCKETS - 1)) !== tag) continue;
    return isFresh(words, bucket + way * 2) ? (entry & (FLOW_BUCKETS - 1)) - 1 : -1;
  }
  return -1;
}

/** Forgets all flows of a device slot, when a new device moves in. */
export function flowsReset(image: Image, deviceSlot: number): void {
  const at = FLOWS_AT + deviceSlot * FLOW_TABLE_WORDS;
  image.words.fill(0, at, at + FLOW_TABLE_WORDS);
}
