// The execution that the trace search is in, as a list of frames. A frame is a point of the
// execution and the event that is taken there, with what happens before that event. A step changes
// one cell and one node, so that it can be taken back: the next execution costs the steps only that
// it does not share with this one. Frames are made once and used again; their fields are small
// integers and other frames, which are read and written without the checks of array indexes. One
// owner, the search.
import type { TokenMove } from "../../text/token.js";
import { OP } from "../../types.js";
import type { Machine, Vector } from "../machine.js";
import { HOW, NODE, NODE_SHIFT, whatOf, WRITES } from "../node.js";
import { isOpen } from "../node-table.js";
import { Branch, choiceOf, threadOf } from "./wakeup.js";

/** A point of the execution. Sets of threads have a bit for each. */
export class Frame {
  /** How many events come before. */
  readonly depth: number;
  readonly previous: Frame | null;
  next: Frame | null = null;
  /** Where the point is in the wakeup trees. */
  branch = new Branch();
  /** Threads whose step leads to nothing new here, and those of them that slept at the start. */
  asleep = 0;
  inherited = 0;
  /** What the steps of those asleep would touch, by thread. */
  readonly dreams: number[];
  /** Threads that have not ended; whose step may have to wait; whose step is a free choice. */
  living = 0;
  guarded = 0;
  choosing = 0;
  /** The event: who takes it, what it touches, first word of its node. */
  who = 0;
  what = 0;
  node = 0;
  /** What its cell held before. */
  old = 0;
  /** The event before it on the same cell, and that of the same thread. */
  sameCell: Frame | null = null;
  sameThread: Frame | null = null;
  /** By thread, the depth of its last event that happens before this one or is it, or -1. */
  readonly clock: number[];

  constructor(previous: Frame | null, threads: number) {
    this.previous = previous;
    this.depth = previous === null ? 0 : previous.depth + 1;
    this.dreams = Array.from({ length: threads }, () => 0);
    this.clock = Array.from({ length: threads }, () => -1);
  }
}

export class Execution {
  readonly threads: number;
  readonly start: Frame;
  /** The last point, whose event has not been taken. */
  top: Frame;
  /** The state there. */
  readonly s: Vector;
  /** The thread that has failed there, or -1. */
  failed = -1;
  private readonly machine: Machine;
  private readonly lastOfCell: (Frame | null)[];
  private readonly lastOfThread: (Frame | null)[];

  constructor(machine: Machine, start: Vector) {
    this.machine = machine;
    this.threads = machine.threads.length;
    this.s = start.slice();
    this.start = new Frame(null, this.threads);
    this.top = this.start;
    this.lastOfCell = Array.from({ length: machine.firstThread }, () => null);
    this.lastOfThread = Array.from({ length: this.threads }, () => null);
    this.start.living = 2 ** this.threads - 1;
    for (let t = this.threads - 1; t >= 0; t--) this.classify(this.start, t);
  }

  /** First word of the thread's node. */
  nodeOf(thread: number): number {
    return this.s[this.machine.firstThread + thread]! << NODE_SHIFT;
  }

  /** The threads that can take a step: those that live, but for those that wait. */
  enabled(): number {
    const { guarded, living } = this.top;
    let enabled = living;
    for (let left = guarded; left !== 0; left &= left - 1) {
      const thread = firstOf(left);
      const isReady = isOpen(this.machine.table.words, this.nodeOf(thread), this.s);
      if (!isReady) enabled ^= 1 << thread;
    }
    return enabled;
  }

  /** What the step at a node would touch if its cell held `value`. */
  whatAt(node: number, value: number): number {
    const { words } = this.machine.table;
    const what = words[node + NODE.what]!;
    if (words[node + NODE.writes]! !== WRITES.onSuccess) return what;
    return whatOf(what >> 1, value === words[node + NODE.a]!);
  }

  /** What the thread's step would touch now. */
  nextWhat(thread: number): number {
    const node = this.nodeOf(thread);
    return this.whatAt(node, this.s[this.machine.table.words[node + NODE.addr]!]!);
  }

