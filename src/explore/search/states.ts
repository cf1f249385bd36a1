// The stateful engine: breadth first over all states of a machine, each kept whole (no state is
// taken for another because hashes agree) and expanded once, with its edges. What it returns is the
// graph that counting, cycle search and minimizing work on.
import { nowMs } from "../../base/clock.js";
import type { Step, Verdict } from "../types.js";
import { OP, VERDICTS } from "../types.js";
import type { Machine, Vector } from "./machine.js";

/** Most words of all states together: half a gigabyte. */
const WORDS_MAX = 2 ** 27;

/** Why a state has no successors, or 0. */
export const END = { none: 0, done: 1, blocked: 2, failed: 3, unexpanded: 4 } as const;

export interface Violation {
  readonly verdict: Verdict;
  readonly state: number;
  readonly message: string;
  readonly site: number;
}

export interface SearchBounds {
  readonly maxStates: number;
  readonly maxSeconds: number;
}

/** Numbers in an array that grows. */
export class Growing {
  data = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) {
      const wider = new Int32Array(2 * this.data.length);
      wider.set(this.data);
      this.data = wider;
    }
    this.data[this.length++] = value;
  }
}

export class StateGraph {
  readonly machine: Machine;
  /** First edge of each state; one entry more than expanded states. */
  readonly firstEdge = new Growing();
  readonly edgeTo = new Growing();
  /** Thread of each edge, and its choice above bit 8. */
  readonly edgeBy = new Growing();
  readonly ends = new Growing();
  readonly violations: Violation[] = [];
  /** The bound that ended the search, or null. */
  bound: string | null = null;
  count = 0;
  private arena: Int32Array;
  private table = new Int32Array(1 << 12);
  private readonly width: number;

  constructor(machine: Machine) {
    this.machine = machine;
    this.width = machine.width;
    this.arena = new Int32Array(1024 * machine.width);
  }

  /** A view of a state's words; not to be written. */
  state(index: number): Vector {
    return this.arena.subarray(index * this.width, (index + 1) * this.width);
  }

  /** Runs the search. Violations are in breadth-first order. */
  explore(bounds: SearchBounds): void {
    const { machine } = this;
    const endMs = nowMs() + 1000 * bounds.maxSeconds;
    const maxStates = Math.min(bounds.maxStates, Math.floor(WORDS_MAX / this.width));
    const scratch = machine.initial();
    this.insert(scratch);
    for (let index = 0; index < this.count; index++) {
      this.firstEdge.push(this.edgeTo.length);
      if (this.bound === null && this.count >= maxStates) {
        this.bound = `${maxStates} states`;
      } else if ((index & 0x3ff) === 0 && this.bound === null && nowMs() > endMs) {
        this.bound = `${bounds.maxSeconds} s`;
      }
      this.ends.push(this.bound === null ? this.expand(index, scratch) : END.unexpanded);
    }
    this.firstEdge.push(this.edgeTo.length);
  }

  private expand(index: number, scratch: Vector): number {
    const { machine } = this;
    const threads = machine.threads.length;
    let s = this.state(index);
    const ended = machine.ended(s);
    if (ended >= 0) return this.endOf(index, machine.stepOf(s, ended));
    let enabled = 0;
    for (let t = 0; t < threads; t++) {
      if (!machine.isEnabled(s, t)) continue;
      enabled++;
      const count = Math.max(1, machine.choices(s, t));
      for (let choice = 0; choice < count; choice++) {
        scratch.set(s);
        machine.take(scratch, t, choice);
        const to = this.insert(scratch);
        // The arena may have moved.
        s = this.state(index);
        this.edgeTo.push(to);
        this.edgeBy.push(t | (choice << 8));
      }
    }
    if (enabled > 0) return END.none;
    if (!machine.isDone(s)) {
      this.violations.push({ verdict: "DEADLOCK", state: index, message: "", site: -1 });
      return END.blocked;
    }
    const wrong = machine.checkFinal(s);
    if (wrong !== null) this.addFailure(index, wrong);
    return END.done;
  }

  private endOf(index: number, step: Step): number {
    const verdict = VERDICTS[step.a];
    if (step.kind === OP.limit) {
      this.bound ??= step.message;
      return END.unexpanded;
    }
    if (verdict !== undefined) this.addFailure(index, step);
    return END.failed;
  }

  private addFailure(state: number, step: Step): void {
    const verdict = VERDICTS[step.a] ?? "ASSERT";
    this.violations.push({ verdict, state, message: step.message, site: step.site });
  }

  /** The index of a state, which is new or known. */
  private insert(vector: Vector): number {
    if (2 * this.count >= this.table.length) this.rehash();
    const mask = this.table.length - 1;
    for (let at = hash(vector, this.width) & mask; ; at = (at + 1) & mask) {
      const entry = this.table[at] as number;
      if (entry === 0) {
        this.table[at] = this.count + 1;
        return this.append(vector);
      }
      if (this.isSame(entry - 1, vector)) return entry - 1;
    }
  }

  private isSame(index: number, vector: Vector): boolean {
    const from = index * this.width;
    for (let i = 0; i < this.width; i++) {
      if (this.arena[from + i] !== vector[i]) return false;
    }
    return true;
  }

  private append(vector: Vector): number {
    const from = this.count * this.width;
    if (from + this.width > this.arena.length) {
      const wider = new Int32Array(2 * this.arena.length);
      wider.set(this.arena);
      this.arena = wider;
    }
    this.arena.set(vector, from);
    return this.count++;
  }

  private rehash(): void {
    this.table = new Int32Array(4 * this.table.length);
    const mask = this.table.length - 1;
    for (let index = 0; index < this.count; index++) {
      let at = hash(this.state(index), this.width) & mask;
      while (this.table[at] !== 0) at = (at + 1) & mask;
      this.table[at] = index + 1;
    }
  }
}

function hash(vector: Vector, width: number): number {
  let h = 0x9747b28c;
  for (let i = 0; i < width; i++) {
    h = Math.imul(h ^ (vector[i] as number), 0xcc9e2d51);
    h ^= h >>> 15;
  }
  h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
  return (h ^ (h >>> 16)) >>> 0;
}
