// Keys and masks as a trace prints them: a packet's whole flow (lib/flow.c flow_format), and a
// megaflow (lib/match.c match_format over what xlate_wc_finish leaves). Open vSwitch 3.1.
// Slow path; any thread.
import { newKey, NW_FRAG_ANY, NW_FRAG_LATER, WORD } from "../flow/key.js";
import { formatMatch } from "../ofctl/print/format-match.js";
import type { FormatOptions } from "../ofctl/print/format-value.js";
import { datapathMask } from "./megaflow-mask.js";

const ALL = 0xffffffff;
const TCI = 0xffff;
/** Protocols whose ports or types a flow shows. */
const WITH_PORTS: readonly number[] = [1, 2, 6, 17, 58, 132];
/** Metadata that is shown only when it is not zero: first word, number of words. */
const METADATA: readonly (readonly [word: number, words: number])[] = [
  [WORD.inPort, 1],
  [WORD.skbPriority, 1],
  [WORD.pktMark, 1],
  [WORD.recircId, 1],
  [WORD.dpHash, 1],
  [WORD.ctState, 1],
  [WORD.ctZone, 1],
  [WORD.ctMark, 1],
  [WORD.ctLabel, 4],
  [WORD.metadata, 2],
  [WORD.tunId, 2],
  ...Array.from({ length: 16 }, (_, i): readonly [number, number] => [WORD.reg0 + i, 1]),
];

function typeOf(key: Uint32Array): number {
  return key[WORD.typeVlan]! >>> 16;
}

/** Every field that a packet of this kind has, and the metadata that is not zero. */
export function flowText(key: Uint32Array, options: FormatOptions): string {
  const mask = newKey();
  for (const [word, words] of METADATA) {
    const used = key.subarray(word, word + words).some((bits) => bits !== 0);
    if (used) mask.fill(word === WORD.inPort ? TCI : ALL, word, word + words);
  }
  if (key[WORD.ctZone] !== 0) mask[WORD.ctZone] = TCI;
  maskTuple(key, mask);
  mask.fill(ALL, WORD.ethDst, WORD.typeVlan + 1);
  // The first absent tag is shown as well; a tag is absent when all of its bits are 0.
  if ((key[WORD.typeVlan]! & TCI) !== 0) mask[WORD.innerVlan] = TCI;
  maskNetwork(key, mask);
  return formatMatch({ value: masked(key, mask), mask }, options);
}

/** The original direction's tuple of a tracked connection. */
function maskTuple(key: Uint32Array, mask: Uint32Array): void {
  if (key[WORD.ctState] === 0 || key[WORD.ctNwProto] === 0) return;
  mask[WORD.ctNwProto] = 0xff;
  mask[WORD.ctPorts] = ALL;
  if (typeOf(key) === 0x0800) mask.fill(ALL, WORD.ctNwSrc, WORD.ctNwDst + 1);
  // Neighbor discovery has its own fields in that place (flow_wildcards_init_for_packet).
  const isDiscovery = key[WORD.ip]! >>> 24 === 58 && isNeighborDiscovery(key);
  if (typeOf(key) === 0x86dd && !isDiscovery) {
    mask.fill(ALL, WORD.ctIpv6Src, WORD.ctIpv6Dst + 4);
  }
}

function maskNetwork(key: Uint32Array, mask: Uint32Array): void {
  const type = typeOf(key);
  if (type === 0x0806 || type === 0x8035) {
    mask[WORD.ip] = 0xff000000;
    mask.fill(ALL, WORD.nwSrc, WORD.nwDst + 1);
    mask.fill(ALL, WORD.arpHardware, WORD.arpHardware + 3);
    return;
  }
  if (type === 0x0800) mask.fill(ALL, WORD.nwSrc, WORD.nwDst + 1);
  else if (type === 0x86dd) {
    mask.fill(ALL, WORD.ipv6Src, WORD.ipv6Dst + 4);
    mask[WORD.ipv6Label] = 0xfffff;
  } else return;
  mask[WORD.ip] = 0xffffff00 | NW_FRAG_ANY | NW_FRAG_LATER;
  const protocol = key[WORD.ip]! >>> 24;
  const isLater = (key[WORD.ip]! & NW_FRAG_LATER) !== 0;
  // Whether ICMPv6 is neighbor discovery is looked up (is_nd) before a later fragment is excluded.
  const isIcmpv6 = type === 0x86dd && protocol === 58;
  if ((isLater && !isIcmpv6) || !WITH_PORTS.includes(protocol)) return;
  mask[WORD.ports] = ALL;
  if (protocol === 6) mask[WORD.tcpFlags] = 0x0fff0000;
  // Neighbor discovery, whose fields others have no place for.
  if (type !== 0x86dd || protocol !== 58 || !isNeighborDiscovery(key)) return;
  mask.fill(ALL, WORD.ndTarget, WORD.ndTarget + 4);
  mask.fill(ALL, WORD.arpHardware, WORD.arpHardware + 3);
}

function isNeighborDiscovery(key: Uint32Array): boolean {
  const icmpType = key[WORD.ports]! >>> 16;
  return (icmpType === 135 || icmpType === 136) && (key[WORD.ports]! & 0xffff) === 0;
}

/**
 * A megaflow, as Open vSwitch would cut it for its datapath.
 * @param key of the packet as it came in.
 * @param wildcards the bits that the translation looked at, of any kind.
 */
export function megaflowText(
  key: Uint32Array,
  wildcards: Uint32Array,
  options: FormatOptions,
): string {
  const mask = datapathMask(key, wildcards);
  return formatMatch({ value: masked(key, mask), mask }, options);
}

function masked(key: Uint32Array, mask: Uint32Array): Uint32Array {
  return key.map((word, i) => word & mask[i]!);
}
