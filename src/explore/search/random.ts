// Random schedules: each step is taken by one of the enabled threads, all with the same chance. For
// programs too big for the other engines; it finds, it never proves. Seeded.
import { nowMs } from "../../base/clock.js";
import { Random } from "../../base/random.js";
import type { TokenMove } from "../text/token.js";
import { OP } from "../types.js";
import type { Machine, Vector } from "./machine.js";
import { HOW, NODE, NODE_SHIFT } from "./node.js";
import { act, isOpen } from "./node-table.js";
import { Tape, TAPE } from "./tape.js";

export interface RandomBounds {
  readonly seed: number;
  readonly maxExecutions: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
}

export interface RandomResult {
  readonly executions: number;
  readonly bound: string;
  /** The first bad execution, with the state it ended in; null if none was met. */
  readonly bad: { readonly moves: TokenMove[]; readonly end: Vector } | null;
}

export function exploreRandomly(machine: Machine, bounds: RandomBounds): RandomResult {
  const endMs = nowMs() + 1000 * bounds.maxSeconds;
  const walk = new RandomWalk(machine, bounds);
  let effort = 0;
  for (let executions = 1; executions <= bounds.maxExecutions; executions++) {
    if (walk.endsBadly()) return { executions, bound: "first failure", bad: walk.bad() };
    if ((executions & 0xff) !== 0 && machine.table.effort - effort < EFFORT_MAX) continue;
    effort = machine.table.effort;
    if (nowMs() > endMs) return { executions, bound: `${bounds.maxSeconds} s`, bad: null };
  }
  const bound = `${bounds.maxExecutions} executions`;
  return { executions: bounds.maxExecutions, bound, bad: null };
}

/** Runs of threads' code between two looks at the clock; one can last a millisecond. */
const EFFORT_MAX = 200;

/** Steps off the tape that cost as much as writing so many words of a new one. */
const WORDS_PER_STEP = 64;

/** One execution after the other, each on the same tape. */
class RandomWalk {
  private readonly machine: Machine;
  private readonly start: Vector;
  private readonly maxSteps: number;
  /** On shared CPUs, even a load can have to wait: then no step is plain. */
  private readonly isPlain: boolean;
  private tape: Tape;
  /** Steps that would have been on a newer tape. */
  private missed = 0;
  private living = 0;
  private length = 0;
  private random: number;
  /** What `random` was when the execution began. */
  private randomAtStart = 0;

  constructor(machine: Machine, { seed, maxSteps }: RandomBounds) {
    this.machine = machine;
    this.start = machine.initial();
    this.maxSteps = maxSteps;
    this.isPlain = machine.program.kernel === undefined;
    this.tape = new Tape(machine);
    this.random = new Random(seed).next() | 1;
  }

  /** The last execution, repeated: moves are not written down in all those that end well. */
  bad(): { moves: TokenMove[]; end: Vector } {
    const moves: TokenMove[] = [];
    this.random = this.randomAtStart;
    for (let isGoing = this.restart(); isGoing && this.length < this.maxSteps;) {
      isGoing = this.takeWary(this.chosen(), moves) && this.bury();
    }
    return { moves, end: this.tape.s.slice() };
  }

  /** One execution. One that reaches the bound on steps does not end badly. */
  endsBadly(): boolean {
    const { machine, maxSteps } = this;
    if (this.missed * WORDS_PER_STEP > this.tape.words.length) this.renewTape();
    let isGoing = this.restart();
    while (isGoing && this.length < maxSteps) {
      if (this.isPlain) {
        const place = this.runPlain();
        isGoing = place >= 0 && this.takeFromTape(place);
      } else {
        isGoing = this.takeWary(this.chosen(), null) && this.bury();
      }
    }
    if (this.isPlain) this.leaveTape();
    const { s } = this.tape;
    if (this.living === 0)
      return !(this.isPlain && this.isFinalQuick()) && machine.checkFinal(s) !== null;
    return this.length < maxSteps && isBad(machine, s);
  }

  private renewTape(): void {
    this.tape = new Tape(this.machine);
    this.missed = 0;
  }

