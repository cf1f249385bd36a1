// Replay tokens: short, the same trace from each process, and of anything that is no token of this
// source a clear refusal.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { Random } from "../../src/base/random.js";
import { explore, replay } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { decodeToken, encodeToken } from "../../src/explore/text/token.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const load = (file: string) => loadProgram(readFileSync(`${folder}${file}`, "utf8"), file);

/** The refusal's text, or null if the token is one. */
async function refusal(file: string, token: string): Promise<string | null> {
  try {
    replay(await load(file), token);
    return null;
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(token);
    return error.message;
  }
}

describe("tokens", () => {
  it("of the headline kinds of bugs have at most 24 characters", async () => {
    const files = ["lost-update", "two-locks", "lost-wakeup", "queue-pick", "treiber-stack"];
    for (const file of [...files, "rcu-retire", "endpoint-shutdown"]) {
      const { counterexample } = explore(await load(`${file}.ts`));
      expect(counterexample!.token.length, file).toBeLessThanOrEqual(24);
    }
  });

  it("2000 schedules come back from text as they went", () => {
    const random = new Random(61);
    for (let round = 0; round < 2000; round++) {
      const moves = Array.from({ length: random.below(30) }, () => {
        const isChoice = random.below(5) === 0;
        return { thread: random.below(52), choice: isChoice ? random.below(1000) : 0, isChoice };
      });
      const token = encodeToken("12345678", moves);
      expect(decodeToken(token, "12345678", 52)).toEqual(moves);
    }
  });

  const garbled = [
    "",
    "-",
    "ba2b",
    "zzzz-ab",
    "hello-world",
    "1-a",
    "ab",
    "\u0000",
    "a".repeat(99),
  ];
  it.each(garbled)("%j: refused", async (token) => {
    expect(await refusal("lost-update.ts", token)).not.toBeNull();
  });

  it("2000 tokens with a character changed: a schedule, or refused with the token", async () => {
    const random = new Random(62);
    const { token } = explore(await load("treiber-stack.ts")).counterexample!;
    const program = await load("treiber-stack.ts");
    const seen = { taken: 0, refused: 0 };
    for (let round = 0; round < 2000; round++) {
      const at = random.below(token.length);
      const character = String.fromCharCode(32 + random.below(95));
      const other = token.slice(0, at) + character + token.slice(at + 1);
      try {
        replay(program, other);
        seen.taken++;
      } catch (error) {
        expect(error).toBeInstanceOf(PacketpathError);
        seen.refused++;
      }
    }
    expect(seen.refused).toBeGreaterThan(1000);
    expect(seen.taken).toBeGreaterThan(10);
  });

  it("huge runs of steps are refused at once", async () => {
    const { sourceHash } = await load("lost-update.ts");
    for (const schedule of ["a999999999", "a0", `a${"9".repeat(400)}`, "a1.99999999999"]) {
      const token = `${sourceHash.slice(0, 4)}-${schedule}`;
      expect(await refusal("lost-update.ts", token), schedule).not.toBeNull();
    }
  });
});
