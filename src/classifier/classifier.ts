// Tuple space search: the flow of highest priority that matches a key, and exactly the key bits
// that had to be looked at to know it. One hash table per distinct mask (a subtable), visited in
// the order of its best priority; the search stops as soon as no later subtable can win.
// Every subtable is hashed in stages, so that a miss in an early stage leaves the fields of the
// later ones wildcarded (Open vSwitch, lib/classifier.c: staged lookup).
//
// Owned by one thread; each worker has its own. Called by the slow path only: a lookup allocates
// nothing, but Map is not the fastest table there is. Prefix tries (classifier.h, up to four
// fields a table) would narrow the mask further and belong in `visit`, before the first stage.
import type { Match } from "../flow/types.js";

/** What a classifier keeps. `match.value` has no bit outside `match.mask`. */
export interface ClassifierRule {
  readonly match: Match;
  /** 0 to 65535; the greatest wins. */
  readonly priority: number;
}

/** Rules with the same mask and the same value; `rules` in falling priority, never empty. */
interface Bucket<Rule> {
  readonly rules: Rule[];
  /** The next bucket with the same hash but another value. */
  next: Bucket<Rule> | null;
}

interface Subtable<Rule> {
  readonly mask: Uint32Array;
  /** The words of the key that the mask looks at, by stage. */
  readonly words: readonly number[];
  /** End of each stage, as an index into `words`; rising, the last is `words.length`. */
  readonly stageEnds: readonly number[];
  /** For each stage but the last: how many buckets have this hash of the words so far. */
  readonly stageCounts: readonly Map<number, number>[];
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

/** Whether `key` has the values that `match` asks for. */
export function matchesKey(match: Match, key: Uint32Array): boolean {
  const { value, mask } = match;
  for (let i = 0; i < mask.length; i++) {
    if (((key[i]! & mask[i]!) ^ value[i]!) !== 0) return false;
  }
  return true;
}

export class Classifier<Rule extends ClassifierRule> {
  private readonly stages: readonly (readonly number[])[];
  private subtables: Subtable<Rule>[] = [];
  private created = 0;
  private rules = 0;

  /**
   * @param stages the key words of each stage, in the order of the lookup (STAGE_WORDS of
   *   flow/key.ts); words that are in none come last. Empty: one stage.
   */
  constructor(stages: readonly (readonly number[])[] = []) {
    this.stages = stages;
  }

  get size(): number {
    return this.rules;
  }

  /** Number of distinct masks. */
  get subtableCount(): number {
    return this.subtables.length;
  }

  /**
   * The matching rule of highest priority, or null.
   *
   * Of overlapping rules with equal priority the one found first wins, as in Open vSwitch, where
   * it is undefined which; here it depends on the rules alone and not on earlier lookups.
   * @param wildcards receives the bits looked at, OR-ed in: any key that agrees with this one
   *   in these bits has the same answer. A bit set without need only narrows the megaflow; a
   *   missing one would be a wrong answer later.
   */
  lookup(key: Uint32Array, wildcards: Uint32Array): Rule | null {
    let best: Rule | null = null;
    for (const subtable of this.subtables) {
      if (best !== null && best.priority >= subtable.maxPriority) break;
      const found = visit(subtable, key, wildcards);
      if (found !== null && (best === null || found.priority > best.priority)) best = found;
    }
    return best;
  }

  /** The rule with exactly this match and priority, or null. */
  find(match: Match, priority: number): Rule | null {
    const subtable = this.subtables.find((each) => sameWords(each.mask, match.mask));
    if (subtable === undefined) return null;
    const bucket = bucketOf(subtable, match.value, fullHash(subtable, match.value));
    return bucket?.rules.find((rule) => rule.priority === priority) ?? null;
  }

  /** Adds a rule. A rule with the same match and priority is replaced and returned. */
  insert(rule: Rule): Rule | null {
    const replaced = this.find(rule.match, rule.priority);
    if (replaced !== null) this.remove(replaced);
    const subtable = this.subtableFor(rule.match.mask);
    const { value } = rule.match;
    const hash = fullHash(subtable, value);
    const bucket = bucketOf(subtable, value, hash);
    if (bucket === null) {
      const next = subtable.buckets.get(hash) ?? null;
      subtable.buckets.set(hash, { rules: [rule], next });
      countStages(subtable, value, 1);
    } else {
      const at = bucket.rules.findIndex((each) => each.priority < rule.priority);
      bucket.rules.splice(at < 0 ? bucket.rules.length : at, 0, rule);
    }
    subtable.priorities.set(rule.priority, (subtable.priorities.get(rule.priority) ?? 0) + 1);
    subtable.ruleCount++;
    this.rules++;
    if (rule.priority > subtable.maxPriority) {
      subtable.maxPriority = rule.priority;
      this.sort();
    }
    return replaced;
  }

