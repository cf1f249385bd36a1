// One cell of the matrix as an exploration like that of a program, by any strategy. Main thread or
// a worker; synchronous.
import { explore } from "../../explore.js";
import { NOTHING } from "../../outcome.js";
import { partOf, sum } from "../../shard/merge.js";
import type { Exploration, ExploreOptions, Verdict } from "../../types.js";
import type { Coordinates, Matrix } from "../../matrix/matrix.js";

/** What the result says of itself. */
export interface Named {
  readonly program: string;
  readonly expected: Verdict;
}

const SECONDS_MAX = 60;

/**
 * Explores a cell. `states` is the reduced search of the matrix. Every other strategy looks at the
 * steps themselves: in the case that the reduced search has found to fail, or in all of them.
 */
export function exploreCell(
  matrix: Matrix,
  at: Coordinates,
  named: Named,
  options: ExploreOptions,
): Exploration {
  if ((options.strategy ?? "states") === "states") return byStates(matrix, at, named);
  const programs = matrix.programs(at);
  const maxSeconds = (options.maxSeconds ?? SECONDS_MAX) / programs.length;
  const parts = programs.map(({ make }) => {
    for (;;) {
      const slots = matrix.addresses.length;
      const program = { ...make(), name: named.program, expect: named.expected };
      const result = explore(program, { ...options, maxSeconds });
      // A word that was not known when the search began was no part of its states.
      if (matrix.addresses.length > slots) continue;
      return partOf(program, result, { shard: { index: 0, count: 1 } });
    }
  });
  const total = (key: "states" | "transitions") =>
    parts.some((one) => one[key] === null) ? null : parts.reduce((all, one) => all + one[key]!, 0);
  const orders = parts.map(({ interleavings }) => interleavings);
  const interleavings = orders.includes(null)
    ? null
    : String(orders.reduce((all, one) => all + BigInt(one!), 0n));
  const numbers = { states: total("states"), transitions: total("transitions"), interleavings };
  return { ...sum(parts), ...numbers };
}

function byStates(matrix: Matrix, at: Coordinates, named: Named): Exploration {
  const { verdict, states, transitions, bound, seconds } = matrix.decide(at);
  const story = matrix.tell(at, null);
  return {
    ...NOTHING,
    ...named,
    strategy: "states",
    verdict,
    complete: bound === null,
    states,
    transitions,
    bound,
    counterexample: story?.counterexample ?? null,
    seconds,
    executionsPerSecond: null,
  };
}
