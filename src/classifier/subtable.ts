// One subtable of the classifier: the rules that have the same mask, in a hash table. It is hashed
// in stages, so that a miss in an early stage leaves the fields of the later ones wildcarded
// (Open vSwitch, lib/classifier.c: find_match_wc). Called by classifier.ts only, in its thread.
import type { PrefixCheck } from "./prefix-check.js";
import { PrefixTrie, prefixMask } from "./prefix-trie.js";
import type { ClassifierRule, KeyLayout } from "./types.js";
import type { Match } from "../flow/types.js";

/** Rules with the same mask and the same value; `rules` in falling priority, never empty. */
export interface Bucket<Rule> {
  readonly rules: Rule[];
  /** The next bucket with the same hash but another value. */
  next: Bucket<Rule> | null;
}

export interface Subtable<Rule> {
  readonly mask: Uint32Array;
  /** The words of the key that the mask looks at, by stage. */
  readonly words: readonly number[];
  /** End of each stage, as an index into `words`; rising, the last is `words.length`. */
  readonly stageEnds: readonly number[];
  /** For each stage but the last: how many buckets have this hash of the words so far. */
  readonly stageCounts: readonly Map<number, number>[];
  /** For each prefix field of the layout: the length of this mask's prefix on it; 0: none. */
  readonly prefixLengths: readonly number[];
  /** For each of them: the stage in which its word is hashed. */
  readonly prefixStages: readonly number[];
  readonly portsWord: number;
  /** Length of the shortest prefix of the ports' word that holds all of the mask; 0: no ports. */
  readonly portsLength: number;
  readonly portsTrie: PrefixTrie;
  readonly buckets: Map<number, Bucket<Rule>>;
  /** How many rules there are of each priority, to know the best after a removal. */
  readonly priorities: Map<number, number>;
  readonly order: number;
  maxPriority: number;
  ruleCount: number;
}

const HASH_BASIS = 0x2545f491 | 0;

function hashWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** Whether two word arrays of the same length are equal. */
export function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The length of a mask word that is a prefix, or 0. */
function prefixLength(mask: number): number {
  const length = Math.clz32(~mask);
  return mask === prefixMask(length) ? length : 0;
}

export function makeSubtable<Rule>(
  mask: Uint32Array,
  layout: KeyLayout,
  order: number,
): Subtable<Rule> {
  const words: number[] = [];
  const stageEnds: number[] = [];
  const rest = Array.from(mask.keys());
  for (const stage of [...layout.stages, rest]) {
    const before = words.length;
    for (const word of stage) if (mask[word] !== 0 && !words.includes(word)) words.push(word);
    // A stage without words would only repeat the one before.
    if (words.length > before) stageEnds.push(words.length);
  }
  if (stageEnds.length === 0) stageEnds.push(0);
  const ports = layout.portsWord < 0 ? 0 : mask[layout.portsWord]!;
  return {
    mask: mask.slice(),
    words,
    stageEnds,
    stageCounts: stageEnds.slice(1).map(() => new Map<number, number>()),
    prefixLengths: layout.prefixes.map(({ word }) => prefixLength(mask[word]!)),
    prefixStages: layout.prefixes.map(({ word }) =>
      stageEnds.findIndex((end) => words.indexOf(word) < end),
    ),
    portsWord: layout.portsWord,
    portsLength: ports === 0 ? 0 : 32 - trailingZeros(ports),
    portsTrie: new PrefixTrie(),
    buckets: new Map(),
    priorities: new Map(),
    order,
    maxPriority: -1,
    ruleCount: 0,
  };
}

/** Whether `key` has the values that `match` asks for. */
export function matchesKey(match: Match, key: Uint32Array): boolean {
  const { value, mask } = match;
  for (let i = 0; i < mask.length; i++) {
    if (((key[i]! & mask[i]!) ^ value[i]!) !== 0) return false;
  }
  return true;
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/**
 * The bucket that a key meets, or null. The bits that were looked at are un-wildcarded.
 * @param prefixes the prefix fields of the layout, in its order.
 */
export function visit<Rule extends ClassifierRule>(
  subtable: Subtable<Rule>,
  key: Uint32Array,
  wildcards: Uint32Array,
  prefixes: readonly PrefixCheck[],
): Bucket<Rule> | null {
  const { mask, words, stageEnds, stageCounts, portsWord } = subtable;
  const ports = portsWord < 0 ? 0 : wildcards[portsWord]!;
  let hash = HASH_BASIS;
  let at = 0;
  for (let stage = 0; stage < stageEnds.length; stage++) {
    if (ruledOut(subtable, stage, key, wildcards, prefixes)) return null;
    for (const end = stageEnds[stage]!; at < end; at++) {
      const word = words[at]!;
      wildcards[word]! |= mask[word]!;
      hash = hashWord(hash, key[word]! & mask[word]!);
    }
    if (stage < stageCounts.length && !stageCounts[stage]!.has(hash)) return null;
  }
  let bucket = subtable.buckets.get(hash) ?? null;
  for (; bucket !== null; bucket = bucket.next) {
    if (hasValue(subtable, bucket.rules[0]!.match.value, key)) return bucket;
  }
  if (subtable.portsLength > 0) {
    // Only as many bits of the ports as tell this packet's from those of all rules here.
    const bits = subtable.portsTrie.lookup((key[portsWord]! & mask[portsWord]!) >>> 0);
    wildcards[portsWord] = ports | (mask[portsWord]! & prefixMask(bits));
  }
  return null;
}

/** Whether the words of the mask are, in the key, those of the value; no others are touched. */
function hasValue<Rule>(subtable: Subtable<Rule>, value: Uint32Array, key: Uint32Array): boolean {
  const { mask, words } = subtable;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (((key[word]! & mask[word]!) ^ value[word]!) !== 0) return false;
  }
  return true;
}

