// Entry of a real thread that repeats its part of a schedule: it runs the program's function as it
// was written, in a worker, on shared memory; each primitive waits for its turn, does the real
// atomic operation, compares what it got with the plan, and passes the turn on.
import { parentPort, workerData } from "node:worker_threads";
import { PRIMITIVE_TABLE } from "../requests.js";
import { Runtime } from "../runtime.js";
import { KERNEL_FIRST } from "../search/kernel-steps.js";
import { failureOf } from "../search/kernel/failures.js";
import { evaluate } from "../source/evaluate.js";
import { boundsOf, unpack } from "../source/unpack.js";
import { FREE, OP, OP_NAMES, type Step, UNINIT, VERDICTS, type Verdict } from "../types.js";
import { Baton, Stopped } from "./baton.js";
import { type Job, type Report, SAME_ROUNDS, type TeamData } from "./messages.js";
import type { PlanStep } from "./plan.js";

const data = workerData as TeamData;
const runtime = new Runtime();
const parts = unpack(
  evaluate(data.code, data.file, { door: doorOf(), $: null }),
  data.file,
  data.uses,
);
const { names, handles } = parts.memory;
runtime.bounds = boundsOf(parts);

function doorOf(): Record<string, unknown> {
  const door: Record<string, unknown> = { program: (spec: unknown) => spec, UNINIT, FREE };
  for (const op of [...PRIMITIVE_TABLE.keys(), "assert", "tick"]) {
    door[op] = (...args: readonly unknown[]) => primitive(op, args);
  }
  return door;
}

/** Ends the thread with a verdict. */
class Failed extends Error {
  readonly verdict: Verdict;

  constructor(verdict: Verdict, message: string) {
    super(message);
    this.verdict = verdict;
  }
}

class Diverged extends Error {}

interface Run {
  readonly job: Job;
  readonly m: Int32Array;
  readonly baton: Baton;
  /** How often each list of values was ticked since the last shared access. */
  readonly ticks: Map<string, number>;
}

let run: Run | null = null;

parentPort!.on("message", (job: Job) => {
  const { baton, steps, thread } = job;
  const schedule = steps.map((one) => one.thread);
  run = {
    job,
    m: new Int32Array(job.memory),
    baton: new Baton(baton, schedule, thread),
    ticks: new Map(),
  };
  try {
    report(perform(job));
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
  // Nobody else may be here still: the next repetition uses other memory.
  parentPort!.postMessage({ ready: thread });
});

function perform(job: Job): Omit<Report, "thread"> {
  try {
    act(job);
    return { how: "done", verdict: null, message: "", addr: 0 };
  } catch (error) {
    if (error instanceof Stopped) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Diverged) return { how: "diverged", verdict: null, message, addr: 0 };
    const isFailed = error instanceof Failed;
    const verdict = isFailed ? error.verdict : "ASSERT";
    return { how: "failed", verdict, message: isFailed ? message : `threw ${message}`, addr: 0 };
  }
}

/** A thread's life: a task's function once, a handler's each time that it is raised. */
function act({ thread, isFinal }: Job): void {
  const call = (code: unknown, argument: number) =>
    (code as (handles: unknown, argument: number) => unknown)(handles, argument);
  if (isFinal) {
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
      bare(OP.migrate);
      continue;
    }
    call(code, bare(OP.enter));
    bare(OP.leave);
  }
}

/** A step that no primitive stands for. */
function bare(kind: number): number {
  const value = inTurn(run!, { kind, addr: 0, a: 0, b: 0, site: -1, message: "" });
  const wrong = failureOf(value);
  if (wrong !== null) throw new Failed(wrong.verdict, wrong.message);
  return value;
}

function report(what: Omit<Report, "thread">): void {
  parentPort!.postMessage({ thread: run!.job.thread, ...what });
}

/** What the program's names of primitives are bound to. */
function primitive(op: string, args: readonly unknown[]): unknown {
  if (run === null) throw new Error(`${op} was called while the module was loaded`);
  if (op === "assert") {
    if (!args[0]) throw new Failed("ASSERT", String(args[1] ?? "assertion failed"));
    return undefined;
  }
  if (op === "tick") return tick(run, args);
  run.ticks.clear();
  // The explorer's own reading of the call: its steps, and what it returns.
  const reading = runtime.step(0, { op, args });
  let next = reading.next();
  while (next.done !== true) {
    const step = next.value;
    if (step.kind === OP.fail) throw new Failed(VERDICTS[step.a] ?? "MISUSE", step.message);
    if (step.kind === OP.limit) throw new Failed("UNDECIDED", step.message);
    next = reading.next(run.job.isFinal ? access(run, step, null) : inTurn(run, step));
  }
  return next.value;
}

