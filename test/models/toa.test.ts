// Orders and failures of the TOA and UOA modules.
import { describe, expect, it } from "vitest";
import { toa } from "../../src/models/toa/variants.js";
import { decide, storyOf, testVariants, verdictWith } from "./decide.js";

describe("1.6 orders of the module", () => {
  testVariants(toa, {
    "T-B0": "CORRUPTION",
    "T-B1": "CORRUPTION",
    "T-B2": "UNINIT-LOCK",
    "T-B3": "CORRUPTION",
    "T-F": "SAFE",
    "T-F2c": "SAFE",
    "T-F1": "LEAK",
    "T-F1f": "SAFE",
    "T-F2": "NULL-DEREF",
    "T-F2f": "SAFE",
    "T-H": "NULL-DEREF",
    "T-E": "USE-AFTER-FREE",
    "T-EF": "SAFE",
    "T-M": "MISUSE",
    "T-M2": "DEADLOCK",
    "T-M'": "SAFE",
    "T-MF": "SAFE",
    "T-O": "DEADLOCK",
    "T-N": "COUNTER-OVERFLOW",
    "T-N127": "SAFE",
    "T-U1": "USE-AFTER-FREE",
    "T-U2": "DEADLOCK",
    "T-UF": "SAFE",
    "T-S": "CORRUPTION",
    "T-SX": "SAFE",
    "T-SX1": "USE-AFTER-FREE",
    "T-SF": "SAFE",
    "T-D": "ASSERT",
    "T-DF": "SAFE",
    "T-P": "ASSERT",
    "T-PF": "SAFE",
    "T-6": "LEAK",
    "T-6N": "SAFE",
    "T-6F": "SAFE",
  });
});

describe("1.4 and 1.5 what else is in the code of TOA and UOA", () => {
  it("UOA: the order at exit is right because callers hold the module, and only then", async () => {
    expect(await verdictWith(toa, "T-SX", { opens: "before-stats" })).toBe("CORRUPTION");
    expect(await verdictWith(toa, "T-SX1", { frees: "after-sockopt" })).toBe("USE-AFTER-FREE");
  });

  it("UOA: the shortest area with an address behind its end has four bytes", async () => {
    const steps = await storyOf(toa, "T-P");
    const bytes = steps.flatMap((one) => /st option\[\d\] := (\d+)/.exec(one)?.[1] ?? []);
    expect(bytes).toEqual(["0", "2", "31", "2"]);
    expect(await verdictWith(toa, "T-P", { bytes: 3 })).toBe("SAFE");
    expect(await verdictWith(toa, "T-PF", { bytes: 5 })).toBe("SAFE");
  });

  it("UOA: without a further namespace the hooks are there once", async () => {
    expect(await verdictWith(toa, "T-D", { others: 0 })).toBe("SAFE");
  });

  it("1.4 #6: 8 bytes are no pointer, whatever the flag", async () => {
    expect(await verdictWith(toa, "T-6", { option: 8 })).toBe("SAFE");
    expect(await verdictWith(toa, "T-6N", { option: 8, nat64: false })).toBe("SAFE");
  });
});

describe("1.9 what can be checked by exploring", () => {
  it.each(["small", "magic", "lockdep"])(
    "1 the repaired order is safe with locks of any size: %s",
    async (lock) => {
      expect(await verdictWith(toa, "T-F", { lock })).toBe("SAFE");
    },
  );

  it("1 it takes neither another thread nor another CPU: insmod does it alone", async () => {
    const { result } = await decide(toa, "T-B1");
    expect(result.counterexample?.threads).toEqual(["insmod"]);
    expect(await verdictWith(toa, "T-B1", { hasSegment: false })).toBe("CORRUPTION");
  });

  it("1 4 bytes: everything works, and nothing but the last check notices", async () => {
    const { result } = await decide(toa, "T-B0");
    expect(result.counterexample?.message).toContain("final check: locks were written");
    const steps = await storyOf(toa, "T-B0");
    expect(steps.some((one) => one.startsWith("insmod: free"))).toBe(true);
  });

  it("1 T-B3: the allocation fails, and the canary is gone all the same", async () => {
    const steps = await storyOf(toa, "T-B3");
    const at = (text: string) => steps.findIndex((one) => one.includes(text));
    expect(at("st canary[0] := 0")).toBeGreaterThan(0);
    expect(at("st base := 0")).toBeGreaterThan(at("st canary[0] := 0"));
  });

  it("2 T-M: one migration, between the two looks at the own CPU", async () => {
    const steps = await storyOf(toa, "T-M");
    expect(steps.filter((one) => one.startsWith("getname:cpu")).length).toBe(1);
    const first = steps.findIndex((one) => one.startsWith("getname: thisCpu"));
    const moved = steps.findIndex((one) => one.startsWith("getname:cpu"));
    const wrong = steps.findIndex((one) => one.includes("does not hold"));
    expect([first < moved, moved < wrong]).toEqual([true, true]);
  });

  it("2 T-M2: the same migration, and the lock that stayed taken stops lock_all", async () => {
    const steps = await storyOf(toa, "T-M2");
    expect(steps.filter((one) => one.startsWith("getname:cpu")).length).toBe(1);
    expect(steps.at(-1)).toContain("exit: waits: words[0] is 1");
  });

  it("15 what is allocated is freed when the module is gone, in each safe variant", async () => {
    // Memory that is left is a LEAK in this program; that it would be seen, T-F1 shows.
    expect(await verdictWith(toa, "T-F", { unloads: false })).toBe("LEAK");
  });
});
