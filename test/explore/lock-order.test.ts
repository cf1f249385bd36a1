// The lock graph predicts from runs that go well, as the kernel's lockdep does, and a steered search
// finds the schedule; what exploring finds among locks was predicted.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { LockGraph } from "../../src/explore/detect/lock-graph.js";
import { predict, runInTurns } from "../../src/explore/detect/predict.js";
import { explore, replay } from "../../src/explore/explore.js";
import { Machine } from "../../src/explore/search/machine.js";
import { loadProgram } from "../../src/explore/source/load.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));
const NAMES =
  "add, initLock, ld, localBhDisable, localBhEnable, lock, mutexLock, mutexUnlock, program, rlock, " +
  "runlock, rwlock, rwunlock, spinLock, spinLockBh, spinLockIrq, spinUnlock, spinUnlockBh, " +
  "spinUnlockIrq, tryLock, unlock";
const source = (threads: string, more = "") =>
  `import { ${NAMES} } from "packetpath/explore";\n` +
  `export default program({ name: "p", cells: { x: 0 }, locks: ["l", "m", "n"], ${more}\n` +
  `threads: { ${threads} } });\n`;
const nested = (name: string, ...locks: readonly string[]) =>
  `${name}({ l, m, n }) { ${locks.map((one) => `lock(${one});`).join(" ")} ` +
  `${locks
    .toReversed()
    .map((one) => `unlock(${one});`)
    .join(" ")} }`;

/** What runs one after the other, none of which goes wrong, let one expect. */
async function fromQuietRuns(text: string) {
  const program = await loadProgram(text, "p.ts");
  const machine = new Machine(program, 1000);
  const graph = new LockGraph(machine);
  runInTurns(machine, graph);
  return { program, machine, graph, ...predict(machine, graph, false) };
}

