// Spin locks between tasks, softirqs and interrupts; and the lock graph as a second judge of them.
import { describe, expect, it } from "vitest";
import { LockGraph } from "../../src/explore/detect/lock-graph.js";
import { predict, runInTurns } from "../../src/explore/detect/predict.js";
import { Machine } from "../../src/explore/search/machine.js";
import { loadVariant, variantOf } from "../../src/explore/variants/variants.js";
import { softirq } from "../../src/models/softirq/variants.js";
import { decide, storyOf, testVariants, verdictWith } from "./decide.js";

describe("3.2 which lock is enough", () => {
  testVariants(softirq, {
    L1: "SAFE",
    L1r: "SAFE",
    L2: "SAFE",
    L3: "DEADLOCK",
    L4: "SAFE",
    L5: "DEADLOCK",
    L6: "DEADLOCK",
    L7: "SAFE",
    L8: "DEADLOCK",
    L8b: "DEADLOCK",
    L8s: "DEADLOCK",
    L9: "SAFE",
    L9s: "SAFE",
    L10: "DEADLOCK",
    L11: "MISUSE",
    L12: "DEADLOCK",
    L12f: "SAFE",
    L13: "SAFE",
    L13r: "LIVELOCK",
    L14: "DEADLOCK",
    L15: "DEADLOCK",
    L15u: "SAFE",
    L15f: "SAFE",
    L16: "ASSERT",
    L16f: "SAFE",
    L17: "SAFE",
    nest: "SAFE",
    restart: "SAFE",
    restart11: "ASSERT",
    backlog: "SAFE",
    backlog1001: "SAFE",
    tcp: "SAFE",
  });
});

/** What the lock graph says of runs in which the threads go one after the other. */
async function predicted(id: string) {
  const program = await loadVariant(softirq, variantOf(softirq, id));
  const machine = new Machine(program, 3000);
  const graph = new LockGraph(machine);
  runInTurns(machine, graph);
  return predict(machine, graph, false).predicted;
}

describe("3.5 what can be checked by exploring", () => {
  it("1 receiving inside of the sender is a softirq: a plain lock is enough there", async () => {
    expect((await decide(softirq, "L1")).result.verdict).toBe("SAFE");
    // Not because nothing ran: with the lock held by the sender, the same receive path is dead.
    expect(await verdictWith(softirq, "L1", { process: ["spin_lock a", "xmit_lo"] })).toBe(
      "DEADLOCK",
    );
  });

  it("2 re-injected in a task: dead with one interrupt, and lockdep's own words", async () => {
    const steps = await storyOf(softirq, "L3");
    expect(steps.map((one) => one.split(":")[0])).toEqual([
      "process",
      "receive",
      "receive",
      "receive",
    ]);
    const [first] = await predicted("L3");
    expect(first?.kind).toBe("irq-inversion");
    expect(first?.report).toContain("inconsistent {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage.");
    expect(first?.report).toContain("(a){+.?.}");
  });

  it("3 L6: no interrupt, no choice: every execution is dead", async () => {
    const { result } = await decide(softirq, "L6");
    expect([result.interleavings, result.bugProbability]).toEqual(["1", 1]);
    expect(variantOf(softirq, "L6").parameters.raised).toBeUndefined();
    expect(await verdictWith(softirq, "L7", { process: ["spin_lock a", "xmit_lo"] })).toBe(
      "DEADLOCK",
    );
  });

  it("4 L8 to L10: _bh is no help against interrupts, _irq is; _irq inside undoes it", async () => {
    const inner = ["spin_lock_irqsave a", "spin_lock b", "spin_unlock b", "update"];
    const process = [...inner, "spin_unlock_irqrestore a"];
    expect(await verdictWith(softirq, "L10", { process })).toBe("SAFE");
    const [first] = await predicted("L8");
    expect(first?.report).toContain("inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.");
  });

  it("6 L15 where a softirq nests the locks is dead on one CPU, too: that is L3", async () => {
    const users = { process: [], receive: ["spin_lock a", "spin_lock b", "spin_unlock b"] };
    const more = { ...users, raised: ["receive"] };
    expect(await verdictWith(softirq, "L15u", more)).toBe("DEADLOCK");
  });

  it("8 a softirq that is raised three levels deep runs at the last of them", async () => {
    const nested = variantOf(softirq, "nest").parameters.process as readonly string[];
    const early = nested.map((one) => (one === "expect_done 0" ? "expect_done 1" : one));
    expect(await verdictWith(softirq, "nest", { process: early })).toBe("ASSERT");
  });

  it("9 a softirq that raises itself: ten in a row is both the least and the most", async () => {
    const { result } = await decide(softirq, "restart11");
    const runs = result.counterexample!.timeline.filter(({ text }) => /^st x/.test(text));
    expect(runs.length).toBe(10);
  });

  it("10 the backlog drops the packet after the one above its limit", async () => {
    const process = ["local_bh_disable", "netif_rx 1003", "local_bh_enable", "expect_dropped 2"];
    expect(await verdictWith(softirq, "backlog", { process })).toBe("SAFE");
    expect(await verdictWith(softirq, "backlog", { maxBacklog: 999 })).toBe("ASSERT");
  });

  it("14 an ACK is put aside only while the user owns the socket", async () => {
    const process = ["xmit_lo", "expect_acked 1"];
    expect(await verdictWith(softirq, "tcp", { process })).toBe("SAFE");
  });

  const dead = softirq.variants.filter(({ verdict }) => verdict === "DEADLOCK");
  it.each(dead.map(({ id }) => id))("15 %s: the lock graph expects it, too", async (id) => {
    const locks = await predicted(id);
    const { result } = await decide(softirq, id);
    const all = [...locks, ...result.predicted].filter(({ isRuledOut }) => !isRuledOut);
    expect(all.map(({ kind }) => kind)).toContain(id === "L14" ? "circular" : "irq-inversion");
  });

  it("15 not the other way round: what it says of a safe variant is ruled out", async () => {
    for (const { id, verdict } of softirq.variants) {
      if (verdict !== "SAFE") continue;
      const { result } = await decide(softirq, id);
      expect([id, result.predicted.filter(({ isRuledOut }) => !isRuledOut)]).toEqual([id, []]);
    }
  });
});
