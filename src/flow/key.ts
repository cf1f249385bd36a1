// The key: everything a flow table may look at, of one frame, as 32-bit words in one Uint32Array.
// A mask has the same layout. Any thread; plain arithmetic, no Node API.
//
// Layout. A field is a run of bits in the big-endian bit stream of the words, so that fields of
// more than 32 bits (MACs, IPv6 addresses) are runs too, and prefix masks are leading ones.
//
//   word   bits 31..16                     bits 15..0
//   0      -                               in_port                        ─┐
//   1      eth_dst[0..3]                                                   │
//   2      eth_dst[4..5]                   eth_src[0..1]                   │ the identity of an
//   3      eth_src[2..5]                                                   │ IPv4 (or unknown)
//   4      eth_type                        vlan_tci (0x1000: there is one) │ frame: words 0..11
//   5      nw_proto (arp_op), nw_tos       nw_ttl, nw_frag                 │
//   6      nw_src (arp_spa)                                                │
//   7      nw_dst (arp_tpa)                                                │
//   8      tp_src (icmp type)              tp_dst (icmp code)              │
//   9      tcp_flags                       -                               │
//   10     TPID of the outer tag           -                               │
//   11     TPID of the inner tag           TCI of the inner tag           ─┘
//   12-15  ipv6_src        16-19 ipv6_dst        20 ipv6_label
//   21-24  nd_target       25-27 arp_sha, arp_tha (nd_sll, nd_tll)   28-31 spare
//   32-47  reg0 .. reg15   48-49 metadata   50-51 tun_id   52 pkt_mark   53 recirc_id
//   54 dp_hash   55 ct_state   56 ct_zone   57 ct_mark   58-61 ct_label   62 conj_id
//   63 skb_priority   64 actset_output   65 packet_type   66 ct_nw_proto   67 ct_nw_src
//   68 ct_nw_dst   69 ct_tp_src, ct_tp_dst   70-73 ct_ipv6_src   74-77 ct_ipv6_dst   78-79 spare
//
// The sharing of words (ARP addresses with IPv4 addresses, ICMP types with ports) is that of
// Open vSwitch's `struct flow` (include/openvswitch/flow.h, 3.1).

/** Words of a key or a mask. */
export const KEY_WORDS = 80;
/** Words 0 to KEY_PACKET_WORDS - 1 come from the frame; the rest is metadata. */
export const KEY_PACKET_WORDS = 32;
/** Words that identify a frame that is neither IPv6 nor ARP. */
export const KEY_SHORT_WORDS = 12;

/** Index of each word (the first of several). */
export const WORD = {
  inPort: 0,
  ethDst: 1,
  ethMid: 2,
  ethSrc: 3,
  typeVlan: 4,
  ip: 5,
  nwSrc: 6,
  nwDst: 7,
  ports: 8,
  tcpFlags: 9,
  outerTpid: 10,
  innerVlan: 11,
  ipv6Src: 12,
  ipv6Dst: 16,
  ipv6Label: 20,
  ndTarget: 21,
  arpHardware: 25,
  reg0: 32,
  metadata: 48,
  tunId: 50,
  pktMark: 52,
  recircId: 53,
  dpHash: 54,
  ctState: 55,
  ctZone: 56,
  ctMark: 57,
  ctLabel: 58,
  conjId: 62,
  skbPriority: 63,
  actsetOutput: 64,
  packetType: 65,
  ctNwProto: 66,
  ctNwSrc: 67,
  ctNwDst: 68,
  ctPorts: 69,
  ctIpv6Src: 70,
  ctIpv6Dst: 74,
} as const;

/** The bit of a TCI that says "this frame has a tag" (OVS VLAN_CFI), set on all tagged frames. */
export const VLAN_PRESENT = 0x1000;

/** Bits of nw_frag (OVS FLOW_NW_FRAG_ANY, FLOW_NW_FRAG_LATER). */
export const NW_FRAG_ANY = 1;
export const NW_FRAG_LATER = 2;

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/**
 * Words by lookup stage, in the order of a staged lookup: what can be known first comes first.
 * Together they are all words that a match can use. Metadata, L2, L3, L4, with the borders where
 * FLOW_SEGMENT_*_ENDS_AT has them: the addresses of a tracked connection count as L3, its ports
 * and everything of ARP and neighbor discovery but the IP addresses as L4.
 */
export const STAGE_WORDS: readonly (readonly number[])[] = [
  [WORD.inPort, ...range(WORD.reg0, WORD.ctNwSrc), ...range(WORD.ctIpv6Dst + 4, KEY_WORDS)],
  [WORD.ethDst, WORD.ethMid, WORD.ethSrc, WORD.typeVlan, WORD.outerTpid, WORD.innerVlan],
  [
    ...[WORD.ip, WORD.nwSrc, WORD.nwDst, WORD.ctNwSrc, WORD.ctNwDst],
    ...[...range(WORD.ipv6Src, WORD.ndTarget), ...range(WORD.ctIpv6Src, WORD.ctIpv6Dst + 4)],
  ],
  [WORD.ports, WORD.tcpFlags, WORD.ctPorts, ...range(WORD.ndTarget, KEY_PACKET_WORDS)],
];

