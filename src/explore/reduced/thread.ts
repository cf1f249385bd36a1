// One thread of an explored system: its automaton, and what it may still touch from every local
// state that has been met, which is the ground on which the reduced search leaves schedules out.
// Threads are kept over many cases, because a case often differs in one of them only.
import { Automaton } from "../search/automaton.js";
import { NodeTable } from "../search/node-table.js";
import { type Frames, OP, type Step, type ThreadCode } from "../types.js";

/** 32-bit words of a set of slots. */
const WORDS = 8;
export const SLOTS_MAX = 32 * WORDS;

/** Whether a step of this kind never writes. */
export function isRead(kind: number): boolean {
  return kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
}

/** Per local state: WORDS of what may be read, WORDS of what may be written. */
export type Sets = Int32Array;

/** Whether a thread, now in `node`, may still take a step that does not commute with this one. */
export function mayConflict(sets: Sets, node: number, slot: number, isWrite: boolean): boolean {
  const at = 2 * WORDS * node + (slot >> 5);
  if (at + WORDS >= sets.length) return true;
  const bit = 1 << (slot & 31);
  if ((sets[at + WORDS]! & bit) !== 0) return true;
  return isWrite && (sets[at]! & bit) !== 0;
}

/** Whether a thread, now in `node`, may still write a slot. */
export function mayWrite(sets: Sets, node: number, slot: number): boolean {
  return mayConflict(sets, node, slot, false);
}

/** A word that keeps its value while the one thread that writes it stands still. */
interface Fixed {
  readonly slot: number;
  readonly value: number;
}

export class SystemThread {
  readonly code: ThreadCode;
  readonly automaton: Automaton;
  /** Steps of the local states, as columns. */
  readonly kinds: number[] = [];
  readonly slots: number[] = [];
  readonly as: number[] = [];
  readonly bs: number[] = [];
  /** Per local state, the value of the edge that was met first, and where it leads. */
  readonly firstValues: number[] = [];
  readonly firstNodes: number[] = [];
  /** Edges met so far; a search whose sets are older than this is not sound yet. */
  edges = 0;
  /** What may be touched, whatever the others do. */
  sets: Sets = new Int32Array(0);
  /** Slots that it waits on, each with the values that it waits to go away, or all (null). */
  readonly awaited = new Map<number, Set<number> | null>();
  private settled = -1;
  /** The last answer of `settledWhile`. */
  private lastSlot = 0;
  private lastValue = 0;
  private last: { readonly sets: Sets } = this;
  /** Per local state: a value that its step got, where that led, and so on. */
  private readonly successors: number[][] = [];
  private readonly fixed = new Map<number, Map<number, { sets: Sets }>>();

  constructor(code: ThreadCode, frames: Frames, maxSteps: number) {
    this.code = code;
    const home = { table: new NodeTable(), thread: 0 };
    this.automaton = new Automaton(code, frames, maxSteps, home);
    this.widen();
  }

  step(node: number): Step {
    return this.automaton.steps[node]!;
  }

  /** Where a step that got `value` leads. */
  next(node: number, value: number): number {
    const known = this.successors[node];
    if (known === undefined) return this.follow(node, value);
    for (let i = 0; i < known.length; i += 2) if (known[i] === value) return known[i + 1]!;
    return this.follow(node, value);
  }

  private follow(node: number, value: number): number {
    const to = this.automaton.next(node, value);
    const known = this.successors[node];
    if (known === undefined) {
      this.successors[node] = [value, to];
      this.firstValues[node] = value;
      this.firstNodes[node] = to;
    } else known.push(value, to);
    this.edges++;
    this.widen();
    return to;
  }

  private widen(): void {
    const { steps } = this.automaton;
    for (let node = this.kinds.length; node < steps.length; node++) {
      const { kind, addr, a, b } = steps[node]!;
      this.kinds.push(kind);
      this.firstValues.push(0);
      this.firstNodes.push(0);
      if (kind === OP.waitUntil) this.awaited.set(addr, null);
      else if (kind === OP.waitWhile) {
        const values = this.awaited.get(addr);
        if (values === undefined) this.awaited.set(addr, new Set([a]));
        else values?.add(a);
      }
      this.slots.push(addr);
      this.as.push(a);
      this.bs.push(b);
    }
  }

