// The execution that the trace search is in, as a list of frames. A frame is a point of the
// execution and the event that is taken there, with what happens before that event. A step changes
// one cell and where one thread stands, so that it can be taken back: the next execution costs the
// steps only that it does not share with this one. Frames are made once and used again; their
// fields are small integers and other objects, never null, which are read and written without the
// checks of array indexes and of types. One owner, the search.
import type { TokenMove } from "../../text/token.js";
import { OP } from "../../types.js";
import type { Machine, Vector } from "../machine.js";
import { firstOf } from "../bits.js";
import { HOW, NODE_SHIFT } from "../node.js";
import { act, isOpenAt } from "../node-table.js";
import { type Place, Places } from "./places.js";
import { Branch, choiceOf, threadOf } from "./wakeup.js";

/** A point of the execution. Sets of threads have a bit for each. */
export class Frame {
  /** How many events come before. */
  readonly depth: number;
  readonly previous: Frame;
  /** The point after it; itself until there is one. */
  next: Frame = this;
  /** Above the branches that are still to be explored from here. */
  readonly branch = new Branch();
  /** Threads whose step leads to nothing new here, and those of them that slept at the start. */
  asleep = 0;
  inherited = 0;
  /** What the steps of those asleep would touch, by thread; the others' are of no meaning. */
  readonly dreams: number[];
  /** Threads that have not ended; whose step may have to wait; whose step is a free choice. */
  living = 0;
  guarded = 0;
  choosing = 0;
  /** The event: who takes it, what it touches, where its thread stands before it and after. */
  who = 0;
  what = 0;
  from: Place;
  to: Place;
  /** What its cell held before. */
  old = 0;
  /** The event before it on the same cell, the last of those that writes, that of its thread. */
  sameCell: Frame = this;
  lastWrite: Frame = this;
  sameThread: Frame = this;
  /**
   * By thread, the depth of its last event that happens before this one, or -1; not of its own
   * thread. Shared with the event before it of the same thread if it knows no more than that one.
   */
  clock: number[];
  /** Threads whose last event in `clock` is in a race with this one: nothing is between the two. */
  racers = 0;
  /** What `clock` is if it is not shared. */
  private readonly ownClock: number[];

  /** Without a previous frame, one before the start: it happens before all. */
  constructor(previous: Frame | null, threads: number, place: Place) {
    this.previous = previous ?? this;
    this.depth = previous === null ? -1 : previous.depth + 1;
    this.dreams = Array.from({ length: threads }, () => 0);
    this.ownClock = Array.from({ length: threads }, () => -1);
    this.clock = this.ownClock;
    this.from = place;
    this.to = place;
  }

  /** Says what happens before the event, and which threads it is in a race with. */
  look(thread: number): void {
    const { lastWrite } = this;
    this.clock = this.sameThread.clock;
    this.racers = 0;
    // A write comes after the reads since the last write; everybody comes after that. What is not
    // known yet when its turn comes has nothing between itself and this event.
    if ((this.what & 1) === 1) {
      for (let k = this.sameCell; k !== lastWrite; k = k.sameCell) this.comeAfter(k, thread);
    }
    this.comeAfter(lastWrite, thread);
  }

  private comeAfter(event: Frame, thread: number): void {
    const { clock, ownClock } = this;
    const { who, depth } = event;
    const other = threadOf(who);
    if (other === thread || clock[other]! >= depth) return;
    const before = event.clock;
    for (let t = 0; t < before.length; t++) {
      const here = clock[t]!;
      const there = before[t]!;
      ownClock[t] = there > here ? there : here;
    }
    ownClock[other] = depth;
    this.clock = ownClock;
    this.racers |= 1 << other;
  }
}

export class Execution {
  readonly threads: number;
  readonly start: Frame;
  /** All of them, by depth. */
  readonly frames: Frame[];
  /** The last point, whose event has not been taken. */
  top: Frame;
  /** The thread that has failed there, or -1. */
  failed = -1;
  private readonly s: Vector;
  private readonly machine: Machine;
  private readonly places: Places;
  /** What comes before the first event on each cell. */
  readonly nothing: Frame;
  private readonly lastOfCell: Frame[];
  private readonly lastOfThread: Frame[];

  constructor(machine: Machine, start: Vector, asleep: number) {
    this.machine = machine;
    const count = machine.threads.length;
    this.threads = count;
    this.s = start.slice();
    this.places = new Places(machine.table, machine.threads);
    const stands = (thread: number) => this.places.at(start[machine.firstThread + thread]!);
    this.nothing = new Frame(null, count, stands(0));
    this.lastOfCell = Array.from({ length: machine.firstThread }, () => this.nothing);
    this.lastOfThread = machine.threads.map((_one, t) => new Frame(null, count, stands(t)));
    this.start = new Frame(this.nothing, count, stands(0));
    this.frames = [this.start];
    this.top = this.start;
    this.start.living = 2 ** count - 1;
    this.start.asleep = asleep;
    this.start.inherited = asleep;
    for (let t = count - 1; t >= 0; t--) {
      this.classify(this.start, t, stands(t));
      this.start.dreams[t] = stands(t).whatWith(this.s[stands(t).addr]!);
    }
  }

