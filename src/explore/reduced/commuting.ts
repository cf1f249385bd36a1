// Which steps need no choice of a thread: those that commute with all that the others can do before
// them. One owner, its machine, which says when what is known of the threads has changed.
import { firstOf } from "../search/bits.js";
import { OP } from "../types.js";
import { LOCAL } from "./local-states.js";
import type { SystemMachine, Vector } from "./machine.js";
import { isRead, type Sets } from "./sets.js";

/** Numbers per thread in `holds`. */
const HOLD = 4;

export class Commuting {
  private readonly machine: SystemMachine;
  /** Per thread, what has held it up last: its local state, who, where that one stood, `own`. */
  private readonly holds: Int32Array;
  /** Per pair of threads, the last answer of `whileStanding`, and what it was for. */
  private readonly pairSets: (Sets | null)[];
  private readonly pairValues: Int32Array;

  constructor(machine: SystemMachine) {
    const { length } = machine.threads;
    this.machine = machine;
    this.holds = new Int32Array(HOLD * length);
    this.pairSets = new Array<null>(length * length).fill(null);
    this.pairValues = new Int32Array(length * length);
  }

  /** What is known of the threads has changed. */
  forget(): void {
    this.holds.fill(0);
    this.pairSets.fill(null);
  }

  /**
   * Whether nothing that others can do before this thread's next step is in conflict with it. A
   * thread that is blocked, and that only this one can wake, does nothing before that; and one that
   * comes to wait for this one stops there, as a grace period does for a reader.
   */
  commutes(s: Vector, t: number): boolean {
    const { machine } = this;
    const { columns } = machine.locals;
    const word = columns[s[t]! + LOCAL.word]!;
    const touching = isRead(machine.kind(s, t)) ? machine.writers[word]! : machine.readers[word]!;
    const others = touching & ~(1 << t);
    return others === 0 || this.commutesWith(s, t, others, this.enabledBeside(s, t));
  }

  /**
   * Takes a thread's steps as long as they commute; at most `most`. Returns how many, or -1 if that
   * would go on for ever.
   */
  run(s: Vector, t: number, most: number): number {
    const { machine } = this;
    const { locals, readers, writers, written } = machine;
    const thread = machine.threads[t]!;
    let { columns } = locals;
    const beside = ~(1 << t);
    // Who else can go on; -1 when this thread may have changed that.
    let enabled = -1;
    let count = 0;
    let start = 0;
    let rounds = 1;
    let at = s[t]!;
    while (count < most) {
      const kind = columns[at + LOCAL.kind]!;
      if (kind >= OP.done) break;
      if (kind !== OP.ld && kind !== OP.st && !machine.isEnabled(s, t)) break;
      const word = columns[at + LOCAL.word]!;
      const reads = isRead(kind);
      const others = (reads ? writers[word]! : readers[word]!) & beside;
      if (others !== 0) {
        if (this.isHeld(s, t)) break;
        if (enabled < 0) enabled = this.enabledBeside(s, t);
        if (enabled !== 0 && !this.commutesWith(s, t, others, enabled)) break;
      }
      if (!reads) {
        start = 0;
        if (others !== 0) enabled = -1;
        const to = columns[at + LOCAL.to]!;
        if (kind === OP.st && written[word] === 1 && to !== 0) {
          s[word] = columns[at + LOCAL.a]!;
          s[t] = to;
        } else machine.take(s, t);
        count++;
      } else {
        // Brent: back at a local state with nothing written.
        if (at === start) return -1;
        if ((rounds & (rounds - 1)) === 0) start = at;
        rounds++;
        if (kind === OP.ld && writers[word] === 0) {
          const taken = machine.glide(s, t, most - count);
          if (taken < 0) return -1;
          count += taken;
        } else {
          s[t] = thread.next(at, s[word]!);
          count++;
        }
      }
      at = s[t]!;
      columns = locals.columns;
    }
    return count;
  }

  /** Bits of the other threads that can take a step. */
  private enabledBeside(s: Vector, t: number): number {
    const { machine } = this;
    const count = machine.threads.length;
    let enabled = 0;
    for (let u = 0; u < count; u++) if (u !== t && machine.isEnabled(s, u)) enabled |= 1 << u;
    return enabled;
  }

  /** Whether the thread that held this one up last still stands where it did, and so does this. */
  private isHeld(s: Vector, t: number): boolean {
    const { holds, machine } = this;
    const at = HOLD * t;
    if (holds[at] !== s[t]) return false;
    const u = holds[at + 1]!;
    const own = machine.own[t]!;
    if (s[u] !== holds[at + 2] || (own !== 0 && s[own] !== holds[at + 3])) return false;
    return machine.isEnabled(s, u);
  }

  /** `others`: those that ever touch the word so; `enabled`: who can go on, but for t. */
  private commutesWith(s: Vector, t: number, others: number, enabled: number): boolean {
    const { machine, holds } = this;
    const { columns } = machine.locals;
    const word = columns[s[t]! + LOCAL.word]!;
    const isWrite = !isRead(columns[s[t]! + LOCAL.kind]!);
    let blocked = 0;
    for (let rest = others; rest !== 0; rest &= rest - 1) {
      const u = firstOf(rest);
      const order = columns[s[u]! + LOCAL.order]!;
      if (!this.whileStanding(s, u, t).mayConflict(order, word, isWrite, machine.isWary)) continue;
      if ((enabled & (1 << u)) !== 0) {
        const own = machine.own[t]!;
        const at = HOLD * t;
        holds[at] = s[t]!;
        holds[at + 1] = u;
        holds[at + 2] = s[u]!;
        holds[at + 3] = own === 0 ? 0 : s[own]!;
        return false;
      }
      blocked |= 1 << u;
    }
    return blocked === 0 || (blocked & this.movable(s, t, enabled)) === 0;
  }

  /** What thread u may touch while thread t stands still. */
  private whileStanding(s: Vector, u: number, t: number): Sets {
    const { machine, pairSets, pairValues } = this;
    const own = machine.own[t]!;
    const thread = machine.threads[u]!;
    if (own === 0) return thread.sets;
    const pair = t * machine.threads.length + u;
    const value = s[own]!;
    const known = pairSets[pair]!;
    if (known !== null && pairValues[pair] === value) return known;
    const sets = thread.setsWhile(own, value);
    pairSets[pair] = sets;
    pairValues[pair] = value;
    return sets;
  }

  /** Bits of the threads that can take a step while thread t stands still. */
  private movable(s: Vector, t: number, enabled: number): number {
    const { machine } = this;
    const count = machine.threads.length;
    let movable = enabled;
    let blocked = 0;
    for (let u = 0; u < count; u++) {
      if (u === t || (enabled & (1 << u)) !== 0) continue;
      if (machine.kind(s, u) < OP.done) blocked |= 1 << u;
    }
    for (let before = 0; before !== movable && blocked !== 0;) {
      before = movable;
      for (let u = 0; u < count; u++) {
        if ((blocked & (1 << u)) === 0 || !this.canBeWoken(s, u, t, movable)) continue;
        movable |= 1 << u;
        blocked &= ~(1 << u);
      }
    }
    return movable;
  }

  private canBeWoken(s: Vector, u: number, t: number, by: number): boolean {
    const { machine } = this;
    const { columns } = machine.locals;
    const word = columns[s[u]! + LOCAL.word]!;
    for (let able = by & machine.writers[word]!; able !== 0; able &= able - 1) {
      const v = firstOf(able);
      const order = columns[s[v]! + LOCAL.order]!;
      if (this.whileStanding(s, v, t).mayWrite(order, word, machine.isWary)) return true;
    }
    return false;
  }
}