  /**
   * Makes the sets anew if edges have been met since. Says whether that changed what is known of a
   * local state that was there before; those that were not have been taken to touch everything.
   */
  settle(): boolean {
    if (this.settled === this.edges) return false;
    this.lastSlot = 0;
    this.settled = this.edges;
    let isChanged = false;
    const again = (fixed: Fixed | null, before: Sets): Sets => {
      const sets = this.close(fixed);
      for (let i = 0; i < before.length && !isChanged; i++) isChanged = sets[i] !== before[i];
      return sets;
    };
    this.sets = again(null, this.sets);
    for (const [slot, values] of this.fixed) {
      for (const [value, kept] of values) kept.sets = again({ slot, value }, kept.sets);
    }
    return isChanged;
  }

  /** Slots that the thread may ever read, or write. */
  touched(isWrite: boolean): number[] {
    const from = 2 * WORDS * this.automaton.start + (isWrite ? WORDS : 0);
    const slots: number[] = [];
    for (let i = 0; i < WORDS; i++) {
      for (let bits = this.sets[from + i]!; bits !== 0; bits &= bits - 1) {
        slots.push(32 * i + 31 - Math.clz32(bits & -bits));
      }
    }
    return slots;
  }

  /** The sets for as long as a word keeps a value. */
  settledWhile(slot: number, value: number): { readonly sets: Sets } {
    if (this.lastSlot === slot && this.lastValue === value) return this.last;
    this.lastSlot = slot;
    this.lastValue = value;
    this.last = this.settledFor(slot, value);
    return this.last;
  }

  private settledFor(slot: number, value: number): { readonly sets: Sets } {
    const awaited = this.awaited.get(slot);
    // It never waits because of this value: then all of it may be touched.
    if (awaited !== null && awaited?.has(value) !== true) return this;
    let values = this.fixed.get(slot);
    if (values === undefined) {
      values = new Map();
      this.fixed.set(slot, values);
    }
    let settled = values.get(value);
    if (settled === undefined) {
      settled = { sets: this.close({ slot, value }) };
      values.set(value, settled);
    }
    return settled;
  }

  private close(fixed: Fixed | null): Sets {
    const count = this.kinds.length;
    const sets = new Int32Array(2 * WORDS * count);
    for (let node = 0; node < count; node++) this.addOwn(sets, node);
    // Edges mostly lead to higher numbers: two or three rounds do.
    for (let isChanged = true; isChanged;) {
      isChanged = false;
      for (let node = count - 1; node >= 0; node--) {
        const known = this.successors[node];
        if (known === undefined) continue;
        for (let i = 0; i < known.length; i += 2) {
          if (fixed !== null && !this.canGet(node, known[i]!, fixed)) continue;
          if (include(sets, node, known[i + 1]!)) isChanged = true;
        }
      }
    }
    return sets;
  }

  private addOwn(sets: Sets, node: number): void {
    const kind = this.kinds[node]!;
    const slot = this.slots[node]!;
    if (slot === 0 || kind >= OP.done) return;
    const at = 2 * WORDS * node + (isRead(kind) ? 0 : WORDS) + (slot >> 5);
    sets[at]! |= 1 << (slot & 31);
  }

  /** Whether a step can be taken, and get this value, while a word keeps its own. */
  private canGet(node: number, value: number, { slot, value: kept }: Fixed): boolean {
    if (this.slots[node] !== slot) return true;
    const kind = this.kinds[node]!;
    if (kind === OP.ld) return value === kept;
    if (kind === OP.waitWhile) return this.as[node] !== kept && value === kept;
    return kind !== OP.waitUntil || this.as[node] === kept;
  }
}

function include(sets: Sets, node: number, other: number): boolean {
  const to = 2 * WORDS * node;
  const from = 2 * WORDS * other;
  let isChanged = false;
  for (let i = 0; i < 2 * WORDS; i++) {
    const before = sets[to + i]!;
    const after = before | sets[from + i]!;
    if (after === before) continue;
    sets[to + i] = after;
    isChanged = true;
  }
  return isChanged;
}
