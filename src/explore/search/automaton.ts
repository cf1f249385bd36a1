// One thread of a program as a finite automaton that grows as it is explored. A node is a local
// state with the step it wants to take; an edge is the value that the step got back. The thread's
// code runs only when an edge is followed for the first time; after that a step of the search is a
// few array reads. Nodes with equal keys at loop heads are one node, so that a spin is a cycle.
// Every engine steps through this file.
import { EndlessLoop, failStep, TooManyRounds } from "../runtime.js";
import { PacketpathError } from "../../base/errors.js";
import { type Frames, OP, type Step, type ThreadCode } from "../types.js";

/** Not a 32-bit value: the edge of a step that cannot be taken rightly (unlock without lock). */
export const BAD_VALUE = 2 ** 40;

export class Automaton {
  readonly steps: Step[] = [];
  private readonly firstValue: number[] = [];
  private readonly firstNext: number[] = [];
  private readonly others: (Map<number, number> | null)[] = [];
  private readonly parent: number[] = [];
  private readonly parentValue: number[] = [];
  private readonly depth: number[] = [];
  private readonly byKey = new Map<string, number>();
  private readonly code: ThreadCode;
  private readonly frames: Frames;
  private readonly maxDepth: number;
  /** The run that last made a node, kept so that going on from there needs no replay. */
  private live: { node: number; run: Generator<Step, unknown, number>; keys: string[] } | null =
    null;

  constructor(code: ThreadCode, frames: Frames, maxDepth: number) {
    this.code = code;
    this.frames = frames;
    this.maxDepth = maxDepth;
    const run = code.start();
    this.useKeys([""]);
    const step = this.resume(run, null);
    this.addNode(step, -1, 0);
    this.live = { node: 0, run, keys: this.frames.keys };
  }

  /** The node that `value` leads to from `node`. */
  next(node: number, value: number): number {
    if (this.firstValue[node] === value) return this.firstNext[node] as number;
    const known = this.others[node]?.get(value);
    if (known !== undefined) return known;
    const made = this.grow(node, value);
    if (this.firstNext[node] === -1) {
      this.firstValue[node] = value;
      this.firstNext[node] = made;
    } else {
      const map = this.others[node] ?? new Map<number, number>();
      map.set(value, made);
      this.others[node] = map;
    }
    return made;
  }

  private grow(node: number, value: number): number {
    const from = this.steps[node] as Step;
    if (value === BAD_VALUE) {
      const message = "unlock of a lock that this thread does not hold";
      return this.addNode(failStep("MISUSE", message, from.site), node, value);
    }
    if ((this.depth[node] as number) >= this.maxDepth) {
      const message = `more than ${this.maxDepth} steps of one thread`;
      return this.addNode({ ...from, kind: OP.limit, message }, node, value);
    }
    const run = this.runAt(node);
    const step = this.resume(run, value);
    const isEnd = step.kind >= OP.done;
    const key = `${this.frames.keys.join("/")}|${step.kind},${step.addr},${step.a},${step.b}`;
    const isMergeable = this.frames.isReset && !isEnd;
    let made = isMergeable ? this.byKey.get(key) : undefined;
    if (made === undefined) {
      made = this.addNode(step, node, value);
      if (isMergeable) this.byKey.set(key, made);
    }
    this.live = isEnd ? null : { node: made, run, keys: this.frames.keys };
    return made;
  }

  /** A run of the thread's code that stands at `node`. */
  private runAt(node: number): Generator<Step, unknown, number> {
    if (this.live !== null && this.live.node === node) {
      this.frames.keys = this.live.keys;
      return this.live.run;
    }
    const values: number[] = [];
    for (let one = node; one > 0; one = this.parent[one] as number) {
      values.push(this.parentValue[one] as number);
    }
    const run = this.code.start();
    this.useKeys([""]);
    this.resume(run, null);
    for (let i = values.length - 1; i >= 0; i--) this.resume(run, values[i] as number);
    return run;
  }

  private useKeys(keys: string[]): void {
    this.frames.keys = keys;
  }

  /** Runs the code to its next step. */
  private resume(run: Generator<Step, unknown, number>, value: number | null): Step {
    this.frames.seen.clear();
    this.frames.isReset = false;
    try {
      const { value: step, done } = value === null ? run.next() : run.next(value);
      if (done !== true) return step;
      return { kind: OP.done, addr: 0, a: 0, b: 0, site: -1, message: "" };
    } catch (error) {
      if (error instanceof EndlessLoop) return failStep("LOCKUP", error.message, error.site);
      if (error instanceof PacketpathError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      if (!(error instanceof TooManyRounds)) return failStep("ASSERT", `threw ${message}`, -1);
      return { kind: OP.limit, addr: 0, a: 0, b: 0, site: -1, message };
    }
  }

  private addNode(step: Step, parent: number, value: number): number {
    this.steps.push(step);
    this.firstValue.push(NaN);
    this.firstNext.push(-1);
    this.others.push(null);
    this.parent.push(parent);
    this.parentValue.push(value);
    this.depth.push(parent < 0 ? 0 : (this.depth[parent] as number) + 1);
    return this.steps.length - 1;
  }
}
