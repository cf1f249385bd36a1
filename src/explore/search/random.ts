// Random schedules: each step is taken by one of the enabled threads, all with the same chance. For
// programs too big for the other engines; it finds, it never proves. Seeded.
import { nowMs } from "../../base/clock.js";
import { Random } from "../../base/random.js";
import type { TokenMove } from "../text/token.js";
import type { Machine, Vector } from "./machine.js";

export interface RandomBounds {
  readonly seed: number;
  readonly maxExecutions: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
}

export interface RandomResult {
  readonly executions: number;
  readonly bound: string;
  /** The first bad execution, with the state it ended in; null if none was met. */
  readonly bad: { readonly moves: TokenMove[]; readonly end: Vector } | null;
}

export function exploreRandomly(machine: Machine, bounds: RandomBounds): RandomResult {
  const random = new Random(bounds.seed);
  const endMs = nowMs() + 1000 * bounds.maxSeconds;
  const start = machine.initial();
  const s = machine.initial();
  const moves: number[] = [];
  const enabled: number[] = [];
  for (let executions = 1; executions <= bounds.maxExecutions; executions++) {
    s.set(start);
    moves.length = 0;
    for (let step = 0; step <= bounds.maxSteps; step++) {
      enabled.length = 0;
      for (let t = 0; t < machine.threads.length; t++) if (machine.isEnabled(s, t)) enabled.push(t);
      if (enabled.length === 0 || machine.ended(s) >= 0) {
        if (!isBad(machine, s)) break;
        return { executions, bound: "first failure", bad: { moves: decode(moves), end: s } };
      }
      const thread = enabled[random.below(enabled.length)] as number;
      const choices = machine.choices(s, thread);
      const choice = choices > 0 ? random.below(choices) : 0;
      machine.take(s, thread, choice);
      moves.push(thread | (choice << 8) | (choices > 0 ? CHOICE : 0));
    }
    if ((executions & 0xff) === 0 && nowMs() > endMs) {
      return { executions, bound: `${bounds.maxSeconds} s`, bad: null };
    }
  }
  const bound = `${bounds.maxExecutions} executions`;
  return { executions: bounds.maxExecutions, bound, bad: null };
}

const CHOICE = 1 << 20;

function decode(moves: readonly number[]): TokenMove[] {
  return moves.map((move) => ({
    thread: move & 0xff,
    choice: (move >> 8) & 0xfff,
    isChoice: (move & CHOICE) !== 0,
  }));
}

function isBad(machine: Machine, s: Vector): boolean {
  const ended = machine.ended(s);
  if (ended >= 0) return machine.stepOf(s, ended).message !== "" && !machine.isBound(s, ended);
  return !machine.isDone(s) || machine.checkFinal(s) !== null;
}
