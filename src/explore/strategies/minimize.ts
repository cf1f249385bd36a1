// Shortens a schedule that went wrong. Where the program is small enough the state graph gives the
// one with the fewest context switches and steps, and that is a proof; else switches are taken out
// one after the other as long as the schedule still comes to the same verdict. Any thread.
import { nowMs } from "../../base/clock.js";
import { racingStates } from "../detect/races.js";
import type { Machine, Vector } from "../search/machine.js";
import { shortestTo } from "../states/shortest.js";
import { StateGraph } from "../states/state-graph.js";
import type { TokenMove } from "../text/token.js";
import type { Verdict } from "../types.js";

/** Most states of a graph that is made only to shorten a schedule. */
const STATES_MAX = 100_000;
/** Most steps repeated while switches are taken out by trial. */
const TRIAL_STEPS_MAX = 2_000_000;

export interface Shortened {
  readonly moves: TokenMove[];
  /** No schedule to this verdict has fewer switches, nor as many and fewer steps. */
  readonly minimal: boolean;
}

export interface Purpose {
  readonly verdict: Verdict;
  verdictOf(end: Vector): Verdict;
  /** When it is to end, on the clock of `nowMs`. */
  readonly endMs: number;
}

export function minimize(machine: Machine, moves: TokenMove[], purpose: Purpose): Shortened {
  const isAlike = (end: Vector) => purpose.verdictOf(end) === purpose.verdict;
  const shorter = () => ({
    moves: shorten(machine, moves, { isAlike, endMs: purpose.endMs }),
    minimal: false,
  });
  return byGraph(machine, purpose) ?? shorter();
}

function byGraph(machine: Machine, purpose: Purpose): Shortened | null {
  const graph = new StateGraph(machine);
  const { endMs } = purpose;
  // Half of what is left: without the graph, there is something else to try.
  const maxSeconds = Math.max(0, (endMs - nowMs()) / 2000);
  graph.explore({ maxStates: STATES_MAX, maxSeconds });
  if (graph.bound !== null) return null;
  const alike = graph.violations.filter((one) => one.verdict === purpose.verdict);
  const targets =
    purpose.verdict === "RACE" ? racingStates(graph) : new Set(alike.map((one) => one.state));
  if (targets.size === 0) return null;
  const way = shortestTo(graph, targets, endMs);
  const s = machine.initial();
  const moves = way.moves.map((by) => take(machine, s, by & 0xff, by >> 8));
  return { moves, minimal: way.isExact };
}

function take(machine: Machine, s: Vector, thread: number, choice: number): TokenMove {
  const isChoice = machine.choices(s, thread) > 0;
  machine.take(s, thread, choice);
  return { thread, choice, isChoice };
}

/** Steps of one thread, one after the other. */
type Block = readonly TokenMove[];

/**
 * Joins a block with the next or the last one of its thread, or leaves it out, while the schedule
 * still ends as it should.
 */
export function shorten(
  machine: Machine,
  moves: TokenMove[],
  { isAlike, endMs }: { isAlike(end: Vector): boolean; readonly endMs: number },
): TokenMove[] {
  let best = moves;
  let steps = 0;
  for (let isBetter = true; isBetter;) {
    isBetter = false;
    for (const candidate of simpler(blocksOf(best))) {
      if (steps > TRIAL_STEPS_MAX || nowMs() > endMs) return best;
      steps += candidate.length;
      const taken = repeat(machine, candidate);
      if (!isAlike(taken.end)) continue;
      if (!isSimpler(taken.moves, best)) continue;
      best = taken.moves;
      isBetter = true;
      break;
    }
  }
  return best;
}

function* simpler(blocks: readonly Block[]): Generator<TokenMove[]> {
  for (const [i, block] of blocks.entries()) {
    const rest = blocks.filter((_one, j) => j !== i);
    yield rest.flat();
    const thread = block[0]!.thread;
    const before = blocks.slice(0, i).findLastIndex((one) => one[0]!.thread === thread);
    if (before >= 0) yield rest.toSpliced(before + 1, 0, block).flat();
    const after = rest.findIndex((one, j) => j >= i && one[0]!.thread === thread);
    if (after >= 0) yield rest.toSpliced(after, 0, block).flat();
  }
}

function blocksOf(moves: readonly TokenMove[]): Block[] {
  const blocks: TokenMove[][] = [];
  for (const move of moves) {
    const last = blocks.at(-1);
    if (last?.[0]?.thread === move.thread) last.push(move);
    else blocks.push([move]);
  }
  return blocks;
}

function isSimpler(moves: readonly TokenMove[], than: readonly TokenMove[]): boolean {
  const difference = blocksOf(moves).length - blocksOf(than).length;
  return difference < 0 || (difference === 0 && moves.length < than.length);
}

/** Takes the steps of a schedule that can be taken, up to the first failure of a thread. */
function repeat(
  machine: Machine,
  moves: readonly TokenMove[],
): { moves: TokenMove[]; end: Vector } {
  const s = machine.initial();
  const taken: TokenMove[] = [];
  for (const { thread, choice } of moves) {
    if (machine.ended(s) >= 0) break;
    if (!machine.isEnabled(s, thread)) continue;
    const outcomes = Math.max(1, machine.choices(s, thread));
    taken.push(take(machine, s, thread, Math.min(choice, outcomes - 1)));
  }
  return { moves: taken, end: s };
}
