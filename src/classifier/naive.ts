// The classifier written so simply that it cannot be wrong: a list, searched from end to end.
// It is the oracle that tests hold the real one against (Open vSwitch does the same with `tcls`
// in tests/test-classifier.c). Tests only; no thread of a run calls it.
import { isSoft } from "./soft-matches.js";
import { matchesKey, sameWords } from "./subtable.js";
import type { ClassifierRule } from "./types.js";

export class NaiveClassifier<Rule extends ClassifierRule> {
  private readonly conjIdWord: number;
  private rules: Rule[] = [];

  /** @param conjIdWord as in KeyLayout. */
  constructor(conjIdWord = -1) {
    this.conjIdWord = conjIdWord;
  }

  get size(): number {
    return this.rules.length;
  }

  /** The matching rule of highest priority; of equal ones, the first that was added. */
  lookup(key: Uint32Array): Rule | null {
    return this.answers(key)[0] ?? null;
  }

  /**
   * All rules that may be the answer, because they have the same priority or because several
   * conjunctions are complete at once; empty: none matches.
   */
  answers(key: Uint32Array): Rule[] {
    const matching = this.rules.filter((rule) => matchesKey(rule.match, key));
    const priorities = [...new Set(matching.map((rule) => rule.priority))].sort((a, b) => b - a);
    for (const priority of priorities) {
      const level = matching.filter((rule) => rule.priority === priority);
      const hard = level.filter((rule) => !isSoft(rule));
      if (hard.length > 0) return hard;
      const found = this.complete(level).flatMap((id) => this.answersWithId(key, id));
      if (found.length > 0) return found;
    }
    return [];
  }

  /** The ids whose clauses all match, each by another rule. */
  private complete(level: readonly Rule[]): number[] {
    const all = level.flatMap((rule) => rule.conjunctions ?? []);
    const ids = [...new Set(all.map(({ id }) => id))];
    return ids.filter((id) => {
      const mine = all.filter((each) => each.id === id);
      const clauses = mine[0]!.clauses;
      return clauses <= level.length && new Set(mine.map((each) => each.clause)).size === clauses;
    });
  }

  /** A soft rule hides the rules of less priority that have its match. */
  private answersWithId(key: Uint32Array, id: number): Rule[] {
    const withId = key.slice();
    withId[this.conjIdWord] = id;
    const matching = this.rules.filter((rule) => matchesKey(rule.match, withId));
    const seen = matching.filter(
      (rule) =>
        !isSoft(rule) &&
        !matching.some((other) => other.priority > rule.priority && sameMatch(other, rule)),
    );
    const best = Math.max(...seen.map((rule) => rule.priority));
    return seen.filter((rule) => rule.priority === best);
  }

  /** Adds a rule. A rule with the same match and priority is replaced and returned. */
  insert(rule: Rule): Rule | null {
    const same = this.rules.find(
      (each) => each.priority === rule.priority && sameMatch(each, rule),
    );
    if (same !== undefined) this.remove(same);
    this.rules.push(rule);
    return same ?? null;
  }

  remove(rule: Rule): boolean {
    const before = this.rules.length;
    this.rules = this.rules.filter((each) => each !== rule);
    return this.rules.length < before;
  }
}

function sameMatch(a: ClassifierRule, b: ClassifierRule): boolean {
  return sameWords(a.match.mask, b.match.mask) && sameWords(a.match.value, b.match.value);
}
