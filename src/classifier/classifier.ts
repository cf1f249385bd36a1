// Tuple space search: the flow of highest priority that matches a key, and exactly the key bits
// that had to be looked at to know it (Open vSwitch 3.1, lib/classifier.c). One hash table per
// distinct mask (a subtable), visited in the order of its best priority; the search stops as soon
// as no later subtable can win. What a miss un-wildcards is kept small by stages (subtable.ts), by
// tries of the rules' address prefixes (prefix-check.ts) and of their ports.
//
// Conjunctive matches. A rule with `conjunctions` is a soft match: one clause of each of its ids.
// The caller does nothing about it but give the rule its `conjunctions`; `lookup` gathers the soft
// matches, and when all clauses of an id match at one priority, it answers with what the key meets
// with that conj_id (soft-matches.ts). A rule of the same priority that is not soft goes first.
//
// Owned by one thread; each worker has its own. Called by the slow path only; a lookup allocates
// nothing, unless it meets soft matches.
import type { Match } from "../flow/types.js";
import { PrefixCheck } from "./prefix-check.js";
import { SoftMatches, isSoft } from "./soft-matches.js";
import {
  countPriority,
  makeSubtable,
  rulesOf,
  sameWords,
  setRules,
  visit,
  type Subtable,
} from "./subtable.js";
import { FLOW_KEY_LAYOUT, type ClassifierRule, type KeyLayout } from "./types.js";

export class Classifier<Rule extends ClassifierRule> {
  private readonly layout: KeyLayout;
  private readonly prefixes: readonly PrefixCheck[];
  private readonly soft = new SoftMatches<Rule>();
  private readonly byMask = new Map<number, Subtable<Rule>[]>();
  private subtables: Subtable<Rule>[] = [];
  private created = 0;
  private rules = 0;
  private softRules = 0;

  constructor(layout: KeyLayout = FLOW_KEY_LAYOUT) {
    this.layout = layout;
    this.prefixes = layout.prefixes.map((field) => new PrefixCheck(field));
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
   * @param key its conj_id is changed during the call and put back.
   * @param wildcards receives the bits looked at, OR-ed in: any key that agrees with this one
   *   in these bits has the same answer. A bit set without need only narrows the megaflow; a
   *   missing one would be a wrong answer later.
   */
  lookup(key: Uint32Array, wildcards: Uint32Array): Rule | null {
    for (const prefix of this.prefixes) prefix.begin();
    const { soft } = this;
    soft.clear();
    const hard = this.search(key, wildcards, this.softRules > 0);
    if (!soft.mayBeat(hard)) return hard;
    return soft.resolve(hard, (id) => this.lookupConjunction(id, key, wildcards));
  }

  /** The best hard match; soft ones that were met on the way are gathered if asked for. */
  private search(key: Uint32Array, wildcards: Uint32Array, gatherSoft: boolean): Rule | null {
    let hard: Rule | null = null;
    const { subtables, prefixes } = this;
    for (let i = 0; i < subtables.length; i++) {
      const subtable = subtables[i]!;
      if (hard !== null && hard.priority >= subtable.maxPriority) break;
      const found: Rule | null = visit(subtable, key, wildcards, prefixes);
      if (found === null) continue;
      if (hard !== null && found.priority <= hard.priority) continue;
      if (!isSoft(found)) hard = found;
      else if (gatherSoft) this.soft.add(rulesOf(subtable, found.match.value));
    }
    return hard;
  }

  private lookupConjunction(id: number, key: Uint32Array, wildcards: Uint32Array): Rule | null {
    const { conjIdWord } = this.layout;
    const own = key[conjIdWord]!;
    key[conjIdWord] = id;
    const found = this.search(key, wildcards, false);
    key[conjIdWord] = own;
    return found;
  }

  /** The rule with exactly this match and priority, or null. */
  find(match: Match, priority: number): Rule | null {
    const subtable = this.subtableOf(match.mask);
    if (subtable === null) return null;
    return rulesOf(subtable, match.value).find((rule) => rule.priority === priority) ?? null;
  }

  /** Adds a rule. A rule with the same match and priority is replaced and returned. */
  insert(rule: Rule): Rule | null {
    const subtable = this.subtableOf(rule.match.mask) ?? this.addSubtable(rule.match.mask);
    const { value } = rule.match;
    const before = rulesOf(subtable, value);
    const above = before.filter((each) => each.priority > rule.priority);
    const below = before.filter((each) => each.priority < rule.priority);
    setRules(subtable, value, [...above, rule, ...below], this.prefixes);
    if (isSoft(rule)) this.softRules++;
    const same = before.find((each) => each.priority === rule.priority);
    if (same !== undefined) {
      if (isSoft(same)) this.softRules--;
      return same;
    }
    this.rules++;
    this.count(subtable, rule.priority, 1);
    return null;
  }

  /** Removes this very rule; false if it is not in the classifier. */
  remove(rule: Rule): boolean {
    const subtable = this.subtableOf(rule.match.mask);
    if (subtable === null) return false;
    const { value } = rule.match;
    const before = rulesOf(subtable, value);
    const after = before.filter((each) => each !== rule);
    if (after.length === before.length) return false;
    setRules(subtable, value, after, this.prefixes);
    if (isSoft(rule)) this.softRules--;
    this.rules--;
    this.count(subtable, rule.priority, -1);
    if (subtable.ruleCount === 0) this.removeSubtable(subtable);
    return true;
  }

  /** All rules, grouped by subtable; the order is that of the subtables. */
  *[Symbol.iterator](): IterableIterator<Rule> {
    for (const subtable of this.subtables) {
      for (const [place, rule] of subtable.best.entries()) {
        if (rule === null) continue;
        yield rule;
        yield* subtable.others.get(place) ?? [];
      }
    }
  }

  private subtableOf(mask: Uint32Array): Subtable<Rule> | null {
    const candidates = this.byMask.get(maskHash(mask)) ?? [];
    return candidates.find((each) => sameWords(each.mask, mask)) ?? null;
  }

  private addSubtable(mask: Uint32Array): Subtable<Rule> {
    const subtable = makeSubtable<Rule>(mask, this.layout, this.created++);
    const hash = maskHash(mask);
    this.byMask.set(hash, [...(this.byMask.get(hash) ?? []), subtable]);
    this.subtables.push(subtable);
    return subtable;
  }

  private removeSubtable(subtable: Subtable<Rule>): void {
    const hash = maskHash(subtable.mask);
    const others = this.byMask.get(hash)!.filter((each) => each !== subtable);
    if (others.length > 0) this.byMask.set(hash, others);
    else this.byMask.delete(hash);
    this.subtables.splice(this.subtables.indexOf(subtable), 1);
  }

  /** Counts a rule in or out, and keeps the subtables in the order of their best priority. */
  private count(subtable: Subtable<Rule>, priority: number, by: 1 | -1): void {
    const before = subtable.maxPriority;
    countPriority(subtable, priority, by);
    if (subtable.maxPriority === before) return;
    // Ties keep the order of creation, so that equal rule sets give equal answers.
    this.subtables.sort((a, b) => b.maxPriority - a.maxPriority || a.order - b.order);
  }
}

function maskHash(mask: Uint32Array): number {
  let hash = 0;
  for (let i = 0; i < mask.length; i++)
    hash = Math.imul(hash ^ mask[i]!, 0x9e3779b1) ^ (hash >>> 15);
  return hash;
}
