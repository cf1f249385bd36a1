// The second half of a lookup that met soft matches: which conjunction, if any, is complete
// (Open vSwitch 3.1, lib/classifier.c: the soft match loop of classifier_lookup__). Owned by one
// classifier, on its thread.
import type { ClassifierRule } from "./types.js";

export function isSoft(rule: ClassifierRule): boolean {
  return rule.conjunctions !== undefined && rule.conjunctions.length > 0;
}

/** Which clauses of which ids have matched so far; the lists are used again and again. */
class Progress {
  readonly ids: number[] = [];
  /** Clauses 1 to 32 and 33 to 64 that have matched; those that an id does not have are set. */
  readonly low: number[] = [];
  readonly high: number[] = [];

  clear(): void {
    this.ids.length = 0;
    this.low.length = 0;
    this.high.length = 0;
  }

  /** Notes a clause. @returns whether it was the last that was missing. */
  note(id: number, clause: number, clauses: number): boolean {
    let at = this.ids.indexOf(id);
    if (at < 0) {
      at = this.ids.push(id) - 1;
      this.low.push(clauses >= 32 ? 0 : -1 << clauses);
      this.high.push(clauses >= 64 ? 0 : clauses > 32 ? -1 << (clauses - 32) : -1);
    }
    if (clause <= 32) this.low[at]! |= 1 << (clause - 1);
    else this.high[at]! |= 1 << (clause - 33);
    return this.low[at] === -1 && this.high[at] === -1;
  }
}

export class SoftMatches<Rule extends ClassifierRule> {
  /** Rules of one value each, with a soft match at `positions`; beyond `count` they are stale. */
  private readonly lists: (readonly Rule[])[] = [];
  private readonly positions: number[] = [];
  private readonly progress = new Progress();
  private count = 0;

  clear(): void {
    this.count = 0;
  }

  /** @param rules those with one value, in falling priority; the first is a soft match. */
  add(rules: readonly Rule[]): void {
    this.lists[this.count] = rules;
    this.positions[this.count] = 0;
    this.count++;
  }

  /** Whether any of the soft matches has a greater priority than the hard one. */
  mayBeat(hard: Rule | null): boolean {
    if (this.count === 0) return false;
    this.forgetUpTo(hard);
    return this.count > 0;
  }

  /**
   * @param hard the best hard match.
   * @param lookupId the rule that the key meets with this conj_id, soft ones left out.
   */
  resolve(hard: Rule | null, lookupId: (id: number) => Rule | null): Rule | null {
    let best = hard;
    while (this.mayBeat(best)) {
      const found = this.completeAtBest(lookupId);
      if (found !== null) return found;
      best = this.stepDown(best);
    }
    return best;
  }

  /** Forgets soft matches that cannot beat the hard one. */
  private forgetUpTo(hard: Rule | null): void {
    for (let i = 0; i < this.count;) {
      if (hard === null || this.ruleAt(i).priority > hard.priority) i++;
      else this.removeAt(i);
    }
  }

  private removeAt(i: number): void {
    this.count--;
    this.lists[i] = this.lists[this.count]!;
    this.positions[i] = this.positions[this.count]!;
  }

  private ruleAt(i: number): Rule {
    return this.lists[i]![this.positions[i]!]!;
  }

  private bestPriority(): number {
    let best = -1;
    for (let i = 0; i < this.count; i++) best = Math.max(best, this.ruleAt(i).priority);
    return best;
  }

  private countAt(priority: number): number {
    let count = 0;
    for (let i = 0; i < this.count; i++) if (this.ruleAt(i).priority === priority) count++;
    return count;
  }

  /** Tries the conjunctions that are complete among the matches of the best priority. */
  private completeAtBest(lookupId: (id: number) => Rule | null): Rule | null {
    const priority = this.bestPriority();
    const matches = this.countAt(priority);
    this.progress.clear();
    for (let i = 0; i < this.count; i++) {
      const rule = this.ruleAt(i);
      if (rule.priority !== priority) continue;
      for (const { id, clause, clauses } of rule.conjunctions!) {
        // As in Open vSwitch: every clause must be another rule's.
        if (clauses > matches || !this.progress.note(id, clause, clauses)) continue;
        const found = lookupId(id);
        if (found !== null) return found;
        // As in Open vSwitch: this rule's other ids are not tried.
        break;
      }
    }
    return null;
  }

  /** Puts rules with the same match and less priority in the place of those that failed. */
  private stepDown(hard: Rule | null): Rule | null {
    const priority = this.bestPriority();
    let best = hard;
    for (let i = 0; i < this.count;) {
      if (this.ruleAt(i).priority !== priority) {
        i++;
        continue;
      }
      const next = this.lists[i]![++this.positions[i]!];
      if (next !== undefined && isSoft(next)) {
        i++;
        continue;
      }
      if (next !== undefined && (best === null || next.priority > best.priority)) best = next;
      this.removeAt(i);
    }
    return best;
  }
}
