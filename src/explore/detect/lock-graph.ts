// The lock graph: which lock was taken while which other one was held, and in which contexts each
// was taken, as the kernel's lockdep records it (Documentation/locking/lockdep-design.rst). One run
// is enough to see an order that can go wrong in another run. Each lock is a class of its own.
// Any thread.
import { CPU, cpuWord } from "../search/kernel/layout.js";
import type { Machine, Vector } from "../search/machine.js";
import type { Watcher } from "../strategies/walk.js";
import type { Step } from "../types.js";
import { type LockUse, lockUseOf, switchesOf } from "./lock-uses.js";

/** A lock as a thread has it. */
export interface Holding {
  readonly lock: number;
  readonly site: number;
  readonly use: LockUse;
}

/** A thread took `to` while it held `from`. */
export interface Edge {
  readonly thread: number;
  readonly from: Holding;
  readonly to: Holding;
}

/** Contexts in which a lock was taken, each with the first thread and place. */
export const USAGES = ["inHardirq", "inSoftirq", "hardirqsOn", "softirqsOn"] as const;
export type Usage = (typeof USAGES)[number];

export interface Where {
  readonly thread: number;
  readonly holding: Holding;
}

type Usages = Map<`${Usage}${"" | "Read"}`, Where>;

export class LockGraph implements Watcher {
  readonly edges = new Map<string, Edge>();
  /** As lockdep's mark_held_locks does, what comes on while a lock is held counts, too. */
  readonly usages = new Map<number, Usages>();
  private readonly machine: Machine;
  private held: Holding[][] = [];

  constructor(machine: Machine) {
    this.machine = machine;
    this.begin();
  }

  begin(): void {
    this.held = this.machine.threads.map(() => []);
  }

  step(s: Vector, thread: number): void {
    const step = this.machine.stepOf(s, thread);
    const use = lockUseOf(step);
    const held = this.held[thread]!;
    if (use?.action === "give") this.give(thread, step.addr, use.isRead);
    const on = held.length === 0 ? [] : this.enabledBy(s, thread, step);
    for (const one of held) this.noteUsages(thread, one, on);
    if (use === null || use.action === "wait" || use.action === "give") return;
    const holding: Holding = { lock: step.addr, site: step.site, use };
    if (use.action === "try" && s[step.addr] !== 0) return;
    this.noteUsages(thread, holding, this.contextOf(s, thread, use));
    // Whoever tries does not wait, so nothing can wait for it in a circle here.
    if (use.action === "take") for (const from of held) this.noteEdge(thread, from, holding);
    held.push(holding);
  }

  /** Who waits for a lock at the end wanted it while it held others, too. */
  end(s: Vector): void {
    for (const [thread, held] of this.held.entries()) {
      const step = this.machine.stepOf(s, thread);
      const use = lockUseOf(step);
      if (use?.action !== "take" || this.machine.isEnabled(s, thread)) continue;
      const holding = { lock: step.addr, site: step.site, use };
      this.noteUsages(thread, holding, this.contextOf(s, thread, use));
      for (const from of held) this.noteEdge(thread, from, holding);
    }
  }

  /** The letters of lockdep: hardirq, hardirq for reading, softirq, softirq for reading. */
  letters(lock: number): string {
    const usages = this.usages.get(lock) ?? new Map<string, Where>();
    const letter = (context: "Hardirq" | "Softirq", read: "" | "Read") => {
      const isIn = usages.has(`in${context}${read}`);
      const isOn = usages.has(context === "Hardirq" ? `hardirqsOn${read}` : `softirqsOn${read}`);
      if (isIn) return isOn ? "?" : "-";
      return isOn ? "+" : ".";
    };
    const all = [letter("Hardirq", ""), letter("Hardirq", "Read")];
    return `{${[...all, letter("Softirq", ""), letter("Softirq", "Read")].join("")}}`;
  }

  /** Whether a lock was ever taken for writing. */
  isWritten(lock: number): boolean {
    return [...(this.usages.get(lock)?.keys() ?? [])].some((name) => !name.endsWith("Read"));
  }

  private noteEdge(thread: number, from: Holding, to: Holding): void {
    const modes = `${from.use.isRead ? "r" : "w"}${to.use.isRead ? "r" : "w"}`;
    const key = `${from.lock},${to.lock},${thread},${modes}`;
    if (!this.edges.has(key)) this.edges.set(key, { thread, from, to });
  }

  private noteUsages(thread: number, holding: Holding, all: readonly Usage[]): void {
    const read = holding.use.isRead ? "Read" : "";
    const usages: Usages = this.usages.get(holding.lock) ?? new Map();
    this.usages.set(holding.lock, usages);
    for (const usage of all) {
      const name = `${usage}${read}` as const;
      if (!usages.has(name)) usages.set(name, { thread, holding });
    }
  }

  /** In which context a lock is taken, with what its own variant keeps off. */
  private contextOf(s: Vector, thread: number, use: LockUse): Usage[] {
    const { kernel } = this.machine.program;
    const context = kernel?.placements[thread]?.context ?? "task";
    const word = (which: number) =>
      kernel === undefined ? 0 : s[cpuWord(kernel, s, thread, which)]!;
    if (context === "hardirq") return ["inHardirq"];
    const isSoftirq = context === "softirq" || context === "timer" || context === "rcu";
    const areHardirqsOn = !use.offIrq && word(CPU.isIrqOff) === 0;
    const on: Usage[] = areHardirqsOn ? ["hardirqsOn"] : [];
    if (isSoftirq) return ["inSoftirq", ...on];
    const areSoftirqsOn = areHardirqsOn && !use.offBh && word(CPU.bh) === 0;
    return areSoftirqsOn ? [...on, "softirqsOn"] : on;
  }

  /** What a step lets in again; the locks that are held meanwhile are held with that on. */
  private enabledBy(s: Vector, thread: number, step: Step): Usage[] {
    const { kernel } = this.machine.program;
    const context = kernel?.placements[thread]?.context;
    if (kernel === undefined || context === "hardirq") return [];
    const bh = s[cpuWord(kernel, s, thread, CPU.bh)]!;
    const isOff = s[cpuWord(kernel, s, thread, CPU.isIrqOff)] !== 0;
    const after = switchesOf(step, { bh, isOff });
    if (after.isOff) return [];
    const areHardirqsNew = isOff;
    const areSoftirqsNew = after.bh === 0 && (isOff || bh > 0);
    const isTask = context === "task" || context === "work";
    const softirqs: Usage[] = areSoftirqsNew && isTask ? ["softirqsOn"] : [];
    return areHardirqsNew ? ["hardirqsOn", ...softirqs] : softirqs;
  }

  private give(thread: number, lock: number, isRead: boolean): void {
    // A lock of Go may be given back by another thread than the one that took it.
    const threads = [thread, ...this.held.keys()];
    for (const t of threads) {
      const held = this.held[t]!;
      const at = held.findLastIndex((one) => one.lock === lock && one.use.isRead === isRead);
      if (at < 0) continue;
      held.splice(at, 1);
      return;
    }
  }
}
