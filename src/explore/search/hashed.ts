// All states of a program of cells and plain locks, of which only 64-bit hashes are kept: depth
// first, on one state that each step changes and going back restores. Two states with the same
// hash would be taken for one; how likely that is, is part of the result. It sees neither
// livelocks nor data races: where there may be some, it says so and proves nothing. Any thread.
import { nowMs } from "../../base/clock.js";
import type { TokenMove } from "../text/token.js";
import { OP } from "../types.js";
import { HashTable, PENDING } from "./hash-table.js";
import type { Machine, Vector } from "./machine.js";
import { HOW, NODE, NODE_SHIFT } from "./node.js";
import { act, doubled, isOpen } from "./node-table.js";
import type { SearchBounds } from "../states/state-graph.js";

export interface HashedResult {
  readonly states: number;
  readonly transitions: number;
  /** What ended the search, or keeps it from proving anything; null: all was seen. */
  readonly bound: string | null;
  /** A way to the first state in which something is wrong, or null. */
  readonly bad: TokenMove[] | null;
}

/** About how likely it is that two of so many states have the same 64 bits, as a good hash has. */
export function collisionBound(states: number): number {
  return states ** 2 / 2 ** 65;
}

export function exploreHashed(machine: Machine, bounds: SearchBounds): HashedResult {
  const { kernel, beyond } = machine.program;
  if (kernel !== undefined) {
    const bound = `hash knows cells and plain locks only, not ${beyond}; use states`;
    return { states: 0, transitions: 0, bound, bad: null };
  }
  return new HashedSearch(machine, bounds).run();
}

/** Words of a level: first of the steps to be taken there, and how to take its own step back. */
const LEVEL = { pending: 0, place: 1, node: 2, addr: 3, old: 4, low: 5, high: 6, by: 7 } as const;
const LEVEL_SHIFT = 3;

/** States between two looks at the clock, and runs of threads' code. */
const CLOCK_STATES = 1024;
const EFFORT_MAX = 200;

class HashedSearch {
  private readonly machine: Machine;
  private readonly bounds: SearchBounds;
  private readonly s: Vector;
  private readonly seen = new HashTable();
  /** Of each depth; grows. */
  private levels = new Int32Array(1 << 12);
  /**
   * Steps to be taken, of all depths: thread, and choice above bit 8; the hash that they lead
   * to.
   */
  private pending = new Int32Array(1 << 10);
  private pendingCount = 0;
  private depth = 0;
  private transitions = 0;
  private bound: string | null = null;
  private bad: TokenMove[] | null = null;
  // Of the state that the search is in.
  private low = 0;
  private high = 0;

  constructor(machine: Machine, bounds: SearchBounds) {
    this.machine = machine;
    this.bounds = bounds;
    this.s = machine.initial();
  }

  run(): HashedResult {
    const endMs = nowMs() + 1000 * this.bounds.maxSeconds;
    let effort = 0;
    let expanded = 0;
    this.seen.add(0, 0);
    for (let isNew = true; ;) {
      if (isNew) {
        this.expand();
        const work = this.machine.table.effort;
        if (++expanded % CLOCK_STATES === 0 || work - effort > EFFORT_MAX) {
          effort = work;
          if (nowMs() > endMs) this.bound ??= `${this.bounds.maxSeconds} s`;
        }
        if (this.seen.count >= this.bounds.maxStates) this.bound ??= `${this.seen.count} states`;
      }
      if (this.bound !== null || this.bad !== null) break;
      isNew = this.pendingCount > this.levels[(this.depth << LEVEL_SHIFT) + LEVEL.pending]!;
      if (isNew) this.descend();
      else if (this.depth === 0) break;
      else this.back();
    }
    const { transitions, bad } = this;
    const bound = this.bound ?? (bad === null ? this.unknown() : "first failure");
    return { states: this.seen.count, transitions, bound, bad };
  }

  /** Looks up what every step makes of the state; the steps that make something new are pending. */
  private expand(): void {
    const { machine, s, seen } = this;
    this.levels[(this.depth << LEVEL_SHIFT) + LEVEL.pending] = this.pendingCount;
    const { threads, firstThread, table } = machine;
    seen.length = 0;
    for (let t = 0; t < threads.length; t++) {
      const { words } = table;
      const at = s[firstThread + t]! << NODE_SHIFT;
      const how = words[at + NODE.how]!;
      if (how === HOW.end && words[at + NODE.kind] !== OP.done) return this.fail(t);
      if (how === HOW.end || (how === HOW.guarded && !isOpen(words, at, s))) continue;
      const choices = words[at + NODE.kind] === OP.choose ? words[at + NODE.a]! : 1;
      for (let choice = 0; choice < choices; choice++) this.lookAt(t, at, choice);
    }
    if (seen.length === 0) this.end();
    this.transitions += seen.length;
    const most = this.pendingCount + PENDING * seen.length;
    while (most > this.pending.length) this.pending = doubled(this.pending);
    this.pendingCount = seen.addAll(this.pending, this.pendingCount);
  }

