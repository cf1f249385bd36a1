// Schedulers by chance: uniform among the threads that can run, by priorities with a few changes
// (PCT), by priorities of steps (POS). Each is made from a seeded generator. Any thread.
import type { Random } from "../../base/random.js";
import type { Machine, Vector } from "../search/machine.js";
import type { Scheduler } from "./walk.js";

/** Each thread that can run with the same chance, each outcome of a choice with the same. */
export function uniformScheduler(random: Random): Scheduler {
  return {
    begin: () => undefined,
    pick: (_s, enabled) => enabled[random.below(enabled.length)]!,
    outcome: (outcomes) => random.below(outcomes),
  };
}

/** The thread that ran goes on until it blocks or ends; `first` says who begins. Spins give way. */
export function turnScheduler(machine: Machine, first: number): Scheduler {
  const threads = machine.threads.length;
  const spins = spinWatch(machine);
  let current = first;
  return {
    begin(s) {
      current = first;
      spins.begin(s);
    },
    pick(s, enabled) {
      if (spins.isSpinning(s)) current = (current + 1) % threads;
      while (!enabled.includes(current)) current = (current + 1) % threads;
      return spins.goes(current);
    },
    outcome: () => 0,
  };
}

/**
 * PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010): random priorities, the highest
 * runs, and at `depth` - 1 random steps the running thread falls below all others. A bug that needs
 * `depth` ordered steps is hit by a run of n threads and k steps with a chance of at least
 * 1 / (n k^(depth - 1)). k is the longest run so far. A thread that spins falls below all others,
 * as it would otherwise run for ever; the bound holds for programs without spins.
 */
export function pctScheduler(machine: Machine, random: Random, depth: number): Scheduler {
  const threads = machine.threads.length;
  const spins = spinWatch(machine);
  const priority = new Float64Array(threads);
  let changes = new Map<number, number>();
  let steps = 0;
  let longest = 1;
  let lowest = 0;
  return {
    begin(s) {
      longest = Math.max(longest, steps);
      steps = 0;
      // A spin, unlike a change point, may put a thread below all others again and again.
      lowest = 0;
      priority.set(shuffled(threads, random).map((rank) => depth + rank));
      changes = new Map();
      for (let i = 1; i < depth; i++) changes.set(random.below(longest), depth - i);
      spins.begin(s);
    },
    pick(s, enabled) {
      const spinning = spins.isSpinning(s);
      if (spinning) priority[spins.last()] = --lowest;
      let best = highest(priority, enabled);
      const change = changes.get(steps++);
      if (change !== undefined) {
        priority[best] = change;
        best = highest(priority, enabled);
      }
      return spins.goes(best);
    },
    outcome: (outcomes) => random.below(outcomes),
  };
}

/**
 * POS (Yuan, Yang, Gu, CAV 2018): each step that a thread wants to take has a random priority; the
 * highest is taken, and those that conflict with it draw new ones.
 */
export function posScheduler(machine: Machine, random: Random): Scheduler {
  const threads = machine.threads.length;
  const priority = new Float64Array(threads);
  return {
    begin() {
      for (let t = 0; t < threads; t++) priority[t] = random.fraction();
    },
    pick(s, enabled) {
      const best = highest(priority, enabled);
      for (let t = 0; t < threads; t++) {
        if (t === best || machine.threadsConflict(s, best, t)) priority[t] = random.fraction();
      }
      return best;
    },
    outcome: (outcomes) => random.below(outcomes),
  };
}

function highest(priority: Float64Array, enabled: readonly number[]): number {
  return enabled.reduce((best, t) => (priority[t]! > priority[best]! ? t : best));
}

/** 0 to `count` - 1 in random order. */
function shuffled(count: number, random: Random): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

/** Notices a thread that comes round to where it was while nothing shared has changed. */
function spinWatch(machine: Machine) {
  const words = machine.firstThread;
  let memory = new Int32Array(words);
  let last = -1;
  const seen = new Set<number>();
  return {
    begin(s: Vector) {
      last = -1;
      memory = s.slice(0, words);
      seen.clear();
    },
    last: () => last,
    goes(thread: number) {
      if (thread !== last) seen.clear();
      last = thread;
      return thread;
    },
    isSpinning(s: Vector): boolean {
      if (last < 0) return false;
      let isSame = true;
      for (let i = 0; i < words; i++) {
        if (memory[i] === s[i]) continue;
        memory[i] = s[i]!;
        isSame = false;
      }
      if (!isSame) seen.clear();
      const node = s[words + last]!;
      if (seen.has(node)) {
        seen.clear();
        return true;
      }
      seen.add(node);
      return false;
    },
  };
}