describe("predictions from runs that go well", () => {
  it("two locks in opposite orders: the report of lockdep, with both places", async () => {
    const text = readFileSync(`${folder}two-locks.ts`, "utf8");
    const { predicted, program } = await fromQuietRuns(text);
    expect(predicted).toHaveLength(1);
    const { kind, report, confirmed, threads } = predicted[0]!;
    expect([kind, threads]).toEqual(["circular", ["notifier", "command"]]);
    expect(replay(program, confirmed!).verdict).toBe("DEADLOCK");
    expect(report.split("\n").slice(1)).toEqual([
      "WARNING: possible circular locking dependency detected",
      "------------------------------------------------------",
      "notifier is trying to acquire lock:",
      " (ovs){+.+.}, at: lock, line 12:7",
      "",
      "but task is already holding lock:",
      " (rtnl){+.+.}, at: lock, line 11:7",
      "",
      "which lock already depends on the new lock.",
      "",
      "the existing dependency chain (in reverse order) is:",
      "",
      "-> #1 (rtnl){+.+.}:",
      "       command: lock, line 18:7",
      "       with (ovs){+.+.} held, lock, line 17:7",
      "",
      "-> #0 (ovs){+.+.}:",
      "       notifier: lock, line 12:7",
      "       with (rtnl){+.+.} held, lock, line 11:7",
      "",
      " Possible unsafe locking scenario:",
      "",
      "  notifier                command",
      "  ----                    ----",
      "  lock(rtnl);",
      "                          lock(ovs);",
      "  lock(ovs);",
      "                          lock(rtnl);",
      "",
      " *** DEADLOCK ***",
      "",
    ]);
  });

  const cases: [string, string, string[]][] = [
    ["one order is none", `${nested("a", "l", "m")}, ${nested("b", "l", "m")}`, []],
    [
      "a circle of three",
      `${nested("a", "l", "m")}, ${nested("b", "m", "n")}, ${nested("c", "n", "l")}`,
      ["circular"],
    ],
    [
      "both orders in one thread are none",
      `a({ l, m }) { lock(l); lock(m); unlock(m); unlock(l); lock(m); lock(l); unlock(l); unlock(m); }, ${nested("b", "l")}`,
      [],
    ],
    [
      "who tries does not wait",
      "a({ l, m }) { lock(l); if (tryLock(m)) unlock(m); unlock(l); }, " +
        "b({ l, m }) { lock(m); if (tryLock(l)) unlock(l); unlock(m); }",
      [],
    ],
    [
      "a mutex and a lock",
      "a({ l, m }) { mutexLock(l); lock(m); unlock(m); mutexUnlock(l); }, " +
        "b({ l, m }) { lock(m); mutexLock(l); mutexUnlock(l); unlock(m); }",
      ["circular"],
    ],
    [
      "a reader comes back while a writer may wait",
      "a({ l }) { rlock(l); rlock(l); runlock(l); runlock(l); }, b({ l }) { rwlock(l); rwunlock(l); }",
      ["recursive"],
    ],
    [
      "a reader comes back and nobody writes: none",
      "a({ l }) { rlock(l); rlock(l); runlock(l); runlock(l); }, b({ l }) { rlock(l); runlock(l); }",
      [],
    ],
    [
      "readers in opposite orders, with writers",
      "a({ l, m }) { rlock(l); rlock(m); runlock(m); runlock(l); }, " +
        "b({ l, m }) { rlock(m); rlock(l); runlock(l); runlock(m); }, " +
        "c({ l }) { rwlock(l); rwunlock(l); }, d({ m }) { rwlock(m); rwunlock(m); }",
      ["circular"],
    ],
    [
      "readers in opposite orders, without: none",
      "a({ l, m }) { rlock(l); rlock(m); runlock(m); runlock(l); }, " +
        "b({ l, m }) { rlock(m); rlock(l); runlock(l); runlock(m); }",
      [],
    ],
    [
      "a softirq takes what a task takes with softirqs on",
      "a: { cpu: 0, run({ l }) { spinLock(l); spinUnlock(l); } }, " +
        'b: { cpu: 0, context: "softirq", raised: true, run({ l }) { spinLock(l); spinUnlock(l); } }',
      ["irq-inversion"],
    ],
    [
      "the task keeps softirqs off: none",
      "a: { cpu: 0, run({ l }) { spinLockBh(l); spinUnlockBh(l); } }, " +
        'b: { cpu: 0, context: "softirq", raised: true, run({ l }) { spinLock(l); spinUnlock(l); } }',
      [],
    ],
    [
      "the same by localBhDisable: none",
      "a: { cpu: 0, run({ l }) { localBhDisable(); spinLock(l); spinUnlock(l); localBhEnable(); } }, " +
        'b: { cpu: 0, context: "softirq", raised: true, run({ l }) { spinLock(l); spinUnlock(l); } }',
      [],
    ],
    [
      "keeping softirqs off is not enough for a hardirq",
      "a: { cpu: 0, run({ l }) { spinLockBh(l); spinUnlockBh(l); } }, " +
        'b: { cpu: 0, context: "hardirq", run({ l }) { spinLock(l); spinUnlock(l); } }',
      ["irq-inversion"],
    ],
    [
      "over a second lock and a second CPU",
      "a: { cpu: 0, run({ l, m }) { spinLockBh(l); spinLock(m); spinUnlock(m); spinUnlockBh(l); } }, " +
        "b: { cpu: 1, run({ m }) { spinLock(m); spinUnlock(m); } }, " +
        'c: { cpu: 1, context: "softirq", raised: true, run({ l }) { spinLock(l); spinUnlock(l); } }',
      ["irq-inversion"],
    ],
  ];
  it.each(cases)("%s", async (_what, threads, kinds) => {
    const { program, predicted } = await fromQuietRuns(source(threads, "cpus: 2,"));
    expect(predicted.map((one) => one.kind)).toEqual(kinds);
    const { verdict } = explore(program);
    expect(verdict).toBe(kinds.length === 0 ? "SAFE" : "DEADLOCK");
    for (const { confirmed } of predicted) {
      expect(confirmed).not.toBe(null);
      expect(replay(program, confirmed!).verdict).toBe("DEADLOCK");
    }
  });

  const letters: [string, string, string][] = [
    ["a task, interrupts on", "a({ l }) { lock(l); unlock(l); }", "{+.+.}"],
    ["never taken", "a({ x }) { ld(x); }", "{....}"],
    ["softirqs off", "a({ l }) { spinLockBh(l); spinUnlockBh(l); }", "{+...}"],
    ["interrupts off", "a({ l }) { spinLockIrq(l); spinUnlockIrq(l); }", "{....}"],
    ["a reader", "a({ l }) { rlock(l); runlock(l); }", "{.+.+}"],
    [
      "a softirq",
      'a: { cpu: 0, context: "softirq", raised: true, run({ l }) { spinLock(l); spinUnlock(l); } }',
      "{+.-.}",
    ],
    [
      "a hardirq",
      'a: { cpu: 0, context: "hardirq", run({ l }) { spinLock(l); spinUnlock(l); } }',
      "{-...}",
    ],
    [
      "a softirq, and a task with softirqs on",
      "a: { cpu: 0, run({ l }) { spinLock(l); spinUnlock(l); } }, " +
        'b: { cpu: 0, context: "softirq", raised: true, run({ l }) { spinLock(l); spinUnlock(l); } }',
      "{+.?.}",
    ],
  ];
  it.each(letters)("letters: %s", async (_what, threads, expected) => {
    const { graph, program } = await fromQuietRuns(source(threads));
    expect(graph.letters(program.names.indexOf("l"))).toBe(expected);
  });
});

