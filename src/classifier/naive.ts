// The classifier written so simply that it cannot be wrong: a list, searched from end to end.
// It is the oracle that tests hold the real one against (Open vSwitch does the same with `tcls`
// in tests/test-classifier.c). Tests only; no thread of a run calls it.
import { matchesKey, sameWords, type ClassifierRule } from "./classifier.js";

export class NaiveClassifier<Rule extends ClassifierRule> {
  private rules: Rule[] = [];

  get size(): number {
    return this.rules.length;
  }

  /** The matching rule of highest priority; of equal ones, the first that was added. */
  lookup(key: Uint32Array): Rule | null {
    let best: Rule | null = null;
    for (const rule of this.rules) {
      if (best !== null && rule.priority <= best.priority) continue;
      if (matchesKey(rule.match, key)) best = rule;
    }
    return best;
  }

  /** Adds a rule. A rule with the same match and priority is replaced and returned. */
  insert(rule: Rule): Rule | null {
    const same = this.rules.find(
      (each) =>
        each.priority === rule.priority &&
        sameWords(each.match.mask, rule.match.mask) &&
        sameWords(each.match.value, rule.match.value),
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