  /**
   * Takes plain steps along edges on the tape until nobody is left (-1), or the thread at the place
   * that is returned wants something else. No call in here, and one array.
   */
  private runPlain(): number {
    const { words, nodes, alive } = this.tape;
    const limit = this.maxSteps;
    let { random, length, living } = this;
    let wary = -1;
    while (length < limit) {
      // Xorshift, as in base/random; 24 bits of it choose one of 52 threads at most.
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const place = Math.imul(random >>> 8, living) >>> 24;
      const at = words[nodes + place]!;
      const addr = words[at + TAPE.addr]!;
      const old = words[addr]!;
      const value = old & words[at + TAPE.value]!;
      wary = place;
      if (value >>> 0 >= words[at + TAPE.edgeCount]!) break;
      const next = words[words[at + TAPE.edges]! + value]!;
      if (next === 0) break;
      wary = -1;
      length++;
      words[addr] = (old & words[at + TAPE.and]!) + words[at + TAPE.plus]!;
      words[nodes + place] = next;
      if (next > 0) continue;
      // As `bury` does it.
      living--;
      words[nodes + place] = words[nodes + living]!;
      words[nodes + living] = -next;
      const thread = words[alive + place]!;
      words[alive + place] = words[alive + living]!;
      words[alive + living] = thread;
      if (living === 0) break;
    }
    this.living = living;
    this.random = random;
    this.length = length;
    return wary;
  }

  /**
   * The same step as `takeWary`, of whoever is at a place, while the nodes are on the tape: by
   * guard, special, or along an edge that is not there yet. False if no thread can take any, or
   * none is left.
   */
  private takeFromTape(wish: number): boolean {
    const { machine, random } = this;
    const { table } = machine;
    const { words, alive, s } = this.tape;
    const place = this.isOpenAt(wish) ? wish : this.openPlace();
    if (place < 0) return false;
    const node = this.nodeAt(place);
    const at = node << NODE_SHIFT;
    const isChoice = table.words[at + NODE.kind] === OP.choose;
    const choice = isChoice ? (random & 0xff_ffff) % table.words[at + NODE.a]! : 0;
    const value = act(table.words, at, s, choice);
    const thread = words[alive + place]!;
    let next = 0;
    if (value >>> 0 < table.words[at + NODE.edgeCount]!) {
      next = table.edges[table.words[at + NODE.edges]! + value]!;
      if (place === wish && table.words[at + NODE.how] === HOW.plain) this.missed++;
    }
    if (next === 0) next = machine.threads[thread]!.next(node, value);
    this.length++;
    this.putNode(place, thread, next);
    const how = table.words[(next << NODE_SHIFT) + NODE.how];
    return how !== HOW.end || this.endAt(place, next);
  }

  /** Puts a thread that has ended behind the living; false if none is left or it has failed. */
  private endAt(place: number, node: number): boolean {
    const { words, nodes, alive } = this.tape;
    const { table } = this.machine;
    if (table.words[(node << NODE_SHIFT) + NODE.kind] !== OP.done) return false;
    const last = --this.living;
    const thread = words[alive + place]!;
    const at = words[nodes + place]!;
    words[nodes + place] = words[nodes + last]!;
    words[alive + place] = words[alive + last]!;
    words[nodes + last] = at;
    words[alive + last] = thread;
    return this.living > 0;
  }

  private isOpenAt(place: number): boolean {
    const { words } = this.machine.table;
    const at = this.nodeAt(place) << NODE_SHIFT;
    return words[at + NODE.how] !== HOW.guarded || isOpen(words, at, this.tape.s);
  }

  /** As `enabledPlace`. */
  private openPlace(): number {
    const { living } = this;
    let open = 0;
    for (let i = 0; i < living; i++) if (this.isOpenAt(i)) open++;
    let rank = this.rankBelow(open);
    for (let i = 0; i < living; i++) if (this.isOpenAt(i) && rank-- === 0) return i;
    return -1;
  }

  /** The node of the thread at a place. What is not on the tape is in the state. */
  private nodeAt(place: number): number {
    const { words, s, nodes, alive } = this.tape;
    const node = words[words[nodes + place]! + TAPE.node]!;
    return node === 0 ? s[this.machine.firstThread + words[alive + place]!]! : node;
  }

  private putNode(place: number, thread: number, node: number): void {
    const { tape } = this;
    tape.words[tape.nodes + place] = tape.placeOf(node);
    tape.s[this.machine.firstThread + thread] = node;
  }