/**
 * Makes the key of a frame with two tags that of a reader who sees one only: the inner tag is then
 * an ethertype that nobody knows (other_config:vlan-limit=1).
 */
export function foldTags(key: Uint32Array): void {
  const inner = key[WORD.innerVlan]!;
  if (inner === 0) return;
  const outer = key[WORD.outerTpid]!;
  key[WORD.typeVlan] = (inner & 0xffff0000) | (key[WORD.typeVlan]! & 0xffff);
  key.fill(0, WORD.ip, KEY_PACKET_WORDS);
  key[WORD.outerTpid] = outer;
}

export function newKey(): Uint32Array {
  return new Uint32Array(KEY_WORDS);
}

/**
 * How many leading words tell this key's frame from every other frame with the same ethertype;
 * the packet words after them are 0. KEY_SHORT_WORDS or KEY_PACKET_WORDS.
 */
export function identityWords(key: Uint32Array): number {
  const type = key[WORD.typeVlan]! >>> 16;
  return type === 0x86dd || type === 0x0806 || type === 0x8035 ? KEY_PACKET_WORDS : KEY_SHORT_WORDS;
}

/** True when `key` has every bit that the match asks for. Value bits outside the mask must be 0. */
export function keyMatches(key: Uint32Array, value: Uint32Array, mask: Uint32Array): boolean {
  for (let i = 0; i < KEY_WORDS; i++) {
    if (((key[i]! & mask[i]!) ^ value[i]!) !== 0) return false;
  }
  return true;
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** 32 bits with a sign: a number from 2^31 on that is returned is an object to the engine. */
function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * A hash of the 5-tuple that is the same for both directions of a connection, as the kernel's
 * `__skb_get_hash_symmetric` is. Ports are left out for fragments, so that all fragments of a
 * packet hash alike, and ICMP types, so that an echo reply hashes as its request does; frames that
 * are not IP hash their MACs and ethertype. 32 bits with a sign.
 */
export function flowHash(key: Uint32Array): number {
  const type = key[WORD.typeVlan]! >>> 16;
  const ip = key[WORD.ip]!;
  if (type !== 0x0800 && type !== 0x86dd) {
    // eth_dst ^ eth_src, on the bit run of each.
    const dstLow = ((key[1]! << 16) | (key[2]! >>> 16)) ^ key[3]!;
    const dstHigh = (key[1]! >>> 16) ^ (key[2]! & 0xffff);
    return finish(mix(mix(mix(0, type), dstLow), dstHigh));
  }
  let hash = mix(type, ip >>> 24);
  if (type === 0x0800) {
    hash = mix(hash, key[WORD.nwSrc]! ^ key[WORD.nwDst]!);
  } else {
    for (let i = 0; i < 4; i++) {
      hash = mix(hash, key[WORD.ipv6Src + i]! ^ key[WORD.ipv6Dst + i]!);
    }
  }
  const proto = ip >>> 24;
  const hasPorts = proto === 6 || proto === 17 || proto === 132;
  if (hasPorts && (ip & (NW_FRAG_ANY | NW_FRAG_LATER)) === 0) {
    const ports = key[WORD.ports]!;
    hash = mix(hash, (ports >>> 16) ^ (ports & 0xffff));
  }
  return finish(hash);
}

/** A hash of the 5-tuple in the direction of the packet, without ports for fragments. */
export function tupleHash(key: Uint32Array): number {
  const ip = key[WORD.ip]!;
  let hash = mix(key[WORD.typeVlan]! >>> 16, ip >>> 24);
  for (const word of [WORD.nwSrc, WORD.nwDst]) hash = mix(hash, key[word]!);
  for (let word: number = WORD.ipv6Src; word < WORD.ipv6Label; word++) hash = mix(hash, key[word]!);
  return finish((ip & NW_FRAG_ANY) === 0 ? mix(hash, key[WORD.ports]!) : hash) >>> 0;
}

/** Another hash, of a hash and a number. 0 to 2^32 - 1. */
export function rehash(hash: number, basis: number): number {
  return finish(mix(hash | 0, basis)) >>> 0;
}

/** A hash of the first `words` words of a key; for exact-match caches. 32 bits with a sign. */
export function keyHash(key: Uint32Array, words: number): number {
  let hash = words;
  for (let i = 0; i < words; i++) hash = mix(hash, key[i]!);
  return finish(hash);
}
