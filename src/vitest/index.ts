// `packetpath/vitest`: matchers for programs under every schedule. Import it in a test file, or
// name it in `setupFiles`; it extends `expect`. Test process.
import { expect } from "vitest";
import { PacketpathError } from "../base/errors.js";
import { type ExploreOptions, type Verdict, VERDICTS } from "../explore/types.js";
import { hasVerdict, type MatcherResult, ProgramFile } from "./programs.js";

export { guardFile, programFile } from "./programs.js";

expect.extend({
  async toBeSafe(received: unknown, options: ExploreOptions = {}): Promise<MatcherResult> {
    return hasVerdict(subject(received, "toBeSafe"), "SAFE", options);
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
    return hasVerdict(subject(received, "toHaveVerdict"), verdict, options);
  },
});

function subject(received: unknown, matcher: string): ProgramFile {
  if (received instanceof ProgramFile) return received;
  throw new PacketpathError("USAGE", `${matcher}: expected a program`, {
    fix: 'Write expect(programFile("./my-program.ts")).',
  });
}

declare module "vitest" {
  interface Matchers<T> {
    /** A program is SAFE under every schedule, within no bound. */
    toBeSafe(options?: ExploreOptions): Promise<T>;
    /** Exploring the program ends in this verdict. */
    toHaveVerdict(verdict: Verdict, options?: ExploreOptions): Promise<T>;
  }
}
