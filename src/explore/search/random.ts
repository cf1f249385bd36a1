// Random schedules: each step is taken by one of the enabled threads, all with the same chance. For
// programs too big for the other engines; it finds, it never proves. Seeded.
import { nowMs } from "../../base/clock.js";
import { Random } from "../../base/random.js";
import type { TokenMove } from "../text/token.js";
import { HOW, NODE, NODE_SHIFT } from "./node-table.js";
import { OP } from "../types.js";
import type { Machine, Vector } from "./machine.js";

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

/** One execution after the other, each on the same state. */
class RandomWalk {
  private readonly machine: Machine;
  private readonly start: Vector;
  private readonly s: Vector;
  /** All threads; the first `living` are those that have not ended. */
  private readonly alive: Int32Array;
  /** Their nodes; those in the state are behind until `writeNodes`. */
  private readonly nodes: Int32Array;
  private readonly moves: Int32Array;
  private living = 0;
  private length = 0;
  private random: number;

  constructor(machine: Machine, { seed, maxSteps }: RandomBounds) {
    this.machine = machine;
    this.start = machine.initial();
    this.s = machine.initial();
    this.alive = Int32Array.from(machine.threads.keys());
    this.nodes = new Int32Array(machine.threads.length);
    this.moves = new Int32Array(maxSteps);
    this.random = new Random(seed).next() | 1;
  }

  bad(): { moves: TokenMove[]; end: Vector } {
    return { moves: decode(this.moves.subarray(0, this.length)), end: this.s.slice() };
  }

  /** One execution. One that reaches the bound on steps does not end badly. */
  endsBadly(): boolean {
    const { machine, s, moves } = this;
    // On shared CPUs, even a load can have to wait.
    const isPlain = machine.program.kernel === undefined;
    for (let isGoing = this.restart(); isGoing && this.length < moves.length;) {
      const place = isPlain ? this.runPlain() : this.chosen();
      isGoing = place >= 0 && this.takeWary(place) && this.bury();
    }
    if (this.living === 0)
      return !(isPlain && this.isFinalQuick()) && machine.checkFinal(s) !== null;
    this.writeNodes();
    return this.length < moves.length && isBad(machine, s);
  }

  /**
   * Takes plain steps along known edges until nobody is left or a thread fails (-1), or the thread
   * at the place that is returned wants something else. No call in here, so that the compiler can
   * keep the arrays in registers.
   */
  private runPlain(): number {
    const { s, alive, nodes, moves } = this;
    const { words, edges } = this.machine.table;
    const limit = moves.length;
    let { random, length, living } = this;
    let wary = -1;
    while (length < limit) {
      // Xorshift, as in base/random; 24 bits of it choose one of 52 threads at most.
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const place = Math.imul(random >>> 8, living) >>> 24;
      const at = nodes[place]! << NODE_SHIFT;
      wary = place;
      if (words[at + NODE.how] !== HOW.plain) break;
      const addr = words[at + NODE.addr]!;
      const old = s[addr]!;
      const value = old & words[at + NODE.value]!;
      if (value >>> 0 >= words[at + NODE.edgeCount]!) break;
      const next = edges[words[at + NODE.edges]! + value]!;
      if (next === 0) break;
      wary = -1;
      s[addr] = ((old & words[at + NODE.and]!) ^ words[at + NODE.xor]!) + words[at + NODE.plus]!;
      moves[length++] = alive[place]!;
      nodes[place] = next;
      if (words[next << NODE_SHIFT] !== HOW.end) continue;
      if (words[(next << NODE_SHIFT) + NODE.kind] !== OP.done) break;
      living--;
      nodes[place] = nodes[living]!;
      nodes[living] = next;
      const thread = alive[place]!;
      alive[place] = alive[living]!;
      alive[living] = thread;
      if (living === 0) break;
    }
    this.living = living;
    this.random = random;
    this.length = length;
    return wary;
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

  /** Takes a step that may need a guard, a choice or a new edge; false if no thread can take any. */
  private takeWary(wish: number): boolean {
    const { machine, s, alive, random } = this;
    this.writeNodes();
    // Uniform among the enabled threads, as whoever was wished for is one of them or not.
    const place = machine.isEnabled(s, alive[wish]!) ? wish : this.enabledPlace();
    if (place < 0) return false;
    const thread = alive[place]!;
    const choices = machine.choices(s, thread);
    const choice = choices === 0 ? 0 : (random & 0xff_ffff) % choices;
    machine.take(s, thread, choice);
    this.nodes[place] = s[machine.firstThread + thread]!;
    this.moves[this.length++] = thread | (choice << 8) | (choices > 0 ? CHOICE : 0);
    return true;
  }

  /** The place of an enabled thread, all with the same chance; -1 if there is none. */
  private enabledPlace(): number {
    const { machine, s, alive, living } = this;
    let enabled = 0;
    for (let i = 0; i < living; i++) if (machine.isEnabled(s, alive[i]!)) enabled++;
    // Other bits than those that picked the thread that cannot run.
    let rank = Math.imul(Math.imul(this.random, 0x2c1b3c6d) >>> 8, enabled) >>> 24;
    for (let i = 0; i < living; i++) {
      if (machine.isEnabled(s, alive[i]!) && rank-- === 0) return i;
    }
    return -1;
  }

  private writeNodes(): void {
    const { s, alive, nodes } = this;
    const { firstThread } = this.machine;
    for (let i = 0; i < alive.length; i++) s[firstThread + alive[i]!] = nodes[i]!;
  }

  /** Puts threads that have returned behind the living; false if none is left or one has failed. */
  private bury(): boolean {
    const { alive, nodes } = this;
    const { words } = this.machine.table;
    for (let i = this.living - 1; i >= 0; i--) {
      const node = nodes[i]!;
      const at = node << NODE_SHIFT;
      if (words[at + NODE.how] !== HOW.end) continue;
      if (words[at + NODE.kind] !== OP.done) return false;
      const last = --this.living;
      const thread = alive[i]!;
      nodes[i] = nodes[last]!;
      alive[i] = alive[last]!;
      nodes[last] = node;
      alive[last] = thread;
    }
    return this.living > 0;
  }

  /** Whether the final check is known to be content; it only loads, so that it can run in place. */
  private isFinalQuick(): boolean {
    const { s, machine } = this;
    const { words, edges } = machine.table;
    for (let node = machine.finalStart; node !== 0;) {
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
    const { s, start, alive, nodes } = this;
    const { firstThread } = this.machine;
    for (let i = 0; i < firstThread; i++) s[i] = start[i]!;
    for (let i = 0; i < alive.length; i++) nodes[i] = start[firstThread + alive[i]!]!;
    this.living = alive.length;
    this.length = 0;
    return this.bury();
  }
}

const CHOICE = 1 << 20;

function decode(moves: Int32Array): TokenMove[] {
  return Array.from(moves, (move) => ({
    thread: move & 0xff,
    choice: (move >> 8) & 0xfff,
    isChoice: (move & CHOICE) !== 0,
  }));
}

function isBad(machine: Machine, s: Vector): boolean {
  const ended = machine.ended(s);
  if (ended >= 0) return machine.stepOf(s, ended).message !== "" && !machine.isBound(s, ended);
  return !machine.isDone(s) || machine.checkFinal(s) !== null;
}