  /** Writes the nodes that the run has come to into the state. */
  private leaveTape(): void {
    const { words, s, alive } = this.tape;
    const { firstThread, threads } = this.machine;
    for (let i = 0; i < threads.length; i++) {
      s[firstThread + words[alive + i]!] = this.nodeAt(i);
    }
  }

  /** The place of a living thread, all with the same chance. */
  private chosen(): number {
    let { random } = this;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.random = random;
    return Math.imul(random >>> 8, this.living) >>> 24;
  }

  /** The thread at a place among the living. */
  private threadAt(place: number): number {
    return this.tape.words[this.tape.alive + place]!;
  }

  /**
   * Takes a step that may need a guard, a choice or a new edge; false if no thread can take
   * any.
   */
  private takeWary(wish: number, moves: TokenMove[] | null): boolean {
    const { machine, random } = this;
    const { s } = this.tape;
    // Uniform among the enabled threads, as whoever was wished for is one of them or not.
    const place = machine.isEnabled(s, this.threadAt(wish)) ? wish : this.enabledPlace();
    if (place < 0) return false;
    const thread = this.threadAt(place);
    const choices = machine.choices(s, thread);
    const choice = choices === 0 ? 0 : (random & 0xff_ffff) % choices;
    machine.take(s, thread, choice);
    this.length++;
    moves?.push({ thread, choice, isChoice: choices > 0 });
    return true;
  }

  /** The place of an enabled thread, all with the same chance; -1 if there is none. */
  private enabledPlace(): number {
    const { machine, living } = this;
    const { s } = this.tape;
    let enabled = 0;
    for (let i = 0; i < living; i++) if (machine.isEnabled(s, this.threadAt(i))) enabled++;
    let rank = this.rankBelow(enabled);
    for (let i = 0; i < living; i++) {
      if (machine.isEnabled(s, this.threadAt(i)) && rank-- === 0) return i;
    }
    return -1;
  }

  /** By other bits than those that picked the thread that cannot run. */
  private rankBelow(count: number): number {
    return Math.imul(Math.imul(this.random, 0x2c1b3c6d) >>> 8, count) >>> 24;
  }

  /** Puts threads that have returned behind the living; false if none is left or one has failed. */
  private bury(): boolean {
    const { words, s, alive } = this.tape;
    const { table, firstThread } = this.machine;
    for (let i = this.living - 1; i >= 0; i--) {
      const thread = words[alive + i]!;
      const at = s[firstThread + thread]! << NODE_SHIFT;
      if (table.words[at + NODE.how] !== HOW.end) continue;
      if (table.words[at + NODE.kind] !== OP.done) return false;
      const last = --this.living;
      words[alive + i] = words[alive + last]!;
      words[alive + last] = thread;
    }
    return this.living > 0;
  }

  /** Whether the final check is known to be content; it only loads, so that it can run in place. */
  private isFinalQuick(): boolean {
    const { machine } = this;
    const { s } = this.tape;
    const { words, edges } = machine.table;
    // What takes long may have no end; the machine tells.
    for (let node = machine.finalStart, round = 0; node !== 0 && round < 1000; round++) {
      const at = node << NODE_SHIFT;
      if (words[at + NODE.kind] === OP.done) return true;
      if (words[at + NODE.kind] !== OP.ld) return false;
      const value = s[words[at + NODE.addr]!]!;
      if (value >>> 0 >= words[at + NODE.edgeCount]!) return false;
      node = edges[words[at + NODE.edges]! + value]!;
    }
    return false;
  }

  /** Back to the start; false if no thread can take a step at all. */
  private restart(): boolean {
    const { start, machine, tape } = this;
    for (let i = 0; i < start.length; i++) tape.words[i] = start[i]!;
    for (let t = 0; t < machine.threads.length; t++) tape.words[tape.alive + t] = t;
    this.living = machine.threads.length;
    this.length = 0;
    this.randomAtStart = this.random;
    const isGoing = this.bury();
    for (let i = 0; i < machine.threads.length; i++) {
      const thread = this.threadAt(i);
      this.putNode(i, thread, start[machine.firstThread + thread]!);
    }
    return isGoing;
  }
}

function isBad(machine: Machine, s: Vector): boolean {
  const ended = machine.ended(s);
  if (ended >= 0) return machine.stepOf(s, ended).message !== "" && !machine.isBound(s, ended);
  return !machine.isDone(s) || machine.checkFinal(s) !== null;
}
