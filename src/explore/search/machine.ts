// A whole program as a machine over a vector of 32-bit words: cells, locks, then the automaton node
// of each thread. Every engine steps through here, so they cannot disagree about what a step does.
import { Automaton } from "./automaton.js";
import { HOW, NODE, NODE_SHIFT } from "./node.js";
import { act, isOpen, NodeTable } from "./node-table.js";
import { PacketpathError } from "../../base/errors.js";
import { shadowedKind } from "../requests.js";
import { type LoadedProgram, OP, type Step, type ThreadCode } from "../types.js";
import {
  KERNEL_FIRST,
  kernelChoices,
  kernelConflict,
  kernelEnabled,
  kernelFinal,
  kernelTake,
  mayIdle,
  ownsCpu,
} from "./kernel-steps.js";
import { failStep } from "../runtime.js";

export type Vector = Int32Array;

const FINAL_STEPS_MAX = 10_000;

/** What a final check may do. */
const LOADS: readonly number[] = [OP.ld, OP.read, shadowedKind(OP.ld), shadowedKind(OP.read)];

export class Machine {
  readonly program: LoadedProgram;
  readonly threads: readonly Automaton[];
  /** The nodes of all threads. */
  readonly table: NodeTable;
  /** Words of a state. */
  readonly width: number;
  /** Index of the first thread's node. */
  readonly firstThread: number;

  private readonly final: Automaton | null;
  /** What the final check works on. */
  private readonly memory: Vector;

  /** Runs each thread to its first step. `table`: a new one, for who wants to see it run. */
  constructor(program: LoadedProgram, maxSteps: number, table: NodeTable = new NodeTable()) {
    this.program = program;
    this.table = table;
    const automaton = (code: ThreadCode, thread: number, depth: number) =>
      new Automaton(code, program.runtime, depth, { table: this.table, thread });
    this.threads = program.threads.map((one, t) => automaton(one, t, maxSteps));
    this.firstThread = program.initial.length;
    this.width = this.firstThread + this.threads.length;
    this.memory = new Int32Array(this.width);
    this.final =
      program.final === null
        ? null
        : automaton(program.final, this.threads.length, FINAL_STEPS_MAX);
  }

  initial(): Vector {
    const vector = new Int32Array(this.width);
    vector.set(this.program.initial);
    this.threads.forEach((one, t) => (vector[this.firstThread + t] = one.start));
    return vector;
  }

  stepOf(s: Vector, thread: number): Step {
    return this.table.steps[s[this.firstThread + thread] as number] as Step;
  }

  /** Whether the thread can take its step in this state. */
  isEnabled(s: Vector, thread: number): boolean {
    const step = this.stepOf(s, thread);
    const { kernel } = this.program;
    if (kernel !== undefined && kernel.isShared && !ownsCpu(kernel, s, step, thread)) return false;
    if (isKernel(step.kind)) return kernelEnabled(this, s, step, thread);
    const { words } = this.table;
    const at = (s[this.firstThread + thread] as number) << NODE_SHIFT;
    const how = words[at + NODE.how]!;
    return how === HOW.guarded ? isOpen(words, at, s) : how !== HOW.end;
  }

  /** How many values a free choice has; 0 for every other step. */
  choices(s: Vector, thread: number): number {
    const step = this.stepOf(s, thread);
    if (isKernel(step.kind)) return kernelChoices(this, s, step);
    return step.kind === OP.choose ? step.a : 0;
  }

  /** Takes an enabled step; `choice` counts for choose only. Returns the value it got. */
  take(s: Vector, thread: number, choice: number): number {
    const { words, edges } = this.table;
    const place = this.firstThread + thread;
    const node = s[place] as number;
    const at = node << NODE_SHIFT;
    if (words[at + NODE.how] === HOW.kernel) return this.takeKernel(s, thread, choice);
    const value = act(words, at, s, choice);
    let next = 0;
    if (value >>> 0 < words[at + NODE.edgeCount]!) {
      next = edges[words[at + NODE.edges]! + value]!;
    }
    s[place] = next === 0 ? (this.threads[thread] as Automaton).next(node, value) : next;
    return value;
  }