function ruledOut<Rule>(
  subtable: Subtable<Rule>,
  stage: number,
  key: Uint32Array,
  wildcards: Uint32Array,
  prefixes: readonly PrefixCheck[],
): boolean {
  const { prefixLengths, prefixStages } = subtable;
  for (let i = 0; i < prefixLengths.length; i++) {
    const length = prefixLengths[i]!;
    if (length === 0 || prefixStages[i] !== stage) continue;
    if (prefixes[i]!.rulesOut(length, key, wildcards)) return true;
  }
  return false;
}

/** The bucket of exactly this value, or null. */
export function bucketOf<Rule extends ClassifierRule>(
  subtable: Subtable<Rule>,
  value: Uint32Array,
): Bucket<Rule> | null {
  let bucket = subtable.buckets.get(fullHash(subtable, value)) ?? null;
  while (bucket !== null && !sameWords(bucket.rules[0]!.match.value, value)) bucket = bucket.next;
  return bucket;
}

/** Adds a bucket for a value that had none. */
export function addBucket<Rule>(
  subtable: Subtable<Rule>,
  value: Uint32Array,
  rule: Rule,
  prefixes: readonly PrefixCheck[],
): void {
  const hash = fullHash(subtable, value);
  const next = subtable.buckets.get(hash) ?? null;
  subtable.buckets.set(hash, { rules: [rule], next });
  countStages(subtable, value, 1);
  subtable.prefixLengths.forEach((length, i) => {
    if (length > 0) prefixes[i]!.insert(value, length);
  });
  const { portsTrie, portsWord, portsLength } = subtable;
  if (portsLength > 0) portsTrie.insert(value[portsWord]!, portsLength);
}

/** Takes a bucket out that has lost its last rule. */
export function removeBucket<Rule>(
  subtable: Subtable<Rule>,
  value: Uint32Array,
  bucket: Bucket<Rule>,
  prefixes: readonly PrefixCheck[],
): void {
  const hash = fullHash(subtable, value);
  unlinkBucket(subtable, bucket, hash);
  countStages(subtable, value, -1);
  subtable.prefixLengths.forEach((length, i) => {
    if (length > 0) prefixes[i]!.remove(value, length);
  });
  const { portsTrie, portsWord, portsLength } = subtable;
  if (portsLength > 0) portsTrie.remove(value[portsWord]!, portsLength);
}

/** The hash of a value over all words of the mask. */
function fullHash<Rule>(subtable: Subtable<Rule>, value: Uint32Array): number {
  let hash = HASH_BASIS;
  for (const word of subtable.words) hash = hashWord(hash, value[word]!);
  return hash;
}

function unlinkBucket<Rule>(subtable: Subtable<Rule>, bucket: Bucket<Rule>, hash: number): void {
  const first = subtable.buckets.get(hash)!;
  if (first === bucket) {
    if (bucket.next === null) subtable.buckets.delete(hash);
    else subtable.buckets.set(hash, bucket.next);
    return;
  }
  let before = first;
  while (before.next !== null && before.next !== bucket) before = before.next;
  before.next = bucket.next;
}

/** Adds `by` to the count of each stage hash of a value that enters or leaves the subtable. */
function countStages<Rule>(subtable: Subtable<Rule>, value: Uint32Array, by: 1 | -1): void {
  let hash = HASH_BASIS;
  let at = 0;
  for (let stage = 0; stage < subtable.stageCounts.length; stage++) {
    for (const end = subtable.stageEnds[stage]!; at < end; at++) {
      hash = hashWord(hash, value[subtable.words[at]!]!);
    }
    const counts = subtable.stageCounts[stage]!;
    const left = (counts.get(hash) ?? 0) + by;
    if (left > 0) counts.set(hash, left);
    else counts.delete(hash);
  }
}

/** Counts one rule of a priority in or out and keeps `maxPriority` right. */
export function countPriority<Rule>(subtable: Subtable<Rule>, priority: number, by: 1 | -1): void {
  const { priorities } = subtable;
  const left = (priorities.get(priority) ?? 0) + by;
  subtable.ruleCount += by;
  if (left > 0) {
    priorities.set(priority, left);
    if (priority > subtable.maxPriority) subtable.maxPriority = priority;
    return;
  }
  priorities.delete(priority);
  if (priority !== subtable.maxPriority) return;
  subtable.maxPriority = -1;
  // Down from the old best: cheap when many priorities are in use, bounded when few are.
  for (let next = priority - 1; next >= 0 && priorities.size > 0; next--) {
    if (!priorities.has(next)) continue;
    subtable.maxPriority = next;
    return;
  }
}
