// Sets of small numbers as the bits of one: of threads, of words. Pure; any thread.

/** The lowest number of a set that is not empty. */
export function firstOf(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
