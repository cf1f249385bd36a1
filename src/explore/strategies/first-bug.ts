// How many schedules a strategy needs to the first failure: what strategies are compared by. Seeds
// count up from 1. Any thread.
import { endOf } from "../outcome.js";
import { Machine, type Vector } from "../search/machine.js";
import type { LoadedProgram, Strategy } from "../types.js";
import { exploreBounded } from "./bounded.js";
import { schedulerFor } from "./run.js";
import { walk } from "./walk.js";

export type PickingStrategy = Exclude<Strategy, "states" | "hash" | "dpor">;

export interface FirstBugLimits {
  /** Searches by chance, each with its own seed; the median is taken of an odd number of them. */
  readonly seeds: number;
  readonly maxExecutions: number;
  readonly maxSteps: number;
  readonly depth: number;
}

/**
 * The median over the seeds; `Infinity` where a search in the middle came to its end without. Of
 * the bounded strategies, which know no chance: how many ends of executions they came by.
 */
export function schedulesToFirstBug(
  program: LoadedProgram,
  strategy: PickingStrategy,
  limits: FirstBugLimits,
): number {
  const { seeds, maxExecutions, maxSteps, depth } = limits;
  const machine = new Machine(program, maxSteps);
  const verdictOf = (end: Vector) => endOf(machine, end).verdict;
  if (strategy === "delay" || strategy === "preemption") {
    const bounds = { maxStates: 1e6, maxSeconds: 60, maxBound: 1e9 };
    const { bad, executions } = exploreBounded(machine, strategy, bounds, verdictOf);
    return bad === null ? Infinity : executions;
  }
  const counts: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const result = walk(machine, {
      scheduler: schedulerFor(machine, strategy, { seed, depth, maxSeconds: 60 }),
      bounds: { maxExecutions, maxSteps, maxSeconds: 60 },
      verdictOf,
      watchers: () => [],
      isFound: () => false,
    });
    counts.push(result.bad === null ? Infinity : result.executions);
  }
  return counts.sort((a, b) => a - b)[counts.length >> 1] ?? Infinity;
}
