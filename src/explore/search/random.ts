// Random schedules: each step is taken by one of the enabled threads, all with the same chance. For
// programs too big for the other engines; it finds, it never proves. Seeded.
import { nowMs } from "../../base/clock.js";
import { Random } from "../../base/random.js";
import type { TokenMove } from "../text/token.js";
import { act, HOW, NODE, NODE_SHIFT } from "./node-table.js";
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
  /** The threads that have not ended, then unused places. */
  private readonly alive: Int32Array;
  /** Their nodes. */
  private readonly nodes: Int32Array;
  private readonly moves: Int32Array;
  private length = 0;
  private random: number;

  constructor(machine: Machine, { seed, maxSteps }: RandomBounds) {
    this.machine = machine;
    this.start = machine.initial();
    this.s = machine.initial();
    this.alive = new Int32Array(machine.threads.length);
    this.nodes = new Int32Array(machine.threads.length);
    this.moves = new Int32Array(maxSteps);
    this.random = new Random(seed).next() | 1;
  }

  bad(): { moves: TokenMove[]; end: Vector } {
    return { moves: decode(this.moves.subarray(0, this.length)), end: this.s.slice() };
  }

  /** One execution. One that reaches the bound on steps does not end badly. */
  endsBadly(): boolean {
    const { machine, s, alive, nodes, moves } = this;
    const { table } = machine;
    const limit = moves.length;
    // On shared CPUs, even a load can have to wait.
    const isPlain = machine.program.kernel === undefined;
    let { words, edges } = table;
    let living = this.restart();
    let random = this.random;
    let step = 0;
    for (; living > 0 && step < limit; step++) {
      // Xorshift, as in base/random; 24 bits of it choose one of 52 threads at most.
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const place = Math.imul(random >>> 8, living) >>> 24;
      const thread = alive[place]!;
      const node = nodes[place]!;
      const at = node << NODE_SHIFT;
      let next = 0;
      if (isPlain && words[at + NODE.how] === HOW.plain) {
        moves[step] = thread;
        const value = act(words, at, s, 0);
        if (value >>> 0 < words[at + NODE.edgeCount]!) {
          next = edges[words[at + NODE.edges]! + value]!;
        }
        if (next === 0) {
          next = machine.threads[thread]!.next(node, value);
          ({ words, edges } = table);
        }
        nodes[place] = next;
        if (words[(next << NODE_SHIFT) + NODE.how] !== HOW.end) continue;
      } else {
        if (!this.takeWary(place, living, step, random)) break;
        ({ words, edges } = table);
      }
      living = this.survivors(living);
      if (living >= 0) continue;
      step++;
      break;
    }
    this.random = random;
    this.length = step;
    if (living === 0) return machine.checkFinal(s) !== null;
    if (living > 0) this.writeNodes(living);
    return step < limit && isBad(machine, s);
  }

  /** Takes a step that may need a guard or a choice; false if no thread can take any. */
  private takeWary(wish: number, living: number, step: number, random: number): boolean {
    const { machine, s, alive, nodes } = this;
    this.writeNodes(living);
    // Uniform among the enabled threads, as whoever was wished for is one of them or not.
    const isEnabled = machine.isEnabled(s, alive[wish]!);
    const place = isEnabled ? wish : this.enabledPlace(living, random);
    if (place < 0) return false;
    const thread = alive[place]!;
    const choices = machine.choices(s, thread);
    const choice = choices === 0 ? 0 : (random & 0xff_ffff) % choices;
    machine.take(s, thread, choice);
    nodes[place] = s[machine.firstThread + thread]!;
    this.moves[step] = thread | (choice << 8) | (choices > 0 ? CHOICE : 0);
    return true;
  }

  /** Brings the nodes of living threads into the state. */
  private writeNodes(living: number): void {
    const { s, alive, nodes } = this;
    const { firstThread } = this.machine;
    for (let i = 0; i < living; i++) s[firstThread + alive[i]!] = nodes[i]!;
  }

  /** Leaves out the threads that have returned; says how many are left, or -1 if one failed. */
  private survivors(living: number): number {
    const { machine, alive, nodes } = this;
    const { words } = machine.table;
    let left = 0;
    for (let i = 0; i < living; i++) {
      const at = nodes[i]! << NODE_SHIFT;
      if (words[at + NODE.kind]! > OP.done) {
        this.writeNodes(living);
        return -1;
      }
      if (words[at + NODE.kind] === OP.done) {
        this.s[machine.firstThread + alive[i]!] = nodes[i]!;
        continue;
      }
      alive[left] = alive[i]!;
      nodes[left++] = nodes[i]!;
    }
    return left;
  }

  /** Back to the start; returns how many threads can take steps at all. */
  private restart(): number {
    const { machine, s, start, alive, nodes } = this;
    for (let i = 0; i < s.length; i++) s[i] = start[i]!;
    for (let t = 0; t < alive.length; t++) {
      alive[t] = t;
      nodes[t] = start[machine.firstThread + t]!;
    }
    return this.survivors(alive.length);
  }

  /** The place of an enabled thread, all with the same chance; -1 if there is none. */
  private enabledPlace(living: number, random: number): number {
    const { machine, s, alive } = this;
    let enabled = 0;
    for (let i = 0; i < living; i++) if (machine.isEnabled(s, alive[i]!)) enabled++;
    // Other bits than those that picked the thread that cannot run.
    let rank = Math.imul(Math.imul(random, 0x2c1b3c6d) >>> 8, enabled) >>> 24;
    for (let i = 0; i < living; i++) {
      if (machine.isEnabled(s, alive[i]!) && rank-- === 0) return i;
    }
    return -1;
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
