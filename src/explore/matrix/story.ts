// A counterexample of the matrix as a story: the schedule again, step by step, with what matters of
// it told apart from what does not. Main thread or a worker.
import { replay } from "../explore.js";
import { decodeToken } from "../text/token.js";
import type { Counterexample, Verdict } from "../types.js";
import { OP } from "../types.js";
import { isRead } from "../reduced/sets.js";
import type { Decision } from "./case.js";
import type { CellOptions, Cells } from "../system/cell.js";

export interface SystemStory {
  readonly verdict: Verdict;
  readonly counterexample: Counterexample;
  /**
   * Indices of the timeline's entries that matter: they touch a word that another thread of the
   * story touches too, one of them writing; and the last one.
   */
  readonly matters: readonly number[];
}

/**
 * Repeats a schedule of a case. The case has been decided in this process, so that all words which
 * its threads touch are known.
 * @throws PacketpathError USAGE when the token does not fit.
 */
export function tellCase(
  cells: Cells,
  options: CellOptions,
  token: string,
  found: { readonly decision: Decision; readonly own: string | null },
): SystemStory {
  const { decision, own } = found;
  const cell = cells.make(options);
  const program = cell.program();
  const told = replay(program, token);
  const moves = decodeToken(token, program.sourceHash, program.threads.length);
  const steps = touches(
    cells,
    options,
    moves.map(({ thread }) => thread),
  );
  const matters = told.timeline.flatMap((_step, i) => {
    const one = steps[i];
    if (one === undefined) return [i];
    const isShared = steps.some((other) => {
      return other.slot === one.slot && other.thread !== one.thread && (other.writes || one.writes);
    });
    return isShared && one.slot !== 0 ? [i] : [];
  });
  // A loop that reads shared memory for ever is a circle here; the search knows that it is a
  // lockup.
  const isSpin = told.verdict === "UNDECIDED" || told.verdict === "LIVELOCK";
  const verdict = isSpin ? decision.verdict : told.verdict;
  const message = isSpin ? decision.message : told.message;
  const minimal = decision.failure?.minimal === true && token === own;
  return { verdict, counterexample: { ...told, message, minimal }, matters };
}

interface Touch {
  readonly thread: number;
  readonly slot: number;
  readonly writes: boolean;
}

function touches(cells: Cells, options: CellOptions, moves: readonly number[]): Touch[] {
  const { machine } = cells.make(options);
  const s = machine.initial();
  return moves.map((thread) => {
    const { kind, addr } = machine.step(s, thread);
    if (machine.isEnabled(s, thread)) machine.take(s, thread);
    return { thread, slot: addr, writes: kind < OP.done && !isRead(kind) };
  });
}
