// The mask of a megaflow as Open vSwitch leaves it to its datapath (3.1, ofproto-dpif-xlate.c
// xlate_wc_finish). Ours may have more bits: of tags that a packet has not, for example, which
// its datapath matches anyway. For printing only. Any thread.
import { newKey, NW_FRAG_LATER, VLAN_PRESENT, WORD } from "../flow/key.js";

const TCI = 0xffff;
const ICMP_BITS = 0x00ff00ff;

/**
 * @param key of a packet of the megaflow.
 * @param wildcards bits looked at; metadata words may be missing at the end.
 * @returns KEY_WORDS words; registers and the like are not in it.
 */
export function datapathMask(key: Uint32Array, wildcards: Uint32Array): Uint32Array {
  const mask = newKey();
  mask.set(wildcards);
  mask.fill(0, WORD.reg0, WORD.pktMark);
  mask[WORD.conjId] = 0;
  mask[WORD.actsetOutput] = 0;
  mask[WORD.packetType] = 0;
  mask[WORD.recircId] = 0xffffffff;
  mask[WORD.inPort] = 0xffff;
  const type = key[WORD.typeVlan]! >>> 16;
  const protocol = key[WORD.ip]! >>> 24;
  const isIcmp = (type === 0x0800 && protocol === 1) || (type === 0x86dd && protocol === 58);
  if (isIcmp) mask[WORD.ports]! &= ICMP_BITS;
  if ((key[WORD.ip]! & NW_FRAG_LATER) !== 0) mask[WORD.ports] = 0;
  finishTags(key, mask);
  return mask;
}

/** Tags that the packet has not are no part of it; of those it has, the "present" bit always. */
function finishTags(key: Uint32Array, mask: Uint32Array): void {
  for (const word of [WORD.typeVlan, WORD.innerVlan]) {
    const isTagged = (key[word]! & VLAN_PRESENT) !== 0;
    if (!isTagged) mask[word]! &= ~TCI;
    else if ((mask[word]! & TCI) !== 0) mask[word]! |= VLAN_PRESENT;
  }
  if ((key[WORD.innerVlan]! & VLAN_PRESENT) === 0) mask[WORD.innerVlan] = 0;
}
