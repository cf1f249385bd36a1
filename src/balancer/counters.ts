// What a balancer counts besides the frames in the books: one block of doubles per queue worker,
// each written by that worker only and read by the main thread. Any thread.
import { REFUSALS } from "./segment/refusals.js";

const NAMES = [
  "connections",
  "toServer",
  "toClient",
  "toaInserted",
  "uoaInserted",
  "neighborAnswers",
] as const;
export type BalancerCount = (typeof NAMES)[number];

/** Index of each count. */
export const COUNT = Object.fromEntries(NAMES.map((name, i) => [name, i])) as {
  readonly [name in BalancerCount]: number;
};

/** Segments that should tell the client's address and went without, by REFUSAL. */
export const UNTOLD = NAMES.length;

export const BALANCER_DOUBLES = 8 * Math.ceil((UNTOLD + REFUSALS.length) / 8);

/** All counts of some blocks, by name; `untold` by the reason's name, without zeros. */
export interface BalancerCounts extends Readonly<Record<BalancerCount, number>> {
  readonly untold: Readonly<Record<string, number>>;
}

export function sumCounts(blocks: readonly Float64Array[]): BalancerCounts {
  const sum = (index: number): number => blocks.reduce((all, block) => all + block[index]!, 0);
  const counts = Object.fromEntries(NAMES.map((name, i) => [name, sum(i)]));
  const untold = REFUSALS.map(([name], i) => [name, sum(UNTOLD + i)] as const);
  const missed = Object.fromEntries(untold.filter(([, count]) => count > 0));
  return { ...(counts as Record<BalancerCount, number>), untold: missed };
}
