// Synchronisation mutants of the explored path: one of each operator dies, each in the cell and by
// the failure that the synchronisation is there for; what survives has a certificate. The full run
// is the command `packetpath mutants`.
import { describe, expect, it } from "vitest";
import { Hunt, type Result } from "../../src/explore/mutants/hunt.js";
import { reasonOf } from "../../src/explore/mutants/reasons.js";
import { mutantsOf, mutated, OPERATORS } from "../../src/explore/mutants/operators.js";

const hunt = new Hunt();

/** The mutant of an operator in a function; `at` of several of them. */
function judged(operator: string, within: string, at = 0): Result {
  const found = hunt.mutants.filter((one) => one.operator === operator && one.within === within);
  expect(found.length, `${operator} in ${within}`).toBeGreaterThan(at);
  return hunt.judge(found[at]!);
}

describe("mutants that a cell kills", () => {
  it.each([
    ["drop-lock", "deleteLinks", "ASSERT", /net_todo_list/],
    ["drop-unlock", "ovsDpNotifyWq", "ASSERT", /ovs_mutex is still held/],
    ["drop-read-section", "receive", "LOCKUP", /never ends/],
    ["drop-grace-period", "devDeactivateMany", "ASSERT", /without receive queues/],
    ["drop-reference", "vportNetdevFree", "DEADLOCK", /nobody can go on/],
    ["drop-store", "ovsDpDetachPort", "USE-AFTER-FREE", /freed/],
    ["drop-work", "dpDeviceEvent", "DEADLOCK", /nobody can go on/],
    ["pass-test", "guardAllows", "LOCKUP", /never ends/],
    ["callback-at-once", "netdevDestroy", "USE-AFTER-FREE", /freed/],
    ["negate-test", "dpDeviceEvent", "DEADLOCK", /nobody can go on/],
    ["swap-order", "devDeactivateMany", "ASSERT", /device that is down/],
  ] as const)("%s in %s: %s", (operator, within, verdict, message) => {
    const { fate, killer } = judged(operator, within);
    expect([fate, killer?.verdict]).toEqual(["killed", verdict]);
    expect(killer?.message).toMatch(message);
    expect(killer?.token).toMatch(/^[0-9a-f]{4}-[a-zA-Z0-9]+$/);
  });
});

describe("each law kills what breaks it, in the cell that states it", () => {
  it.each([
    ["drop-lock", "netifRx", "delete-other", /lost on the backlog/],
    ["pass-test", "netifRx", "peer-down", /driver is stopped/],
    ["swap-order", "netdevRxHandlerUnregister", "frame-in", /lost its data/],
    ["drop-read-section", "devQueueXmit", "host-send", /device that is down/],
    ["drop-lock", "netdevDestroy", "del-port-delete", /./],
    ["drop-lock", "takeAway", "remap-shrink", /queue counts change under/],
    ["drop-lock", "devHardStartXmit", "freeze-delete", /driver of a locked queue/],
  ] as const)("%s in %s: %s", (operator, within, event, message) => {
    const { fate, killer } = judged(operator, within);
    expect([fate, killer?.cell.split("/")[3]]).toEqual(["killed", event]);
    expect(killer?.message).toMatch(message);
  });
});

describe("mutants that no cell can tell", () => {
  it("IFF_UP of a veth's far end, which START covers: SAFE, the same ends, a reason", () => {
    const { fate, cells, reason } = judged("pass-test", "vethXmit");
    expect([fate, reason?.of]).toEqual(["equivalent", "asked again"]);
    expect(cells.map(({ verdict, ends }) => [verdict, ends])).toEqual(
      hunt.cells.map(({ ends }) => ["SAFE", ends]),
    );
    expect(cells.every(({ states, bound }) => states > 0 && bound === null)).toBe(true);
  });

  it("one without a reason would count as survived: none is explained by its name alone", () => {
    const some = hunt.mutants[0]!;
    expect(reasonOf({ ...some, before: "another line" })).toBeNull();
  });
});

describe("operators", () => {
  const text =
    "function f(k: Kernel): void {\n  spinLock(m, b);\n  if (x) {\n    spinUnlock(m, b);\n" +
    "    return;\n  }\n  spinUnlock(m, b);\n}\n";

  it("a lock goes with all of its unlocks, and nothing else", () => {
    const pair = mutantsOf("a.ts", text).find(({ operator }) => operator === "drop-lock")!;
    expect(mutated(text, pair)).toBe(text.replaceAll(/spin(Unl|L)ock\(m, b\);/g, ";"));
    expect([pair.line, pair.before, pair.after]).toEqual([2, "spinLock(m, b);", ";"]);
  });

  it("all of them apply to the path, and none twice at the same place", () => {
    const used = new Set(hunt.mutants.map(({ operator }) => operator));
    expect([...used].sort()).toEqual(Object.keys(OPERATORS).sort());
    expect(new Set(hunt.mutants.map(({ id }) => id)).size).toBe(hunt.mutants.length);
  });
});
