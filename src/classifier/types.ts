// What a classifier keeps, and how the keys lie that it looks at. Types and constants only; any
// thread.
import { STAGE_WORDS, WORD } from "../flow/key.js";
import type { Match } from "../flow/types.js";

/** One clause of a conjunctive match, as the action `conjunction(id, clause/clauses)` says it. */
export interface Conjunction {
  readonly id: number;
  /** From 1 to `clauses`. */
  readonly clause: number;
  /** 2 to 64. */
  readonly clauses: number;
}

/** A rule of a classifier. `match.value` has no bit outside `match.mask`. */
export interface ClassifierRule {
  readonly match: Match;
  /** 0 to 65535; the greatest wins. */
  readonly priority: number;
  /**
   * Not empty: the rule is a soft match. It is never an answer itself; when all clauses of one of
   * its ids match at one priority, the answer is what a key with that conj_id meets.
   */
  readonly conjunctions?: readonly Conjunction[];
}

/** A word of the key that holds an address, for which a trie of the rules' prefixes is kept. */
export interface PrefixField {
  readonly word: number;
  /** Whether the word of this key is such an address at all (it may be an ARP address). */
  readonly appliesTo: (key: Uint32Array) => boolean;
}

/** How keys lie. Words are indexes into the key. */
export interface KeyLayout {
  /** The words of each stage, in the order of the lookup; words that are in none come last. */
  readonly stages: readonly (readonly number[])[];
  readonly prefixes: readonly PrefixField[];
  /** The word that holds the two transport ports, in the last stage; -1: there is none. */
  readonly portsWord: number;
  /** The word that takes a conjunction's id for its second lookup; -1: there is none. */
  readonly conjIdWord: number;
}

const isIpv4 = (key: Uint32Array): boolean => key[WORD.typeVlan]! >>> 16 === 0x0800;

/** The layout of flow keys, with the prefix fields of Open vSwitch 3.1: nw_dst and nw_src. */
export const FLOW_KEY_LAYOUT: KeyLayout = {
  stages: STAGE_WORDS,
  prefixes: [
    { word: WORD.nwDst, appliesTo: isIpv4 },
    { word: WORD.nwSrc, appliesTo: isIpv4 },
  ],
  portsWord: WORD.ports,
  conjIdWord: WORD.conjId,
};