  private lookAt(thread: number, at: number, choice: number): void {
    const { machine, s } = this;
    const { words, edges } = machine.table;
    const node = at >> NODE_SHIFT;
    const addr = words[at + NODE.addr]!;
    const old = s[addr]!;
    const value = act(words, at, s, choice);
    const now = s[addr]!;
    s[addr] = old;
    let next = 0;
    if (value >>> 0 < words[at + NODE.edgeCount]!) {
      next = edges[words[at + NODE.edges]! + value]!;
    }
    if (next === 0) next = machine.threads[thread]!.next(node, value);
    let { low, high } = this;
    const place = machine.firstThread + thread;
    low ^= lowOf(place, node) ^ lowOf(place, next);
    high ^= highOf(place, node) ^ highOf(place, next);
    if (now !== old) {
      low ^= lowOf(addr, old) ^ lowOf(addr, now);
      high ^= highOf(addr, old) ^ highOf(addr, now);
    }
    this.seen.touch(low, high, thread | (choice << 8));
  }

  private descend(): void {
    const { machine, s, pending } = this;
    const step = (this.pendingCount -= PENDING);
    const by = pending[step]!;
    const to = ++this.depth << LEVEL_SHIFT;
    if (to + (1 << LEVEL_SHIFT) > this.levels.length) this.levels = doubled(this.levels);
    const { levels } = this;
    const thread = by & 0xff;
    const place = machine.firstThread + thread;
    const node = s[place]!;
    const addr = machine.table.words[(node << NODE_SHIFT) + NODE.addr]!;
    const old = s[addr]!;
    levels[to + LEVEL.by] = by;
    levels[to + LEVEL.place] = place;
    levels[to + LEVEL.node] = node;
    levels[to + LEVEL.addr] = addr;
    levels[to + LEVEL.old] = old;
    levels[to + LEVEL.low] = this.low;
    levels[to + LEVEL.high] = this.high;
    machine.take(s, thread, by >> 8);
    this.low = pending[step + 1]!;
    this.high = pending[step + 2]!;
  }

  private back(): void {
    const { s, levels } = this;
    const from = this.depth-- << LEVEL_SHIFT;
    s[levels[from + LEVEL.addr]!] = levels[from + LEVEL.old]!;
    s[levels[from + LEVEL.place]!] = levels[from + LEVEL.node]!;
    this.low = levels[from + LEVEL.low]!;
    this.high = levels[from + LEVEL.high]!;
  }

  /** A thread has failed, or met a bound. */
  private fail(thread: number): void {
    const { machine, s } = this;
    if (machine.isBound(s, thread)) this.bound ??= machine.stepOf(s, thread).message;
    else this.bad = this.moves();
  }

  /** No thread can take a step. */
  private end(): void {
    const { machine, s } = this;
    if (!machine.isDone(s) || machine.checkFinal(s) !== null) this.bad = this.moves();
  }

  private moves(): TokenMove[] {
    const moves: TokenMove[] = [];
    const s = this.machine.initial();
    for (let depth = 1; depth <= this.depth; depth++) {
      const by = this.levels[(depth << LEVEL_SHIFT) + LEVEL.by]!;
      const thread = by & 0xff;
      const isChoice = this.machine.choices(s, thread) > 0;
      moves.push({ thread, choice: by >> 8, isChoice });
      this.machine.take(s, thread, by >> 8);
    }
    return moves;
  }

  /** What a finished search cannot answer for. */
  private unknown(): string | null {
    const { table } = this.machine;
    const isPlain = table.steps.some(({ kind }) => kind === OP.read || kind === OP.write);
    if (isPlain) return "hashes do not show data races, and there are plain accesses";
    return hasCycle(table.followed(), table.steps.length)
      ? "hashes do not show livelocks, and a thread comes back to where it was"
      : null;
  }
}

/** Whether edges between so many nodes lead around. Without that, no state comes back either. */
function hasCycle(edges: readonly (readonly [number, number, number])[], nodes: number): boolean {
  const waiting = new Int32Array(nodes);
  const targets: number[][] = Array.from({ length: nodes }, () => []);
  for (const [node, , next] of edges) {
    targets[node]!.push(next);
    waiting[next]!++;
  }
  const order = [...waiting.keys()].filter((node) => waiting[node] === 0);
  for (const node of order) {
    for (const next of targets[node]!) if (--waiting[next]! === 0) order.push(next);
  }
  return order.length < nodes;
}

/** Half of the hash that a word of the state contributes. */
function lowOf(index: number, value: number): number {
  let h = Math.imul(value ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The other half. */
function highOf(index: number, value: number): number {
  let h = Math.imul(value ^ Math.imul(index + 1, 0x7feb352d), 0xcc9e2d51);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 14);
}
