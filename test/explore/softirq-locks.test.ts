// Which lock protects what is used by tasks (P), tasks with softirqs off (Pb), softirqs (S) and
// hardirqs (H): the truth table of the kernel's locking rules, row by row, each by exploring.
import { describe, expect, it } from "vitest";
import { exploreKernel, used } from "./kernel-program.js";

/** Adds to x, which only a lock makes right. */
const WORK = "st(x, ld(x) + 1);";

interface User {
  readonly name: string;
  readonly context: "task" | "softirq" | "hardirq";
  readonly cpu?: number;
  readonly code: string;
}

function table(users: readonly User[], more = ""): string {
  const threads = users.map(({ name, context, cpu = 0, code }) => {
    const raised = context === "task" ? "" : ", raised: true";
    const names = used(["x", "a", "b", "s", "h"], code);
    const place = `cpu: ${cpu}, context: "${context}"${raised}`;
    return `${name}: { ${place}, run({ ${names} }) { ${code} } }`;
  });
  const cells = 'cells: { x: 0 }, locks: ["a", "b"]';
  return `${cells}, ${more} threads: { ${threads.join(", ")} }`;
}

const task = (code: string, name = "p", cpu = 0): User => ({ name, context: "task", cpu, code });
const softirq = (code: string, name = "s", cpu = 0): User => ({
  name,
  context: "softirq",
  cpu,
  code,
});
const hardirq = (code: string, name = "h", cpu = 0): User => ({
  name,
  context: "hardirq",
  cpu,
  code,
});

const plain = `spinLock(a); ${WORK} spinUnlock(a);`;
const bh = `spinLockBh(a); ${WORK} spinUnlockBh(a);`;
const irq = `spinLockIrq(a); ${WORK} spinUnlockIrq(a);`;
const irqsave = `const f = spinLockIrqsave(a); ${WORK} spinUnlockIrqrestore(a, f);`;
const two = "cpus: 2,";
const final = 'final({ x }) { assert(ld(x) === 2, "an addition got lost"); },';
const both = `${two} ${final}`;

type Row = [id: string, users: readonly User[], more: string, verdict: string];