  /** Removes this very rule; false if it is not in the classifier. */
  remove(rule: Rule): boolean {
    const subtable = this.subtables.find((each) => sameWords(each.mask, rule.match.mask));
    if (subtable === undefined) return false;
    const { value } = rule.match;
    const hash = fullHash(subtable, value);
    const bucket = bucketOf(subtable, value, hash);
    const at = bucket === null ? -1 : bucket.rules.indexOf(rule);
    if (bucket === null || at < 0) return false;
    bucket.rules.splice(at, 1);
    if (bucket.rules.length === 0) {
      unlinkBucket(subtable, bucket, hash);
      countStages(subtable, value, -1);
    }
    this.rules--;
    subtable.ruleCount--;
    this.forgetPriority(subtable, rule.priority);
    return true;
  }

  /** All rules, grouped by subtable; the order is that of the subtables. */
  *[Symbol.iterator](): IterableIterator<Rule> {
    for (const subtable of this.subtables) {
      for (const first of subtable.buckets.values()) {
        for (let bucket: Bucket<Rule> | null = first; bucket !== null; bucket = bucket.next) {
          yield* bucket.rules;
        }
      }
    }
  }

  private subtableFor(mask: Uint32Array): Subtable<Rule> {
    const known = this.subtables.find((each) => sameWords(each.mask, mask));
    if (known !== undefined) return known;
    const subtable = makeSubtable<Rule>(mask, this.stages, this.created++);
    this.subtables.push(subtable);
    return subtable;
  }

  private forgetPriority(subtable: Subtable<Rule>, priority: number): void {
    const left = (subtable.priorities.get(priority) ?? 0) - 1;
    if (left > 0) {
      subtable.priorities.set(priority, left);
      return;
    }
    subtable.priorities.delete(priority);
    if (subtable.ruleCount === 0) {
      this.subtables = this.subtables.filter((each) => each !== subtable);
    } else if (priority === subtable.maxPriority) {
      subtable.maxPriority = Math.max(...subtable.priorities.keys());
      this.sort();
    }
  }

  /** Ties keep the order of creation, so that equal rule sets give equal answers. */
  private sort(): void {
    this.subtables.sort((a, b) => b.maxPriority - a.maxPriority || a.order - b.order);
  }
}

function makeSubtable<Rule>(
  mask: Uint32Array,
  stages: readonly (readonly number[])[],
  order: number,
): Subtable<Rule> {
  const words: number[] = [];
  const stageEnds: number[] = [];
  const rest = mask.reduce<number[]>((all, _, word) => [...all, word], []);
  for (const stage of [...stages, rest]) {
    const before = words.length;
    for (const word of stage) if (mask[word] !== 0 && !words.includes(word)) words.push(word);
    // A stage without words would only repeat the one before.
    if (words.length > before) stageEnds.push(words.length);
  }
  if (stageEnds.length === 0) stageEnds.push(0);
  return {
    mask: mask.slice(),
    words,
    stageEnds,
    stageCounts: stageEnds.slice(1).map(() => new Map<number, number>()),
    buckets: new Map(),
    priorities: new Map(),
    order,
    maxPriority: -1,
    ruleCount: 0,
  };
}

/** Looks a key up in one subtable, stage by stage; every word hashed is un-wildcarded. */
function visit<Rule extends ClassifierRule>(
  subtable: Subtable<Rule>,
  key: Uint32Array,
  wildcards: Uint32Array,
): Rule | null {
  const { mask, words, stageEnds, stageCounts } = subtable;
  let hash = HASH_BASIS;
  let at = 0;
  for (let stage = 0; stage < stageEnds.length; stage++) {
    for (const end = stageEnds[stage]!; at < end; at++) {
      const word = words[at]!;
      wildcards[word]! |= mask[word]!;
      hash = hashWord(hash, key[word]! & mask[word]!);
    }
    if (stage < stageCounts.length && !stageCounts[stage]!.has(hash)) return null;
  }
  let bucket = subtable.buckets.get(hash) ?? null;
  for (; bucket !== null; bucket = bucket.next) {
    const rule = bucket.rules[0]!;
    if (matchesKey(rule.match, key)) return rule;
  }
  return null;
}

function fullHash<Rule>(subtable: Subtable<Rule>, value: Uint32Array): number {
  let hash = HASH_BASIS;
  for (const word of subtable.words) hash = hashWord(hash, value[word]!);
  return hash;
}

function bucketOf<Rule extends ClassifierRule>(
  subtable: Subtable<Rule>,
  value: Uint32Array,
  hash: number,
): Bucket<Rule> | null {
  let bucket = subtable.buckets.get(hash) ?? null;
  while (bucket !== null && !sameWords(bucket.rules[0]!.match.value, value)) bucket = bucket.next;
  return bucket;
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
