// The link endpoint's shutdown in all its layouts. The laws of Go's locks themselves are in
// test/explore/go-sync.test.ts.
import { describe, expect, it } from "vitest";
import { endpoint } from "../../src/models/endpoint/variants.js";
import { decide, storyOf, testVariants, verdictWith } from "./decide.js";

describe("2.3 the layouts of the endpoint", () => {
  testVariants(endpoint, {
    "G-B": "DEADLOCK",
    "G-B2": "DEADLOCK",
    "G-B3": "DEADLOCK",
    "G-F": "SAFE",
    "G-F2": "SAFE",
    "G-F3": "SAFE",
    "G-A": "SAFE",
    "G-A2": "RACE",
    "G-P1": "DEADLOCK",
    "G-P2": "SAFE",
    "G-P2n": "NULL-DEREF",
    "G-S": "DEADLOCK",
    "G-S2": "SAFE",
    "G-SF": "SAFE",
    "G-R": "DEADLOCK",
    "G-R2": "SAFE",
    "G-RF": "SAFE",
    "G-L": "LIVELOCK",
    "G-LF": "SAFE",
    "G-T": "MISUSE",
    "G-T2": "RACE",
    "G-T3": "ASSERT",
    "G-TF": "SAFE",
    "G-TF2": "SAFE",
    "G-I": "ASSERT",
    "G-I2": "SAFE",
    "G-IF": "SAFE",
    "G-C": "USE-AFTER-FREE",
    "G-C1": "SAFE",
    "G-CF": "SAFE",
    "G-X": "ASSERT",
    "G-XF": "SAFE",
    "G-W": "DEADLOCK",
    "G-H": "SAFE",
    "G-H2": "SAFE",
    "G-HB": "DEADLOCK",
    "G-HL": "SAFE",
    "G-HT": "SAFE",
    "G-HI": "SAFE",
    "G-HR": "SAFE",
    "G-HG": "SAFE",
  });
});

describe("2.6 what can be checked by exploring", () => {
  it("1 G-B: the stopper waits with the lock; the loop wants it for a packet", async () => {
    const steps = await storyOf(endpoint, "G-B");
    const important = steps.filter((one) => /\bmu\b|\bwg\b|fd\[0\]/.test(one)).slice(2);
    expect(important).toEqual([
      "stopper: rwunlock mu",
      "stopper: rwlock mu",
      "stopper: setBits fd[0] 256: was 1",
      "stopper: wgWait wg[0]: has to wait",
      "loop0: ld fd[0] = 257",
      "loop0: cas fd[0] 257 -> 256: ok",
      "loop0: rlock mu: has to wait",
      "stopper: waits: the counter of wg[0] is 1",
      "loop0: waits for mu, held by stopper",
    ]);
  });

  it("1 where the loop looks for the stop first, it has read its packet before", async () => {
    const steps = await storyOf(endpoint, "G-B3");
    const at = (text: string) => steps.findIndex((one) => one.includes(text));
    expect(at("cas fd[0]")).toBeGreaterThan(0);
    expect(at("setBits fd[0]")).toBeGreaterThan(at("cas fd[0]"));
    expect(at("rlock mu: has to wait")).toBeLessThan(at("wgWait wg[0]"));
  });

  it("2 G-F: two queues with two packets each, by all states", async () => {
    const { result } = await decide(endpoint, "G-F2");
    expect([result.verdict, result.complete]).toEqual(["SAFE", true]);
    expect(result.certificate).not.toBeNull();
  });

  it("3 G-P: one processor is the loop itself; a second one is nobody's to wait for", async () => {
    expect(await verdictWith(endpoint, "G-P1", { processors: 2 })).toBe("SAFE");
    expect(await verdictWith(endpoint, "G-P2", { checksDispatcher: false })).toBe("NULL-DEREF");
  });

  it("4 G-S: it takes the held lock of the stack, and one processor", async () => {
    expect(await verdictWith(endpoint, "G-S", { stackLock: "released" })).toBe("SAFE");
    expect(await verdictWith(endpoint, "G-S", { processors: 2 })).toBe("SAFE");
  });

  it("5 G-L: the loop goes round for ever, and nobody is kept from running", async () => {
    const { result } = await decide(endpoint, "G-L");
    expect(result.counterexample?.message).toContain("no thread is kept from running");
    expect((await decide(endpoint, "G-LF")).result.cyclic).toBe(true);
  });

  it("6 G-R is in both layouts, G-W in that of two looks only", async () => {
    expect(await verdictWith(endpoint, "G-R", { lock: "through-wait" })).toBe("DEADLOCK");
    expect(await verdictWith(endpoint, "G-W", { locksTwice: false })).toBe("SAFE");
  });

  it("6 G-W: the writer comes between the two looks", async () => {
    const steps = await storyOf(endpoint, "G-W");
    expect(steps.filter((one) => / mu\b/.test(one)).slice(2, 5)).toEqual([
      "loop0: rlock mu",
      "stopper: rwlock mu: has to wait",
      "loop0: rlock mu: has to wait",
    ]);
  });

  it("14 every packet that was read is delivered or counted", async () => {
    // The sum is the program's last claim: a loop that forgets one would not be SAFE.
    expect(await verdictWith(endpoint, "G-F", { packets: 3 })).toBe("SAFE");
  });

  it("15 a second stop returns early in the repaired layout, late in the old one", async () => {
    expect(await verdictWith(endpoint, "G-I", { packets: 0 })).toBe("ASSERT");
    expect(await verdictWith(endpoint, "G-I2", { lock: "until-wait" })).toBe("ASSERT");
  });
});
