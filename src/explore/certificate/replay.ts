// The part of the checker that runs a thread's own code on the values that its local states were
// reached by, and says what each wants to do next. One run at a time: the program's frames are
// shared. Any thread.
import { type Frames, OP, type Step, type ThreadCode } from "../types.js";
import { stepHash } from "./digest.js";

export function refuse(what: string): never {
  throw new Error(what);
}

export function isRead(kind: number): boolean {
  return kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
}

/** Runs the code to its next step. */
export function resume(
  run: Generator<Step, unknown, number>,
  frames: Frames,
  value?: number,
): Step {
  frames.seen.clear();
  frames.isReset = false;
  const { value: step, done } = value === undefined ? run.next() : run.next(value);
  return done === true ? { kind: OP.done, addr: 0, a: 0, b: 0, site: -1, message: "" } : step;
}

/** The local states of one thread: what each does next, and where the value it gets leads to. */
export interface Local {
  readonly steps: Step[];
  readonly hashes: number[];
  readonly next: Map<number, number>[];
}

/**
 * All local states from their edges: from, value received, to; a `to` that is new makes a state.
 * @throws Error when the code says otherwise.
 */
export function localStates(code: ThreadCode, frames: Frames, edges: Int32Array): Local {
  const local: Local = { steps: [], hashes: [], next: [] };
  const keys: string[] = [];
  const from = [-1];
  const add = (step: Step): void => {
    if (step.kind > OP.done) refuse(`${code.name} can end badly: ${step.message}`);
    keys.push(frames.keys.join("/"));
    local.steps.push(step);
    local.hashes.push(stepHash(step));
    local.next.push(new Map());
  };
  const begin = () => {
    frames.keys = [""];
    run = code.start();
    return resume(run, frames);
  };
  let run = code.start();
  add(begin());
  for (let e = 0, at = 0; e < edges.length; e += 3) {
    const [node, value, to] = [edges[e]!, edges[e + 1]!, edges[e + 2]!];
    if (!(node in keys) || to > keys.length) refuse(`${code.name}: an edge out of nowhere`);
    if (local.next[node]!.has(value)) refuse(`${code.name}: an edge twice`);
    if (at !== node) {
      const log: number[] = [];
      for (let one = node; one > 0; one = edges[from[one]!]!) log.push(edges[from[one]! + 1]!);
      begin();
      for (const before of log.reverse()) resume(run, frames, before);
    }
    const step = resume(run, frames, value);
    const isNew = to === keys.length;
    const isSame = keys[to] === frames.keys.join("/") && local.hashes[to] === stepHash(step);
    if (!isNew && !isSame) refuse(`${code.name}: an edge leads to another local state`);
    if (isNew) add(step);
    if (isNew) from.push(e);
    at = isNew ? to : -1;
    local.next[node]!.set(value, to);
  }
  return local;
}
