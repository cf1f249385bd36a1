// `packetpath/vitest`: matchers for programs under every schedule. Import it in a test file, or
// name it in `setupFiles`; it extends `expect`. Test process.
import { expect } from "vitest";
import { PacketpathError } from "../base/errors.js";
import { type ExploreOptions, type Verdict, VERDICTS } from "../explore/types.js";
import { type GuardCells, guardOf, isSafe, locksUp } from "./guards.js";
import { hasVerdict, type MatcherResult, ProgramFile } from "./programs.js";

export { guardFile, programFile } from "./programs.js";

/** For a program: bounds of the search. For a guard: which cells. */
type SafeOptions = ExploreOptions & GuardCells;

expect.extend({
  async toBeSafe(received: unknown, options: SafeOptions = {}): Promise<MatcherResult> {
    if (received instanceof ProgramFile) return told(hasVerdict(received, "SAFE", options));
    return told(isSafe(guardOf(received) ?? nothing("toBeSafe"), options));
  },
  async toLockUp(received: unknown, options: GuardCells = {}): Promise<MatcherResult> {
    return told(locksUp(guardOf(received) ?? nothing("toLockUp"), options));
  },
  async toHaveVerdict(
    received: unknown,
    verdict: Verdict,
    options: ExploreOptions = {},
  ): Promise<MatcherResult> {
    if (!VERDICTS.includes(verdict)) {
      throw new PacketpathError("USAGE", `toHaveVerdict: "${String(verdict)}" is no verdict`, {
        fix: `Use one of ${VERDICTS.join(", ")}.`,
      });
    }
    if (!(received instanceof ProgramFile)) return nothing("toHaveVerdict");
    return told(hasVerdict(received, verdict, options));
  },
});

/** What is wrong with a file, in the words of a message: a test runner prints no place. */
async function told(result: Promise<MatcherResult>): Promise<MatcherResult> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof PacketpathError) || error.place === undefined) throw error;
    const { code, place, fix = "" } = error;
    const text = fix === "" ? error.toString() : `${error.toString()}\n  fix: ${fix}`;
    throw new PacketpathError(code, text, { place, fix });
  }
}

function nothing(matcher: string): never {
  throw new PacketpathError("USAGE", `${matcher}: expected a program or a guard`, {
    fix: 'Write expect(programFile("./my-program.ts")), expect(guardFile("./my-guard.ts")).',
  });
}

declare module "vitest" {
  interface Matchers<T> {
    /** A program, or a guard in all the cells that are named, is SAFE under every schedule. */
    toBeSafe(options?: SafeOptions): Promise<T>;
    /** With this guard, each kind of device that is named locks up in one of the cells. */
    toLockUp(options?: GuardCells): Promise<T>;
    /** Exploring the program ends in this verdict. */
    toHaveVerdict(verdict: Verdict, options?: ExploreOptions): Promise<T>;
  }
}