  private takeKernel(s: Vector, thread: number, choice: number): number {
    const step = this.stepOf(s, thread);
    const value = kernelTake(this, s, step, thread, choice);
    const place = this.firstThread + thread;
    s[place] = (this.threads[thread] as Automaton).next(s[place] as number, value);
    return value;
  }

  /** Whether the step would write, in this state (a failed compare-and-exchange does not). */
  isWrite(s: Vector, step: Step): boolean {
    const { kind, addr, a } = step;
    if (kind === OP.cas) return s[addr] === a;
    if (kind === OP.read) return false;
    return kind !== OP.ld && kind !== OP.waitWhile && kind !== OP.waitUntil;
  }

  /** Whether the steps that two threads want to take do not commute in this state. */
  threadsConflict(s: Vector, t: number, u: number): boolean {
    const x = this.stepOf(s, t);
    const y = this.stepOf(s, u);
    if (isKernel(x.kind)) return kernelConflict(this, s, [x, t], [y, u]);
    if (isKernel(y.kind)) return kernelConflict(this, s, [y, u], [x, t]);
    return this.conflict(s, x, y);
  }

  /** The same for two steps on plain cells and locks. */
  conflict(s: Vector, x: Step, y: Step): boolean {
    if (x.addr !== y.addr || x.addr === 0) return false;
    return this.isWrite(s, x) || this.isWrite(s, y);
  }

  /** The thread whose end is a verdict or a bound, or -1. */
  ended(s: Vector): number {
    for (let t = 0; t < this.threads.length; t++) {
      if (this.stepOf(s, t).kind > OP.done) return t;
    }
    return -1;
  }

  /** Whether a thread's end is a bound and no verdict. */
  isBound(s: Vector, thread: number): boolean {
    return this.stepOf(s, thread).kind === OP.limit;
  }

  /** Every thread has returned, or is a daemon that waits for work. */
  isDone(s: Vector): boolean {
    for (let t = 0; t < this.threads.length; t++) {
      const step = this.stepOf(s, t);
      const { kind } = step;
      if (kind === OP.done || mayIdle(this.program, s, step, t)) continue;
      const waits = kind === OP.waitWhile || kind === OP.waitUntil;
      const isIdle = waits && this.program.threads[t]!.isDaemon && !this.isEnabled(s, t);
      if (!isIdle) return false;
    }
    return true;
  }

  /** The first node of the final check; 0 if there is none. */
  get finalStart(): number {
    return this.final === null ? 0 : this.final.start;
  }

  /** Runs the final check on a complete execution; null if all is well. */
  checkFinal(s: Vector): Step | null {
    const leak = kernelFinal(this.program, s);
    if (leak !== null) return failStep("LEAK", leak, -1);
    const check = this.final;
    if (check === null) return null;
    const memory = this.memory;
    memory.set(s);
    for (let node = check.start, round = 0; round <= FINAL_STEPS_MAX + 1; round++) {
      const step = this.table.steps[node] as Step;
      if (step.kind === OP.done) return null;
      if (step.kind >= OP.done) return step;
      if (!LOADS.includes(step.kind)) throw this.notALoad(step);
      const value = isKernel(step.kind)
        ? kernelTake(this, memory, step, 0, 0)
        : act(this.table.words, node << NODE_SHIFT, memory, 0);
      node = check.next(node, value);
    }
    // A loop that comes back to a node: memory does not change under it.
    return failStep("LOCKUP", "it never ends", -1);
  }

  private notALoad(step: Step): PacketpathError {
    const { file, sites } = this.program;
    const site = sites[step.site];
    const place = site === undefined ? { file } : { file, line: site.line, column: site.column };
    return new PacketpathError("PROGRAM_INVALID", "a final check only loads", { place });
  }
}

function isKernel(kind: number): boolean {
  return kind >= KERNEL_FIRST && kind < OP.done;
}
