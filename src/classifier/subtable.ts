// One subtable of the classifier: the rules that have the same mask, in a hash table. It is hashed
// in stages, so that a miss in an early stage leaves the fields of the later ones wildcarded
// (Open vSwitch, lib/classifier.c: find_match_wc). Called by classifier.ts only, in its thread.
import { hashWord, PackedTable } from "./packed-table.js";
import type { PrefixCheck } from "./prefix-check.js";
import { PrefixTrie, prefixMask } from "./prefix-trie.js";
import type { ClassifierRule, KeyLayout } from "./types.js";
import type { Match } from "../flow/types.js";

export interface Subtable<Rule> {
  readonly mask: Uint32Array;
  /** The words of the key that the mask looks at, by stage. */
  readonly words: readonly number[];
  /** End of each stage, as an index into `words`; rising, the last is `words.length`. */
  readonly stageEnds: readonly number[];
  /** For each stage but the last: how many values have this hash of the words so far. */
  readonly stageCounts: readonly PackedTable[];
  /** For each prefix field of the layout: the length of this mask's prefix on it; 0: none. */
  readonly prefixLengths: readonly number[];
  /** For each of them: the stage in which its word is hashed. */
  readonly prefixStages: readonly number[];
  readonly portsWord: number;
  /** Length of the shortest prefix of the ports' word that holds all of the mask; 0: no ports. */
  readonly portsLength: number;
  readonly portsTrie: PrefixTrie;
  /** The place of each value. */
  readonly places: PackedTable;
  /** By place, from 1: the rule of highest priority that has this value; else null. */
  readonly best: (Rule | null)[];
  /** By place: the others with this value, in falling priority; without those that have none. */
  readonly others: Map<number, Rule[]>;
  readonly freePlaces: number[];
  /** How many rules there are of each priority, to know the best after a removal. */
  readonly priorities: Map<number, number>;
  /** One stage, no prefixes, no ports: a miss has looked at the whole mask, too. */
  readonly isPlain: boolean;
  readonly order: number;
  maxPriority: number;
  ruleCount: number;
}

const HASH_BASIS = 0x2545f491 | 0;

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
  const prefixLengths = layout.prefixes.map(({ word }) => prefixLength(mask[word]!));
  return {
    mask: mask.slice(),
    words,
    stageEnds,
    stageCounts: stageEnds.slice(1).map(() => new PackedTable(mask, [])),
    prefixLengths,
    prefixStages: layout.prefixes.map(({ word }) =>
      stageEnds.findIndex((end) => words.indexOf(word) < end),
    ),
    portsWord: layout.portsWord,
    portsLength: ports === 0 ? 0 : 32 - trailingZeros(ports),
    portsTrie: new PrefixTrie(),
    places: new PackedTable(mask, words),
    best: [null],
    others: new Map(),
    freePlaces: [],
    priorities: new Map(),
    isPlain: stageEnds.length === 1 && ports === 0 && prefixLengths.every((each) => each === 0),
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
 * The rule of highest priority that a key meets, or null. The bits that were looked at are
 * un-wildcarded.
 * @param prefixes the prefix fields of the layout, in its order.
 */
export function visit<Rule extends ClassifierRule>(
  subtable: Subtable<Rule>,
  key: Uint32Array,
  wildcards: Uint32Array,
  prefixes: readonly PrefixCheck[],
): Rule | null {
  const { places } = subtable;
  // First as if there were no stages: a value that is there is ruled out by none of them.
  const place = places.find(key, places.hash(key));
  if (place > 0 || subtable.isPlain) places.addMask(wildcards);
  else lookWhyNot(subtable, key, wildcards, prefixes);
  return subtable.best[place]!;
}

/** Un-wildcards what shows that no value here is the key's: stage by stage, and no more. */
function lookWhyNot<Rule>(
  subtable: Subtable<Rule>,
  key: Uint32Array,
  wildcards: Uint32Array,
  prefixes: readonly PrefixCheck[],
): void {
  const { mask, words, stageEnds, stageCounts, portsWord } = subtable;
  const ports = portsWord < 0 ? 0 : wildcards[portsWord]!;
  let hash = HASH_BASIS;
  let at = 0;
  for (let stage = 0; stage < stageEnds.length; stage++) {
    if (ruledOut(subtable, stage, key, wildcards, prefixes)) return;
    for (const end = stageEnds[stage]!; at < end; at++) {
      const word = words[at]!;
      wildcards[word]! |= mask[word]!;
      hash = hashWord(hash, key[word]! & mask[word]!);
    }
    if (stage < stageCounts.length && stageCounts[stage]!.find(key, hash) === 0) return;
  }
  if (subtable.portsLength > 0) {
    // Only as many bits of the ports as tell this packet's from those of all rules here.
    const bits = subtable.portsTrie.lookup((key[portsWord]! & mask[portsWord]!) >>> 0);
    wildcards[portsWord] = ports | (mask[portsWord]! & prefixMask(bits));
  }
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

/** The rules of exactly this value, in falling priority. */
export function rulesOf<Rule>(subtable: Subtable<Rule>, value: Uint32Array): readonly Rule[] {
  const place = subtable.places.find(value, subtable.places.hash(value));
  return place === 0 ? [] : [subtable.best[place]!, ...(subtable.others.get(place) ?? [])];
}

/** Puts other rules in the place of those of a value. @param rules in falling priority. */
export function setRules<Rule>(
  subtable: Subtable<Rule>,
  value: Uint32Array,
  rules: readonly Rule[],
  prefixes: readonly PrefixCheck[],
): void {
  const { places, best, others, freePlaces } = subtable;
  const hash = places.hash(value);
  const known = places.find(value, hash);
  const place = known > 0 ? known : (freePlaces.pop() ?? best.length);
  const [first, ...rest] = rules;
  best[place] = first ?? null;
  if (rest.length > 0) others.set(place, rest);
  else others.delete(place);
  if (first === undefined) freePlaces.push(place);
  if (known > 0 === (first !== undefined)) return;
  places.put(value, hash, first === undefined ? 0 : place);
  countStages(subtable, value, first === undefined ? -1 : 1);
  const { prefixLengths, portsTrie, portsWord, portsLength } = subtable;
  prefixLengths.forEach((length, i) => {
    if (length === 0) return;
    if (first === undefined) prefixes[i]!.remove(value, length);
    else prefixes[i]!.insert(value, length);
  });
  if (portsLength === 0) return;
  if (first === undefined) portsTrie.remove(value[portsWord]!, portsLength);
  else portsTrie.insert(value[portsWord]!, portsLength);
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
    counts.put(value, hash, counts.find(value, hash) + by);
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
