// The execution that the trace search is in: its events with what happened before them, and the
// state after the last one. A step changes one cell and one node, so that it can be taken back.
// One owner, the search.
import type { TokenMove } from "../text/token.js";
import { OP } from "../types.js";
import type { Machine, Vector } from "./machine.js";
import { HOW, isOpen, NODE, NODE_SHIFT, WRITES } from "./node-table.js";
import { choiceOf, doubled, threadOf, whatOf } from "./wakeup.js";

export class Execution {
  readonly threads: number;
  readonly s: Vector;
  length = 0;
  // By number of an event.
  who = new Int32Array(256);
  what = new Int32Array(256);
  /** First word of its node. */
  node = new Int32Array(256);
  /** What its cell held before. */
  old = new Int32Array(256);
  /** The event on the same cell before it, or -1. */
  sameCell = new Int32Array(256);
  /** The event of the same thread before it, or -1. */
  sameThread = new Int32Array(256);
  /** Per thread, how many of its events happen before this one or are it. */
  clocks: Int32Array;
  /** The last event on each cell and of each thread, or -1. */
  readonly lastOfCell: Int32Array;
  readonly lastOfThread: Int32Array;
  private readonly machine: Machine;

  constructor(machine: Machine, start: Vector) {
    this.machine = machine;
    this.threads = machine.threads.length;
    this.s = start.slice();
    this.clocks = new Int32Array(256 * this.threads);
    this.lastOfCell = new Int32Array(machine.firstThread).fill(-1);
    this.lastOfThread = new Int32Array(this.threads).fill(-1);
  }

  /** First word of the thread's node. */
  nodeOf(thread: number): number {
    return this.s[this.machine.firstThread + thread]! << NODE_SHIFT;
  }

  isEnabled(thread: number): boolean {
    const { words } = this.machine.table;
    const at = this.nodeOf(thread);
    const how = words[at + NODE.how]!;
    return how === HOW.guarded ? isOpen(words, at, this.s) : how !== HOW.end;
  }

  /** What the step at a node would touch if its cell held `value`. */
  whatAt(node: number, value: number): number {
    const { words } = this.machine.table;
    if (words[node + NODE.kind] === OP.choose) return 0;
    const writes = words[node + NODE.writes]!;
    const isWrite = writes === WRITES.onSuccess ? value === words[node + NODE.a]! : writes !== 0;
    return whatOf(words[node + NODE.addr]!, isWrite);
  }

  /** What the thread's step would touch now. */
  nextWhat(thread: number): number {
    const node = this.nodeOf(thread);
    return this.whatAt(node, this.s[this.machine.table.words[node + NODE.addr]!]!);
  }

  /** Takes a thread's step. */
  take(who: number): void {
    const { s, machine, lastOfCell, lastOfThread, length: i } = this;
    if (i === this.who.length) this.grow();
    const thread = threadOf(who);
    const node = this.nodeOf(thread);
    const addr = machine.table.words[node + NODE.addr]!;
    const what = this.whatAt(node, s[addr]!);
    this.who[i] = who;
    this.what[i] = what;
    this.node[i] = node;
    this.old[i] = s[addr]!;
    this.sameCell[i] = lastOfCell[addr]!;
    this.sameThread[i] = lastOfThread[thread]!;
    this.setClock(i, thread, what);
    if (what !== 0) lastOfCell[addr] = i;
    lastOfThread[thread] = i;
    machine.take(s, thread, Math.max(0, choiceOf(who)));
    this.length = i + 1;
  }

  /** Takes the last step back. */
  undo(): void {
    const { s, machine } = this;
    const i = --this.length;
    const thread = threadOf(this.who[i]!);
    const addr = machine.table.words[this.node[i]! + NODE.addr]!;
    s[addr] = this.old[i]!;
    s[machine.firstThread + thread] = this.node[i]! >> NODE_SHIFT;
    if (this.what[i] !== 0) this.lastOfCell[addr] = this.sameCell[i]!;
    this.lastOfThread[thread] = this.sameThread[i]!;
  }

  /** Whether event i happens before event k or is it; false for k = -1. */
  isBefore(i: number, k: number): boolean {
    if (k < 0) return false;
    const { clocks, threads } = this;
    const thread = this.who[i]! & 0xff;
    return clocks[k * threads + thread]! >= clocks[i * threads + thread]!;
  }

  moves(): TokenMove[] {
    return Array.from(this.who.subarray(0, this.length), (who) => ({
      thread: threadOf(who),
      choice: Math.max(0, choiceOf(who)),
      isChoice: choiceOf(who) >= 0,
    }));
  }

  private setClock(i: number, thread: number, what: number): void {
    const { clocks, threads, sameCell } = this;
    const at = i * threads;
    const before = this.sameThread[i]!;
    if (before < 0) clocks.fill(0, at, at + threads);
    else for (let t = 0; t < threads; t++) clocks[at + t] = clocks[before * threads + t]!;
    clocks[at + thread]!++;
    if (what === 0) return;
    // A write comes after the reads since the last write; everybody comes after that.
    for (let k = sameCell[i]!; k >= 0; k = sameCell[k]!) {
      const isWrite = (this.what[k]! & 1) === 1;
      if (isWrite || (what & 1) === 1) this.join(at, k * threads);
      if (isWrite) break;
    }
  }

  private join(at: number, from: number): void {
    const { clocks, threads } = this;
    for (let t = 0; t < threads; t++) {
      if (clocks[from + t]! > clocks[at + t]!) clocks[at + t] = clocks[from + t]!;
    }
  }

  private grow(): void {
    this.who = doubled(this.who);
    this.what = doubled(this.what);
    this.node = doubled(this.node);
    this.old = doubled(this.old);
    this.sameCell = doubled(this.sameCell);
    this.sameThread = doubled(this.sameThread);
    this.clocks = doubled(this.clocks);
  }
}