describe("locks and their initLock", () => {
  const early = (threads: string) =>
    `import { initLock, ld, lock, program, st, UNINIT, unlock, waitUntil } from "packetpath/explore";\n` +
    `export default program({ name: "p", cells: { x: 0 }, locks: { l: UNINIT }, ` +
    `threads: { ${threads} } });\n`;
  const init = "a({ l, x }) { initLock(l); st(x, 1); }";

  it("a use that nothing orders is predicted from a run in which it came later", async () => {
    const text = early(`${init}, b({ l }) { lock(l); unlock(l); }`);
    const { predicted, program } = await fromQuietRuns(text);
    expect(predicted.map((one) => [one.kind, one.message])).toEqual([
      ["uninitialised", "nothing orders the use of l by b after its initLock by a"],
    ]);
    expect(replay(program, predicted[0]!.confirmed!).verdict).toBe("UNINIT-LOCK");
    const result = explore(program, { strategy: "preemption", bound: 0, maxStates: 2 });
    expect([result.verdict, result.complete]).toEqual(["UNINIT-LOCK", false]);
    expect(predicted[0]!.report).toMatch(/^INFO: trying to register non-static key\./);
  });

  it.each([
    ["a use that waits for the one who has initialised it", "waitUntil(x, 1); lock(l); unlock(l);"],
    ["a use that looks first", "if (ld(x) === 1) { lock(l); unlock(l); }"],
  ])("%s: none", async (_what, body) => {
    const text = early(`${init}, b({ l, x }) { ${body} }`);
    const { predicted, program } = await fromQuietRuns(text);
    expect(predicted).toEqual([]);
    expect(explore(program).verdict).toBe("SAFE");
  });

  it("a second initLock that nothing orders after the first", async () => {
    const text = early("a({ l }) { initLock(l); lock(l); unlock(l); }, b({ l }) { initLock(l); }");
    const { predicted, program } = await fromQuietRuns(text);
    expect(predicted.map((one) => one.kind)).toEqual(["uninitialised"]);
    expect(explore(program).verdict).toBe("UNINIT-LOCK");
  });
});

describe("predictions and verdicts", () => {
  const gated = `${nested("a", "n", "l", "m")}, ${nested("b", "n", "m", "l")}`;

  it("a circle behind a lock that both hold: ruled out by all states, unconfirmed by runs", async () => {
    const program = await loadProgram(source(gated), "p.ts");
    const states = explore(program);
    expect(states.verdict).toBe("SAFE");
    expect(states.predicted.map((one) => [one.isRuledOut, one.confirmed])).toEqual([[true, null]]);
    const runs = explore(program, { strategy: "random", maxExecutions: 50 });
    expect(runs.verdict).toBe("UNDECIDED");
    expect(runs.predicted.map((one) => [one.isRuledOut, one.confirmed])).toEqual([[false, null]]);
  });

  it("one that is confirmed decides what a single run did not", async () => {
    const text = source(`${nested("a", "l", "m")}, ${nested("b", "m", "l")}`);
    const program = await loadProgram(text, "p.ts");
    const result = explore(program, { strategy: "preemption", bound: 0 });
    expect([result.verdict, result.bound]).toEqual(["DEADLOCK", "preemption bound 0 completed"]);
    expect(replay(program, result.counterexample!.token).verdict).toBe("DEADLOCK");
  });

  it("every deadlock among locks of 120 random programs is predicted and confirmed", async () => {
    const random = new Random(41);
    let deadlocks = 0;
    for (let round = 0; round < 120; round++) {
      const text = source(["a", "b", "c"].map((name) => randomLocks(name, random)).join(", "));
      const program = await loadProgram(text, "p.ts");
      const states = explore(program);
      const runs = explore(program, { strategy: "dpor" });
      for (const { confirmed } of runs.predicted) {
        if (confirmed === null) continue;
        expect(replay(program, confirmed).verdict, text).toBe("DEADLOCK");
        expect(states.verdict, text).toBe("DEADLOCK");
      }
      if (states.verdict !== "DEADLOCK") continue;
      deadlocks++;
      const confirmed = runs.predicted.filter((one) => one.confirmed !== null);
      expect(confirmed.length, text).toBeGreaterThan(0);
      expect(states.predicted.length, text).toBeGreaterThan(0);
    }
    expect(deadlocks).toBeGreaterThan(25);
  });
});

/** Sections of random locks, nested by chance, some only where a cell says so. */
function randomLocks(name: string, random: Random): string {
  let text = "";
  for (let i = 0; i < 1 + random.below(2); i++) {
    const [l, m] = [random.pick(["l", "m", "n"]), random.pick(["l", "m", "n"])];
    const isRecursive = l === m && random.below(4) > 0;
    const inner = isRecursive ? "add(x, 1);" : `lock(${m}); add(x, 1); unlock(${m});`;
    const isNested = random.below(3) > 0;
    const body = isNested ? inner : "add(x, 1);";
    const section = ` lock(${l}); ${body} unlock(${l});`;
    text += random.below(3) === 0 ? ` if (ld(x) > 0) {${section} }` : section;
  }
  return `${name}({ x, l, m, n }) {${text} }`;
}