  /** Takes a thread's step, which touches `what`, and comes to a new last point. */
  take(who: number, what: number): Frame {
    const { machine, s, lastOfCell, lastOfThread, top } = this;
    const thread = threadOf(who);
    const addr = what >> 1;
    top.who = who;
    top.what = what;
    top.node = this.nodeOf(thread);
    top.old = s[addr]!;
    top.sameCell = lastOfCell[addr]!;
    top.sameThread = lastOfThread[thread]!;
    this.setClock(top, thread);
    lastOfCell[addr] = top;
    lastOfThread[thread] = top;
    machine.take(s, thread, Math.max(0, choiceOf(who)));
    const to = (top.next ??= new Frame(top, this.threads));
    const others = ~(1 << thread);
    to.living = top.living;
    to.guarded = top.guarded & others;
    to.choosing = top.choosing & others;
    this.top = to;
    this.failed = -1;
    this.classify(to, thread);
    return to;
  }

  /** Takes the last step back; returns where it was taken. */
  undo(): Frame {
    const { s, machine } = this;
    const top = this.top.previous!;
    const thread = threadOf(top.who);
    const addr = top.what >> 1;
    s[addr] = top.old;
    s[machine.firstThread + thread] = top.node >> NODE_SHIFT;
    this.lastOfCell[addr] = top.sameCell;
    this.lastOfThread[thread] = top.sameThread;
    this.top = top;
    return top;
  }

  /** The thread's last event. */
  lastOf(thread: number): Frame | null {
    return this.lastOfThread[thread]!;
  }

  lastOn(addr: number): Frame | null {
    return this.lastOfCell[addr]!;
  }

  moves(): TokenMove[] {
    const moves: TokenMove[] = [];
    for (let frame = this.start; frame !== this.top; frame = frame.next!) {
      const choice = choiceOf(frame.who);
      const thread = threadOf(frame.who);
      moves.push({ thread, choice: Math.max(0, choice), isChoice: choice >= 0 });
    }
    return moves;
  }

  /** Puts a thread into the sets that its next step belongs to. */
  private classify(frame: Frame, thread: number): void {
    const { words } = this.machine.table;
    const node = this.nodeOf(thread);
    const how = words[node + NODE.how]!;
    if (how === HOW.plain) return;
    const bit = 1 << thread;
    const kind = words[node + NODE.kind]!;
    if (how === HOW.guarded) frame.guarded |= bit;
    else if (how === HOW.end) frame.living &= ~bit;
    else if (kind === OP.choose) frame.choosing |= bit;
    if (how === HOW.end && kind !== OP.done) this.failed = thread;
  }

  private setClock(frame: Frame, thread: number): void {
    const { clock, what, sameThread, depth } = frame;
    if (sameThread === null) clock.fill(-1);
    else {
      const before = sameThread.clock;
      for (let t = 0; t < clock.length; t++) clock[t] = before[t]!;
    }
    clock[thread] = depth;
    if (what === 0) return;
    // A write comes after the reads since the last write; everybody comes after that.
    for (let k = frame.sameCell; k !== null; k = k.sameCell) {
      const isWrite = (k.what & 1) === 1;
      const isKnown = clock[threadOf(k.who)]! >= k.depth;
      if (!isKnown && (isWrite || (what & 1) === 1)) join(clock, k.clock);
      if (isWrite) return;
    }
  }
}

function join(clock: number[], other: readonly number[]): void {
  for (let t = 0; t < clock.length; t++) if (other[t]! > clock[t]!) clock[t] = other[t]!;
}

/** Whether event i happens before event k or is it; false without k. */
export function isBefore(i: Frame, k: Frame | null): boolean {
  return k !== null && k.clock[threadOf(i.who)]! >= i.depth;
}

/** The first thread of a set that is not empty. */
export function firstOf(threads: number): number {
  return 31 - Math.clz32(threads & -threads);
}
