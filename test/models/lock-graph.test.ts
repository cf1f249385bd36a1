// What exploring finds dead among locks, the lock graph expects: in the variants of all systems,
// and in generated lists of the kernel's calls by tasks, softirqs and an interrupt.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { decideVariant, variantOf } from "../../src/explore/variants/variants.js";
import { softirq } from "../../src/models/softirq/variants.js";
import { SYSTEMS } from "../../src/models/systems.js";
import { decide } from "./decide.js";

/** Somebody of the circle waits for what is no lock; as with lockdep, no order of locks tells. */
const OTHER_WAITS: Readonly<Record<string, RegExp>> = {
  "a wait group": /the counter of wg\[0\] is 1/,
  "the end of a timer or work item": /-> the end \(of \w+\) ->/,
  "a lock that its holder has not given back": /exit waits: words\[0\] is 1/,
};
const WAITS_FOR: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["G-B", "G-B2", "G-B3", "G-P1", "G-S", "G-R", "G-HB"].map((id) => [id, "a wait group"]),
  ),
  "T-U2": "the end of a timer or work item",
  "N-G": "the end of a timer or work item",
  // The wrong unlock before it is T-M's verdict, MISUSE.
  "T-M2": "a lock that its holder has not given back",
};

const DEAD = SYSTEMS.flatMap((system) =>
  system.variants
    .filter(({ verdict }) => verdict === "DEADLOCK")
    .map(({ id }) => ({ id, system, other: WAITS_FOR[id] })),
);

describe("3.5 #15 every deadlock among locks of the variants is expected", () => {
  it.each(DEAD.filter(({ other }) => other === undefined))("$id", async ({ system, id }) => {
    const { result } = await decide(system, id);
    const shown = result.predicted.filter(({ confirmed }) => confirmed !== null);
    expect(shown.length).toBeGreaterThan(0);
  });

  it.each(DEAD.filter(({ other }) => other !== undefined))(
    "$id waits for $other",
    async ({ system, id, other }) => {
      const { result } = await decide(system, id);
      expect(result.counterexample!.message).toMatch(OTHER_WAITS[other!]!);
    },
  );
});

const SEED = 20_260;
const PROGRAMS = 60;

const LOCKS = ["a", "b", "c"];

/** Calls that lock, work and unlock, some with a second lock inside; `kinds` as the kernel's. */
function section(random: Random, kinds: readonly string[]): string[] {
  const kind = random.pick(kinds);
  const unlock = kind === "_irqsave" ? "_irqrestore" : kind;
  const outer = random.pick(LOCKS);
  const inner = random.pick(LOCKS.filter((one) => one !== outer));
  const open = [`spin_lock${kind} ${outer}`];
  const close = [`spin_unlock${unlock} ${outer}`];
  const work = random.below(2) === 0 ? ["update"] : [];
  const nested = [`spin_lock ${inner}`, ...work, `spin_unlock ${inner}`];
  const body = random.below(2) === 0 ? nested : work;
  // Sent with the lock held: the softirq runs inside, if it may.
  const sends = kind === "" && random.below(5) === 0 ? ["xmit_lo"] : [];
  return [...open, ...body, ...sends, ...close];
}

function calls(random: Random, kinds: readonly string[], most: number): string[] {
  const sections = Array.from({ length: random.below(most + 1) }, () => section(random, kinds));
  return sections.flat();
}

function program(random: Random) {
  const task = ["", "_bh", "_irq", "_irqsave"];
  const raised = ["receive", "receive1", "interrupt"].filter(() => random.below(2) === 0);
  const noSend = (list: readonly string[]) => list.filter((one) => one !== "xmit_lo");
  return {
    cpus: 1 + random.below(2),
    process: calls(random, task, 2),
    process1: calls(random, task, 1),
    receive: noSend(calls(random, ["", "_irqsave"], 1)),
    receive1: noSend(calls(random, ["", "_bh"], 1)),
    interrupt: noSend(calls(random, [""], 1)),
    raised,
  };
}

describe("3.5 #15 and of generated programs", () => {
  it(`${PROGRAMS} programs, seed ${SEED}`, async () => {
    const random = new Random(SEED);
    const kinds = new Map<string, number>();
    let dead = 0;
    for (let i = 0; i < PROGRAMS; i++) {
      const parameters = program(random);
      const variant = { ...variantOf(softirq, "L4"), parameters };
      const { result } = await decideVariant(softirq, variant, { maxStates: 200_000 });
      if (result.verdict !== "DEADLOCK") continue;
      dead++;
      const open = result.predicted.filter(({ isRuledOut }) => !isRuledOut);
      expect(open.length, `program ${i}: ${JSON.stringify(parameters)}`).toBeGreaterThan(0);
      for (const { kind } of open) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    expect(dead).toBeGreaterThan(9);
    expect([...kinds.keys()].sort()).toEqual(["circular", "irq-inversion"]);
  });
});