function inTurn(one: Run, step: Step): number {
  const at = one.baton.take();
  if (at < 0) return stand(one, step);
  const plan = one.job.steps[at]!;
  const isPlanned =
    step.kind === plan.kind && step.addr === plan.addr && step.a === plan.a && step.b === plan.b;
  if (!isPlanned) {
    throw new Diverged(`step ${at + 1}: ${textOf(step)} instead of ${textOf(plan)}`);
  }
  try {
    const value = access(one, step, plan);
    if (value === plan.value) return value;
    throw new Diverged(`step ${at + 1}: ${textOf(step)} got ${value} instead of ${plan.value}`);
  } finally {
    // Whoever fails here has taken the step: the others are told to go on, and where they stand.
    one.baton.pass();
  }
}

/** The same values again and again, and no shared access between: the loop does not end. */
function tick(one: Run, live: readonly unknown[]): undefined {
  const text = live.join();
  const rounds = (one.ticks.get(text) ?? 0) + 1;
  one.ticks.set(text, rounds);
  if (live.length > 0 && rounds > SAME_ROUNDS) {
    throw new Failed("LOCKUP", `${SAME_ROUNDS} rounds with the same values (${text})`);
  }
  return undefined;
}

/** After the last step of the schedule: waits if the step would wait. Never returns. */
function stand(one: Run, step: Step): never {
  const { m, job, baton } = one;
  const { kind, addr, a } = step;
  const value = addr === 0 ? 0 : Atomics.load(m, addr);
  const waits =
    (kind === OP.lock && value !== 0) ||
    (kind === OP.waitWhile && value === a) ||
    (kind === OP.waitUntil && value !== a);
  if (waits) {
    report({ how: "blocked", verdict: null, message: textOf(step), addr });
    for (;;) {
      baton.check();
      Atomics.wait(m, addr, value);
    }
  }
  // Steps of other kinds wait by rules that only the explorer knows.
  const how = kind >= KERNEL_FIRST && job.end.how === "blocked" ? "blocked" : "open";
  report({ how, verdict: null, message: textOf(step), addr: 0 });
  return baton.rest();
}

/** The real operation on the shared words. */
function access({ m, job }: Run, step: Step, plan: PlanStep | null): number {
  const { kind, addr, a, b } = step;
  const holder = job.thread + 1;
  switch (kind) {
    case OP.ld:
    case OP.waitWhile:
    case OP.waitUntil:
      return Atomics.load(m, addr);
    case OP.st:
      Atomics.store(m, addr, a);
      Atomics.notify(m, addr);
      return 0;
    case OP.add:
      return Atomics.add(m, addr, a);
    case OP.cas:
      return Atomics.compareExchange(m, addr, a, b);
    case OP.xchg:
      return Atomics.exchange(m, addr, a);
    case OP.setBits:
      return Atomics.or(m, addr, a);
    case OP.clearBits:
      return Atomics.and(m, addr, ~a);
    case OP.lock:
      if (Atomics.compareExchange(m, addr, 0, holder) === 0) return 0;
      throw new Diverged(`${textOf(step)}: another thread holds it`);
    case OP.tryLock:
      return Atomics.compareExchange(m, addr, 0, holder) === 0 ? 1 : 0;
    case OP.unlock:
      if (Atomics.compareExchange(m, addr, holder, 0) === holder) return 0;
      throw new Failed("MISUSE", "unlock of a lock that this thread does not hold");
    case OP.choose:
      return plan?.value ?? 0;
    case OP.read:
      return m[addr] as number;
    case OP.write:
      m[addr] = a;
      return 0;
    default:
      return change(m, step, plan);
  }
}

/** A step on several words (a grace period, a queued work item): each changes as planned. */
function change(m: Int32Array, step: Step, plan: PlanStep | null): number {
  if (plan === null) return Atomics.load(m, step.addr);
  for (const [addr, before, after] of plan.changes) {
    const value = Atomics.compareExchange(m, addr, before, after);
    if (value !== before) throw new Diverged(`${textOf(step)}: word ${addr} was ${value}`);
  }
  return plan.value;
}

function textOf({ kind, addr, a, b }: Pick<Step, "kind" | "addr" | "a" | "b">): string {
  return `${OP_NAMES[kind]}(${names[addr] ?? addr}, ${a}, ${b})`;
}
