// socket() with each step failing: the errno, and that nothing is left.
import { describe, expect, it } from "vitest";
import { STEPS } from "../../src/models/socket/steps.js";
import { socket } from "../../src/models/socket/variants.js";
import { decide, storyOf, testVariants, verdictWith } from "./decide.js";

describe("4.1 ways through socket()", () => {
  testVariants(socket, {
    "S-F": "SAFE",
    "S-D": "USE-AFTER-FREE",
    "S-Dn": "SAFE",
    "S-DF": "SAFE",
    "S-DF2": "SAFE",
    "S-O": "USE-AFTER-FREE",
    "S-O1": "USE-AFTER-FREE",
    "S-O2": "USE-AFTER-FREE",
    "S-OF": "SAFE",
    "S-OF1": "USE-AFTER-FREE",
    "S-M": "SAFE",
    "S-M1": "USE-AFTER-FREE",
    "S-M2": "USE-AFTER-FREE",
    "S-10": "LEAK",
    "S-L": "SAFE",
    "S-L1": "LEAK",
    "S-P": "SAFE",
    "S-I": "SAFE",
    "S-I1": "ASSERT",
  });
});

/** The step that fails, by the number of the table, and what socket() returns then. */
const ERRNO: readonly [number: number, step: string, errno: number][] = [
  // Those that a host can be asked for, from the rules that are held against its kernel.
  ...Object.values(STEPS).flatMap(({ number, model, errno }): [number, string, number][] =>
    model === null ? [] : [[number, model, errno]],
  ),
  [3, "security_socket_create", 13],
  [9, "sk", 12],
  [11, "security_socket_post_create", 13],
  [12, "file", 23],
];

describe("4.5 what can be checked by exploring", () => {
  it.each(ERRNO)("7 step %i, %s: errno %i, and every counter as before", async (...row) => {
    const [, fails, errno] = row;
    expect(await verdictWith(socket, "S-F", { fails, errno })).toBe("SAFE");
    expect(await verdictWith(socket, "S-F", { fails, errno: errno + 1 })).toBe("ASSERT");
  });

  it.each(["inode", "family", "operations", "sock", "descriptor"])(
    "7 a way out that forgets the %s is seen",
    async (forgets) => {
      expect(await verdictWith(socket, "S-F", { forgets })).toBe("LEAK");
    },
  );

  it("7 any step, with the module going and a neighbour looking", async () => {
    expect(await verdictWith(socket, "S-F", { unloads: true, hasNeighbour: true })).toBe("SAFE");
  });

  it("8 sock->sk dangles: freed, then followed on the way out, in one task", async () => {
    const steps = await storyOf(socket, "S-D");
    const at = (text: string) => steps.findIndex((one) => one.includes(text));
    expect(at("task: free")).toBeGreaterThan(at("task: st sk :="));
    expect(steps.slice(-2)).toEqual(["task: ld heap+2", "task: the memory has been freed"]);
    expect(await verdictWith(socket, "S-D", { fails: "init" })).toBe("USE-AFTER-FREE");
    expect(await verdictWith(socket, "S-D", { fails: "sk" })).toBe("SAFE");
  });

  it("8 a watcher on another CPU needs both: cleared first, then a grace period", async () => {
    const steps = await storyOf(socket, "S-O1");
    expect(steps.slice(-2)).toEqual(["watcher: ld heap+2", "watcher: the memory has been freed"]);
    expect(await verdictWith(socket, "S-OF", { fails: "init" })).toBe("SAFE");
    expect(await verdictWith(socket, "S-OF", { fails: "none" })).toBe("SAFE");
  });

  it("9 denied before: nothing was allocated; denied after: all is given back", async () => {
    const before = await decide(socket, "S-L");
    const after = await decide(socket, "S-P");
    expect([before.result.verdict, after.result.verdict]).toEqual(["SAFE", "SAFE"]);
    expect(await verdictWith(socket, "S-P", { forgets: "sock" })).toBe("LEAK");
  });

  it("9 the module can go while its socket is being made only where it is not held", async () => {
    expect(await verdictWith(socket, "S-M1", { holds: "try-get" })).toBe("SAFE");
    expect(await verdictWith(socket, "S-M2", { handsOver: "after" })).toBe("SAFE");
  });
});