  /** Where a thread stands. */
  placeOf(thread: number): Place {
    return this.lastOfThread[thread]!.to;
  }

  /** The state at the last point. */
  state(): Vector {
    const { s, machine } = this;
    for (let t = 0; t < this.threads; t++) s[machine.firstThread + t] = this.placeOf(t).node;
    return s;
  }

  /** The threads that can take a step: those that live, but for those that wait. */
  enabled(): number {
    const { guarded, living } = this.top;
    let enabled = living;
    for (let left = guarded; left !== 0; left &= left - 1) {
      const thread = firstOf(left);
      const place = this.placeOf(thread);
      if (!this.isOpen(place, this.s[place.addr]!)) enabled ^= 1 << thread;
    }
    return enabled;
  }

  /** Whether a guarded step could be taken if its cell held `value`. */
  isOpen(place: Place, value: number): boolean {
    return isOpenAt(this.machine.table.words, place.node << NODE_SHIFT, value);
  }

  /** The point after another, which is there before the step to it is taken. */
  after(frame: Frame): Frame {
    if (frame.next === frame) {
      frame.next = new Frame(frame, this.threads, frame.from);
      this.frames.push(frame.next);
    }
    return frame.next;
  }

  /** Takes the step of the thread that the last point says, and comes to a new last point. */
  take(): Frame {
    const { s, lastOfCell, lastOfThread, top } = this;
    const { who } = top;
    const thread = threadOf(who);
    const sameThread = lastOfThread[thread]!;
    const place = sameThread.to;
    const { addr } = place;
    const old = s[addr]!;
    const sameCell = lastOfCell[addr]!;
    top.what = place.whatWith(old);
    top.from = place;
    top.old = old;
    top.sameCell = sameCell;
    top.lastWrite = (sameCell.what & 1) === 1 ? sameCell : sameCell.lastWrite;
    top.sameThread = sameThread;
    top.look(thread);
    lastOfCell[addr] = top;
    lastOfThread[thread] = top;
    const stands = this.step(place, thread, choiceOf(who));
    top.to = stands;
    const to = top.next;
    const others = ~(1 << thread);
    to.living = top.living;
    to.guarded = top.guarded & others;
    to.choosing = top.choosing & others;
    this.top = to;
    if (stands.how !== HOW.plain) this.classify(to, thread, stands);
    return to;
  }

  /** Takes the last step back; returns where it was taken. */
  undo(): Frame {
    const top = this.top.previous;
    const { addr } = top.from;
    this.s[addr] = top.old;
    this.lastOfCell[addr] = top.sameCell;
    this.lastOfThread[threadOf(top.who)] = top.sameThread;
    this.top = top;
    this.failed = -1;
    return top;
  }

  lastOf(thread: number): Frame {
    return this.lastOfThread[thread]!;
  }

  lastOn(addr: number): Frame {
    return this.lastOfCell[addr]!;
  }

  moves(): TokenMove[] {
    const moves: TokenMove[] = [];
    for (let frame = this.start; frame !== this.top; frame = frame.next) {
      const choice = choiceOf(frame.who);
      const thread = threadOf(frame.who);
      moves.push({ thread, choice: Math.max(0, choice), isChoice: choice >= 0 });
    }
    return moves;
  }

  /** Changes the cell; returns where the thread stands then. */
  private step(place: Place, thread: number, choice: number): Place {
    const { s, machine } = this;
    const { addr, next } = place;
    let value: number;
    if (place.how < HOW.special) {
      const old = s[addr]!;
      s[addr] = (old & place.and) + place.plus;
      value = old & place.value;
    } else value = act(machine.table.words, place.node << NODE_SHIFT, s, Math.max(0, choice));
    if (value === place.nearValue && place.near !== place) return place.near;
    const known = value >>> 0 < next.length ? next[value]! : null;
    return known ?? this.places.follow(place, thread, value);
  }

  /** Puts a thread into the sets that its next step belongs to. */
  private classify(frame: Frame, thread: number, { how, kind }: Place): void {
    const bit = 1 << thread;
    if (how === HOW.guarded) frame.guarded |= bit;
    else if (how === HOW.end) frame.living &= ~bit;
    else if (kind === OP.choose) frame.choosing |= bit;
    if (how === HOW.end && kind !== OP.done) this.failed = thread;
  }
}

/** Whether event i happens before event k, which comes later, or is it. */
export function isBefore(i: Frame, k: Frame): boolean {
  const thread = threadOf(i.who);
  return k.clock[thread]! >= i.depth || (threadOf(k.who) === thread && k.depth >= i.depth);
}
