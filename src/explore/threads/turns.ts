// One repetition in one real thread: each step waits for its turn, does the real atomic operation
// on shared memory, compares what it got with the plan, and passes the turn on. Worker threads.
import { parentPort } from "node:worker_threads";
import { KERNEL_FIRST } from "../search/kernel-steps.js";
import { OP, OP_NAMES, type Step, type Verdict } from "../types.js";
import { Baton, Stopped } from "./baton.js";
import { type Job, type Report, SAME_ROUNDS } from "./messages.js";
import type { PlanStep } from "./plan.js";

/** Ends the thread with a verdict. */
export class Failed extends Error {
  readonly verdict: Verdict;

  constructor(verdict: Verdict, message: string) {
    super(message);
    this.verdict = verdict;
  }
}

/** Ends the repetition: the thread does something else than the explorer says. */
export class Diverged extends Error {}

/** What a thread wants to do. */
export type Wanted = Pick<Step, "kind" | "addr" | "a" | "b">;

/** What a thread does in a repetition, from its beginning to its end. */
export type Life = (turns: Turns, job: Job) => unknown;

/** Lives a life per job that the main thread sends, and reports how it comes out. */
export function repeatFor(life: Life, nameOf: (addr: number) => string): void {
  parentPort!.on("message", (job: Job) => void live(job, life, nameOf));
}

async function live(job: Job, life: Life, nameOf: (addr: number) => string): Promise<void> {
  const turns = new Turns(job, nameOf);
  try {
    await life(turns, job);
    turns.report("done", "");
  } catch (error) {
    if (!(error instanceof Stopped)) reportError(turns, error);
  }
  parentPort!.postMessage({ ready: job.thread });
}

function reportError(turns: Turns, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Diverged) turns.report("diverged", message);
  else if (error instanceof Failed) turns.report("failed", message, error.verdict);
  else turns.report("failed", `threw ${message}`, "ASSERT");
}

export class Turns {
  readonly m: Int32Array;
  private readonly job: Job;
  private readonly baton: Baton;
  private readonly nameOf: (addr: number) => string;
  /** How often each list of values was ticked since the last shared access. */
  private readonly ticks = new Map<string, number>();

  constructor(job: Job, nameOf: (addr: number) => string) {
    this.job = job;
    this.nameOf = nameOf;
    this.m = new Int32Array(job.memory);
    const schedule = job.steps.map((one) => one.thread);
    this.baton = new Baton(job.baton, schedule, job.thread);
  }

  report(how: Report["how"], message: string, verdict: Verdict | null = null): void {
    const report: Report = { thread: this.job.thread, how, verdict, message };
    parentPort!.postMessage(report);
  }

  /** One step; returns what the thread gets. @throws Failed, Diverged, Stopped. */
  step(wanted: Wanted): number {
    this.ticks.clear();
    if (this.job.isAlone) return this.access(wanted, null);
    const at = this.baton.take();
    if (at < 0) return this.stand(wanted);
    const plan = this.job.steps[at]!;
    const { kind, addr, a, b } = wanted;
    const isPlanned = kind === plan.kind && addr === plan.addr && a === plan.a && b === plan.b;
    if (!isPlanned) {
      throw new Diverged(`step ${at + 1}: ${this.text(wanted)} instead of ${this.text(plan)}`);
    }
    try {
      const value = this.access(wanted, plan);
      if (value === plan.value) return value;
      const got = `got ${value} instead of ${plan.value}`;
      throw new Diverged(`step ${at + 1}: ${this.text(wanted)} ${got}`);
    } finally {
      // Whoever fails here has taken the step: the others are told to go on, and where they stand.
      this.baton.pass();
    }
  }

  /** The same values again and again, and no shared access between: the loop does not end. */
  tick(live: readonly unknown[]): void {
    const text = live.join();
    const rounds = (this.ticks.get(text) ?? 0) + 1;
    this.ticks.set(text, rounds);
    if (live.length > 0 && rounds > SAME_ROUNDS) {
      throw new Failed("LOCKUP", `${SAME_ROUNDS} rounds with the same values (${text})`);
    }
  }

  /** After the last step of the schedule: waits if the step would wait. Never returns. */
  private stand(wanted: Wanted): never {
    const { kind, addr, a } = wanted;
    const value = addr === 0 ? 0 : Atomics.load(this.m, addr);
    const waits =
      (kind === OP.lock && value !== 0) ||
      (kind === OP.waitWhile && value === a) ||
      (kind === OP.waitUntil && value !== a);
    if (waits) {
      this.report("blocked", this.text(wanted));
      for (;;) {
        this.baton.check();
        Atomics.wait(this.m, addr, value);
      }
    }
    // Steps of other kinds wait by rules that only the explorer knows.
    const isBlocked = kind >= KERNEL_FIRST && this.job.end.how === "blocked";
    this.report(isBlocked ? "blocked" : "open", this.text(wanted));
    return this.baton.rest();
  }

  /** The real operation on the shared words. */
  private access(wanted: Wanted, plan: PlanStep | null): number {
    const { kind, addr, a, b } = wanted;
    const { m } = this;
    const holder = this.job.thread + 1;
    switch (kind) {
      case OP.ld:
      case OP.waitWhile:
      case OP.waitUntil:
        return Atomics.load(m, addr);
      case OP.st:
        Atomics.store(m, addr, a);
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
        throw new Diverged(`${this.text(wanted)}: another thread holds it`);
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
        return this.change(wanted, plan);
    }
  }

  /** A step on several words (a grace period, a queued work item): each changes as planned. */
  private change(wanted: Wanted, plan: PlanStep | null): number {
    if (plan === null) return Atomics.load(this.m, wanted.addr);
    for (const [addr, before, after] of plan.changes) {
      const value = Atomics.compareExchange(this.m, addr, before, after);
      if (value === before) continue;
      throw new Diverged(`${this.text(wanted)}: ${this.nameOf(addr)} was ${value}`);
    }
    return plan.value;
  }

  private text({ kind, addr, a, b }: Wanted): string {
    return `${OP_NAMES[kind]}(${this.nameOf(addr)}, ${a}, ${b})`;
  }
}