const ROWS: Row[] = [
  ["L1 softirqs of two CPUs, plain", [softirq(plain), softirq(plain, "r", 1)], both, "SAFE"],
  ["L1 softirqs of one CPU, plain", [softirq(plain), softirq(plain, "r")], final, "SAFE"],
  [
    "L2 softirq and task with softirqs off, plain",
    [task(`localBhDisable(); ${plain} localBhEnable();`), softirq(plain)],
    final,
    "SAFE",
  ],
  ["L3 task and softirq, plain", [task(plain), softirq(plain)], final, "DEADLOCK"],
  ["L4 _bh in the task, plain in the softirq", [task(bh), softirq(plain)], final, "SAFE"],
  ["L5 plain in the task, _bh in the softirq", [task(plain), softirq(bh)], final, "DEADLOCK"],
  ["L8 task and hardirq, plain", [task(plain), hardirq(plain)], final, "DEADLOCK"],
  ["L8 task and hardirq, _bh", [task(bh), hardirq(plain)], final, "DEADLOCK"],
  ["L8 softirq and hardirq, plain", [softirq(plain), hardirq(plain)], final, "DEADLOCK"],
  ["L9 task and hardirq, _irq", [task(irq), hardirq(plain)], final, "SAFE"],
  ["L9 softirq and hardirq, _irqsave", [softirq(irqsave), hardirq(plain)], final, "SAFE"],
  [
    "L10 _irq inside of _irqsave lets interrupts in too early",
    [
      task(
        `const f = spinLockIrqsave(a); spinLockIrq(b); spinUnlockIrq(b); ${WORK} ` +
          "spinUnlockIrqrestore(a, f);",
      ),
      hardirq(plain),
    ],
    final,
    "DEADLOCK",
  ],
  [
    "L10 _irqsave inside of _irqsave",
    [
      task(
        "const f = spinLockIrqsave(a); const g = spinLockIrqsave(b); " +
          `spinUnlockIrqrestore(b, g); ${WORK} spinUnlockIrqrestore(a, f);`,
      ),
      hardirq(plain),
    ],
    final,
    "SAFE",
  ],
  [
    "L11 softirqs enabled while interrupts are off",
    [task("localIrqDisable(); spinLockBh(a); spinUnlockBh(a); localIrqEnable();")],
    "",
    "MISUSE",
  ],
  [
    "L12 unlock order crossing",
    [
      task("spinLockBh(a); spinLock(b); spinUnlockBh(a); st(x, 1); spinUnlock(b);"),
      softirq("spinLock(b); spinUnlock(b);"),
    ],
    "",
    "DEADLOCK",
  ],
  [
    "L13 the softirq only tries",
    [task(plain), softirq(`if (spinTrylock(a)) { ${WORK} spinUnlock(a); }`)],
    "",
    "SAFE",
  ],
  [
    "L14 a then b against b then a, on two CPUs",
    [
      task("spinLock(a); spinLock(b); spinUnlock(b); spinUnlock(a);"),
      task("spinLock(b); spinLock(a); spinUnlock(a); spinUnlock(b);", "q", 1),
    ],
    two,
    "DEADLOCK",
  ],
  [
    "L15 a softirq takes b inside of a; a task takes b with softirqs on, on two CPUs",
    [
      softirq("spinLock(a); spinLock(b); spinUnlock(b); spinUnlock(a);"),
      task("spinLock(b); st(x, 1); spinUnlock(b);", "p", 1),
      softirq("spinLock(a); spinUnlock(a);", "r", 1),
    ],
    two,
    "DEADLOCK",
  ],
  [
    "L15 the same with softirqs off",
    [
      softirq("spinLock(a); spinLock(b); spinUnlock(b); spinUnlock(a);"),
      task("spinLockBh(b); st(x, 1); spinUnlockBh(b);", "p", 1),
      softirq("spinLock(a); spinUnlock(a);", "r", 1),
    ],
    two,
    "SAFE",
  ],
  [
    "L16 L3 without spinning: an addition gets lost instead",
    [task(plain), softirq(plain)],
    `kernel: "up", ${final}`,
    "ASSERT",
  ],
  ["L16 L4 without spinning", [task(bh), softirq(plain)], `kernel: "up", ${final}`, "SAFE"],
  ["L17 L3 on PREEMPT_RT", [task(plain), softirq(plain)], `kernel: "rt", ${final}`, "SAFE"],
  ["L17 L8 on PREEMPT_RT", [task(plain), hardirq(plain)], `kernel: "rt", ${final}`, "SAFE"],
];

describe("which lock is enough", () => {
  it.each(ROWS)("%s", async (_id, users, more, verdict) => {
    const result = await exploreKernel(table(users, more));
    expect([result.verdict, result.complete]).toEqual([verdict, true]);
  });

  // Not raised at the start: nothing from outside is needed.
  const sender = "spinLock(a); localBhDisable(); raiseSoftirq(s); localBhEnable(); spinUnlock(a);";
  const receiver = 's: { cpu: 0, context: "softirq", run({ a }) { spinLock(a); spinUnlock(a); } }';
  const six = (code: string) =>
    `locks: ["a"], threads: { p: { cpu: 0, run({ a, s }) { ${code} } }, ${receiver} }`;

  it("L6 plain, held while sending over loopback: dead in every execution", async () => {
    const result = await exploreKernel(six(sender));
    const { verdict, interleavings, counterexample } = result;
    expect([verdict, interleavings]).toEqual(["DEADLOCK", "1"]);
    expect(counterexample?.switches).toBe(1);
  });

  it("L7 the same within _bh: it runs after the unlock", async () => {
    const code = sender.replace("spinLock(a)", "spinLockBh(a)").replace(/spinUnlock\(a\);$/, "");
    const result = await exploreKernel(six(`${code} spinUnlockBh(a);`));
    expect([result.verdict, result.interleavings]).toEqual(["SAFE", "1"]);
  });

  it("L15 on one CPU there is nobody to wait for", async () => {
    const users = [
      softirq("spinLock(a); spinLock(b); spinUnlock(b); spinUnlock(a);"),
      task("spinLockBh(b); st(x, 1); spinUnlockBh(b);"),
      softirq("spinLock(a); spinUnlock(a);", "r"),
    ];
    expect((await exploreKernel(table(users))).verdict).toBe("SAFE");
  });
});
