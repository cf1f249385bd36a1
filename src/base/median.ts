// The middle of some measurements. Pure; any thread.

/** The value in the middle, or the mean of the two there; `values` is not empty, in any order. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const low = sorted[(sorted.length - 1) >> 1]!;
  return (low + sorted[sorted.length >> 1]!) / 2;
}
