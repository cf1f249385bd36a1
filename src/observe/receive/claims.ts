// What an observation claims, how often it held, and what could not be looked at; as text and for
// --json. Pure; any thread.

export interface Claim {
  /** "the receive ran in the sender's own context and CPU". */
  readonly claim: string;
  readonly holds: number;
  readonly of: number;
  /** What was predicted for this kernel: that it holds each time, or that it need not. */
  readonly asExpected: boolean;
}

/** Something that could not be looked at on this machine, and why. */
export interface Skipped {
  readonly what: string;
  readonly why: string;
}

/** @param isCertain false where the kernel's rules leave it open. */
export function claimOf<T>(
  claim: string,
  cases: readonly T[],
  holds: (one: T) => boolean,
  isCertain = true,
): Claim {
  const count = cases.filter(holds).length;
  const all = cases.length > 0 && count === cases.length;
  return { claim, holds: count, of: cases.length, asExpected: all || !isCertain };
}

export function claimLine({ claim, holds, of, asExpected }: Claim): string {
  const answer = of > 0 && holds === of ? "yes" : "no";
  const judged = asExpected ? "" : "   NOT AS EXPECTED";
  return ` ${claim}: ${answer}, ${holds} of ${of}${judged}`;
}

export function skippedLine({ what, why }: Skipped): string {
  return ` left out: ${what}: ${why}`;
}
