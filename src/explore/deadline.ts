// Ends work that takes too long, wherever it is: programs are run inside of a search, and a regular
// expression or a built-in function of theirs may not come back, where no clock is looked at. The
// last resort behind the bounds that searches keep by themselves. Any thread.
import { Script } from "node:vm";
import { PacketpathError } from "../base/errors.js";

/** Seconds by which a bound may be missed until the work is ended, with all that it has found. */
const GRACE = 2;

/** Most seconds that are measured: three weeks. */
const SECONDS_MAX = 2e6;

/** Where the script finds the work. */
const WORK = Symbol.for("packetpath.work");
const script = new Script(`globalThis[Symbol.for("packetpath.work")]()`);

/**
 * Runs `work`; null if it takes longer than that and was ended. Then none of its `finally` blocks
 * has run, and what it was changing is not to be used any more.
 */
export function withinSeconds<T extends object>(seconds: number, work: () => T | null): T | null {
  if (seconds + GRACE > SECONDS_MAX) return work();
  const place = globalThis as { [WORK]?: (() => void) | undefined };
  const outer = place[WORK];
  let result: T | null = null;
  place[WORK] = () => {
    result = work();
  };
  try {
    script.runInThisContext({ timeout: Math.ceil(1000 * (seconds + GRACE)) });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
  } finally {
    place[WORK] = outer;
  }
  return result;
}

/** Far longer than the check of the largest certificate. */
const CHECK_SECONDS = 300;

/**
 * What a check of a certificate says, which runs the code of `file`.
 * @throws PacketpathError PROGRAM_INVALID when it has said nothing by then.
 */
export function checkWithin(
  seconds: number | undefined,
  file: string,
  check: () => string | null,
): string | null {
  const limit = seconds ?? CHECK_SECONDS;
  const done = withinSeconds(limit, () => ({ problem: check() }));
  if (done !== null) return done.problem;
  throw new PacketpathError("PROGRAM_INVALID", `the check takes more than ${limit} s`, {
    place: { file },
    fix: "Allow it more with --max-seconds, if the program's own code comes to an end.",
  });
}
