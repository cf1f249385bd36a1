// Entry of a real thread that repeats its part of a program's schedule: it runs the program's
// function as it was written, with the primitives as steps that wait for their turn.
import { workerData } from "node:worker_threads";
import { PRIMITIVE_TABLE } from "../requests.js";
import { claimOf, Runtime } from "../runtime.js";
import { failureOf } from "../search/kernel/failures.js";
import { evaluate } from "../source/evaluate.js";
import { boundsOf, unpack } from "../source/unpack.js";
import { FREE, OP, UNINIT, VERDICTS } from "../types.js";
import type { Job, ProgramData } from "./messages.js";
import { Failed, repeatFor, type Turns } from "./turns.js";

const data = workerData as ProgramData;
const runtime = new Runtime();
let turns: Turns | null = null;
const parts = unpack(
  evaluate(data.code, data.file, { door: doorOf(), $: null }),
  data.file,
  data.uses,
);
const { names, handles } = parts.memory;
runtime.bounds = boundsOf(parts);
repeatFor(
  (own, job) => {
    turns = own;
    live(own, job);
  },
  (addr) => names[addr] ?? String(addr),
);

function doorOf(): Record<string, unknown> {
  const door: Record<string, unknown> = { program: (spec: unknown) => spec, UNINIT, FREE };
  for (const op of [...PRIMITIVE_TABLE.keys(), "assert", "tick"]) {
    door[op] = (...args: readonly unknown[]) => primitive(op, args);
  }
  return door;
}

/** A task's function runs once, a handler's each time that it is raised. */
function live(own: Turns, { thread, isAlone }: Job): void {
  const call = (code: unknown, argument: number) =>
    (code as (handles: unknown, argument: number) => unknown)(handles, argument);
  if (isAlone) {
    call(parts.final, 0);
    return;
  }
  const { run: code, placement } = parts.threads[thread]!;
  if (placement.mover < 0 && placement.context === "task") {
    call(code, 0);
    return;
  }
  for (;;) {
    if (placement.mover >= 0) {
      bare(own, OP.migrate);
      continue;
    }
    call(code, bare(own, OP.enter));
    bare(own, OP.leave);
  }
}

/** A step that no primitive stands for. */
function bare(own: Turns, kind: number): number {
  const value = own.step({ kind, addr: 0, a: 0, b: 0 });
  const wrong = failureOf(value);
  if (wrong !== null) throw new Failed(wrong.verdict, wrong.message);
  return value;
}

/** What the program's names of primitives are bound to. */
function primitive(op: string, args: readonly unknown[]): unknown {
  if (turns === null) throw new Error(`${op} was called while the module was loaded`);
  if (op === "assert") {
    if (!args[0]) throw new Failed(...claimOf(args));
    return undefined;
  }
  if (op === "tick") return turns.tick(args);
  // The explorer's own reading of the call: its steps, and what it returns.
  const reading = runtime.step(0, { op, args });
  let next = reading.next();
  while (next.done !== true) {
    const step = next.value;
    if (step.kind === OP.fail) throw new Failed(VERDICTS[step.a] ?? "MISUSE", step.message);
    if (step.kind === OP.limit) throw new Failed("UNDECIDED", step.message);
    next = reading.next(turns.step(step));
  }
  return next.value;
}
