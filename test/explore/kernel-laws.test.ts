// Laws of the kernel's contexts, locks and memory, each as the smallest program that can tell.
import { describe, expect, it } from "vitest";
import { exploreKernel, handler, type Law, spec, task, used } from "./kernel-program.js";

const CONTEXTS: Law[] = [
  [
    "a softirq runs to its end before its CPU goes on",
    spec(
      task("p", "localBhDisable(); raiseSoftirq(h); localBhEnable(); assert(ld(y) === 2);") +
        handler("h", "softirq", "st(y, 1); st(y, 2);"),
    ),
    "SAFE",
  ],
  [
    "another CPU goes on meanwhile",
    spec(
      task("p", "assert(ld(y) !== 1);", "cpu: 1") +
        handler("h", "softirq", "st(y, 1); st(y, 2);", "cpu: 0, raised: true,"),
      "cpus: 2,",
    ),
    "ASSERT",
  ],
  [
    "a task of the same CPU never sees the middle of it",
    spec(
      task("p", "assert(ld(y) !== 1);") +
        handler("h", "softirq", "st(y, 1); st(y, 2);", "raised: true,"),
    ),
    "SAFE",
  ],
  [
    "a hardirq comes in between two steps of a softirq",
    spec(
      handler("h", "softirq", "st(y, 1); st(y, 2);", "raised: true,") +
        handler("w", "hardirq", "assert(ld(y) !== 1);"),
    ),
    "ASSERT",
  ],
  [
    "a softirq never comes in between two steps of a hardirq",
    spec(
      handler("h", "softirq", "assert(ld(y) !== 1);", "raised: true,") +
        handler("w", "hardirq", "st(y, 1); st(y, 2);"),
    ),
    "SAFE",
  ],
  [
    "nested _bh: a softirq waits for the outermost enabling",
    spec(
      task(
        "p",
        "localBhDisable(); localBhDisable(); raiseSoftirq(h); localBhEnable(); " +
          "assert(ld(y) === 0); localBhEnable(); assert(ld(y) === 1);",
      ) + handler("h", "softirq", "st(y, 1);"),
    ),
    "SAFE",
  ],
  ["softirqs enabled that nobody disabled", spec(task("p", "localBhEnable();")), "MISUSE"],
  [
    "a softirq that was raised in a hardirq runs before the task goes on",
    spec(
      task("p", "while (ld(y) === 0); assert(ld(z) === 1);") +
        handler("h", "softirq", "st(z, 1);") +
        handler("w", "hardirq", "st(y, 1); raiseSoftirq(h);"),
    ),
    "SAFE",
  ],
  [
    "a softirq that raises itself ten times runs before the task",
    spec(
      task("p", "localBhDisable(); raiseSoftirq(h); localBhEnable(); assert(ld(y) === 10);") +
        handler("h", "softirq", "if (add(y, 1) < 9) raiseSoftirq(h);"),
    ),
    "SAFE",
  ],
  [
    "the eleventh time is left for later",
    spec(
      task("p", "localBhDisable(); raiseSoftirq(h); localBhEnable(); assert(ld(y) === 11);") +
        handler("h", "softirq", "if (add(y, 1) < 10) raiseSoftirq(h);"),
    ),
    "ASSERT",
  ],
  [
    "the argument of a raise",
    spec(
      task("p", "localBhDisable(); raiseSoftirq(h, 7); localBhEnable(); assert(ld(y) === 7);") +
        handler("h", "softirq", "st(y, arg);"),
    ),
    "SAFE",
  ],
  [
    "two tasks of a CPU can be switched at any step",
    spec(task("p", "st(x, ld(x) + 1); assert(ld(x) === 1);") + task("q", "st(x, 5);")),
    "ASSERT",
  ],
  [
    "not while preemption is off",
    spec(
      task("p", "preemptDisable(); st(x, 1); assert(ld(x) === 1); preemptEnable();") +
        task("q", "st(x, 5);"),
    ),
    "SAFE",
  ],
  [
    "but for a task of another CPU",
    spec(
      task("p", "preemptDisable(); st(x, 1); assert(ld(x) === 1); preemptEnable();") +
        task("q", "st(x, 5);", "cpu: 1"),
      "cpus: 2,",
    ),
    "ASSERT",
  ],
  [
    "a task that ends with preemption off keeps its CPU for ever",
    spec(task("p", "preemptDisable();") + task("q", "st(x, 5);")),
    "DEADLOCK",
  ],
  [
    "a CPU that spins runs no other task of its own",
    spec(
      task("p", "spinLock(m); waitUntil(x, 1); spinUnlock(m);") +
        task("q", "spinLock(m); spinUnlock(m);", "cpu: 1") +
        task("r", "st(x, 1);", "cpu: 1"),
      "cpus: 2,",
    ),
    "DEADLOCK",
  ],
  [
    "the CPU that was asked for stays the same without migration",
    spec(task("p", "const c = thisCpu(); assert(c === thisCpu());"), "cpus: 2,"),
    "SAFE",
  ],
  [
    "migration: not the same any more",
    spec(
      task("p", "const c = thisCpu(); assert(c === thisCpu());", "cpu: 0, migrates: true"),
      "cpus: 2,",
    ),
    "ASSERT",
  ],
  [
    "migration: not while preemption is off",
    spec(
      task(
        "p",
        "preemptDisable(); const c = thisCpu(); assert(c === thisCpu()); " + "preemptEnable();",
        "cpu: 0, migrates: true",
      ),
      "cpus: 2,",
    ),
    "SAFE",
  ],
];

const SLEEPING: Law[] = [
  [
    "a mutex keeps two tasks apart",
    spec(
      task("p", "mutexLock(m); st(x, ld(x) + 1); mutexUnlock(m);") +
        task("q", "mutexLock(m); st(x, ld(x) + 1); mutexUnlock(m);"),
      "final({ x }) { assert(ld(x) === 2); },",
    ),
    "SAFE",
  ],
  [
    "a mutex in a softirq",
    spec(handler("h", "softirq", "mutexLock(m); mutexUnlock(m);", "raised: true,")),
    "MISUSE",
  ],
  ["a mutex under a spin lock", spec(task("p", "spinLock(m); mutexLock(n);")), "MISUSE"],
  ["a mutex with interrupts off", spec(task("p", "localIrqDisable(); mutexLock(n);")), "MISUSE"],
  ["a mutex in a read section", spec(task("p", "rcuReadLock(); mutexLock(n);")), "MISUSE"],
  [
    "a mutex in work",
    spec(task("p", "queueWork(w);") + handler("w", "work", "mutexLock(m); mutexUnlock(m);")),
    "SAFE",
  ],
  [
    "a mutex of another task",
    spec(task("p", "mutexLock(m);") + task("q", "mutexUnlock(m);")),
    "MISUSE",
  ],
  ["a mutex taken twice, at once", spec(task("p", "mutexLock(m); mutexLock(m);")), "DEADLOCK"],
  [
    "trying a mutex",
    spec(task("p", "mutexLock(m); assert(!mutexTrylock(m)); mutexUnlock(m);")),
    "SAFE",
  ],
  ["sleep", spec(task("p", "sleep(); preemptDisable(); sleep();")), "MISUSE"],
  ["a lock before initLock", spec(task("p", "spinLock(u);")), "UNINIT-LOCK"],
  ["a lock after initLock", spec(task("p", "initLock(u); spinLock(u); spinUnlock(u);")), "SAFE"],
  ["a plain lock before initLock", spec(task("p", "lock(u);")), "UNINIT-LOCK"],
  ["initLock of a lock that is held", spec(task("p", "spinLock(m); initLock(m);")), "UNINIT-LOCK"],
  ["initLock twice", spec(task("p", "initLock(u); initLock(u);")), "UNINIT-LOCK"],
  ["a load of a cell that nothing was stored in", spec(task("p", "ld(raw);")), "CORRUPTION"],
  ["a load after a store", spec(task("p", "st(raw, 3); assert(ld(raw) === 3);")), "SAFE"],
];

const memory = (code: string, more = "") => spec(task("p", code), more);

const MEMORY: Law[] = [
  ["what was never written", memory("const o = alloc(2); ld(o + 1);"), "CORRUPTION"],
  ["what was", memory("const o = alloc(2); st(o + 1, 4); assert(ld(o + 1) === 4);"), "SAFE"],
  ["behind the object", memory("const o = alloc(2); st(o + 2, 4);"), "CORRUPTION"],
  ["after free", memory("const o = alloc(1); st(o, 1); free(o); ld(o);"), "USE-AFTER-FREE"],
  [
    "the second word after free",
    memory("const o = alloc(2); st(o + 1, 1); free(o); ld(o + 1);"),
    "USE-AFTER-FREE",
  ],
  ["a store after free", memory("const o = alloc(1); free(o); st(o, 1);"), "USE-AFTER-FREE"],
  ["freed twice", memory("const o = alloc(1); free(o); free(o);"), "DOUBLE-FREE"],
  ["free of NULL", memory("free(0);"), "SAFE"],
  ["free of the middle", memory("const o = alloc(2); free(o + 1);"), "MISUSE"],
  ["a field of NULL", memory("const o = alloc(2); st(o, 1); ld(0 + 1);"), "NULL-DEREF"],
  ["without faults, alloc does not fail", memory("assert(alloc(1) !== 0);"), "SAFE"],
  ["with one, it may", memory("assert(alloc(1) !== 0);", "maxFaults: 1,"), "ASSERT"],
  [
    "one fault, not two",
    memory("const a = alloc(1); const b = alloc(1); assert(a !== 0 || b !== 0);", "maxFaults: 1,"),
    "SAFE",
  ],
  [
    "two faults",
    memory('const a = fault("one"); const b = fault("two"); assert(!a || !b);', "maxFaults: 2,"),
    "ASSERT",
  ],
  ["a leak", memory("alloc(1);", "leaks: true,"), "LEAK"],
  ["a leak that nobody asked about", memory("alloc(1);"), "SAFE"],
  ["no leak", memory("free(alloc(1));", "leaks: true,"), "SAFE"],
  ["a lock in memory, not initialised", memory("const o = alloc(1); spinLock(o);"), "UNINIT-LOCK"],
  ["initialised", memory("const o = alloc(1); initLock(o); spinLock(o); spinUnlock(o);"), "SAFE"],
  ["freed", memory("const o = alloc(1); initLock(o); free(o); spinLock(o);"), "USE-AFTER-FREE"],
  ["a heap that is full", memory("alloc(3); alloc(3);", "heap: 5,"), "UNDECIDED"],
];

describe.each([
  ["contexts", CONTEXTS],
  ["sleeping and locks", SLEEPING],
  ["memory and faults", MEMORY],
])("%s", (_what, laws) => {
  it.each(laws)("%s", async (_law, source, verdict) => {
    const result = await exploreKernel(source);
    expect([result.verdict, result.complete]).toEqual([verdict, verdict !== "UNDECIDED"]);
  });
});

describe("traces", () => {
  const counts: [what: string, threads: string[], traces: string][] = [
    ["critical sections of one spin lock", Array(3).fill("spinLock(m); spinUnlock(m);"), "6"],
    ["of two", ["spinLock(m); spinUnlock(m);", "spinLock(n); spinUnlock(n);"], "1"],
    ["read sections", Array(3).fill("rcuReadLock(); rcuReadUnlock();"), "1"],
    // Before, inside of, or after the section; inside, the end waits for the reader.
    [
      "a read section and a grace period",
      ["rcuReadLock(); rcuReadUnlock();", "synchronizeRcu();"],
      "3",
    ],
    ["plain stores", ["write(x, 1);", "write(y, 1);"], "1"],
    ["allocations, which give out addresses in turn", ["alloc(1);", "alloc(1);"], "2"],
  ];
  it.each(counts)("%s", async (_what, threads, traces) => {
    const list = threads.map((code) => `({ ${used(["x", "y", "m", "n"], code)} }) => { ${code} }`);
    const source = `cells: { x: 0, y: 0 }, locks: ["m", "n"], threads: [${list.join(", ")}]`;
    const result = await exploreKernel(source);
    expect([result.verdict, result.traces, result.blocked]).toEqual(["SAFE", traces, "0"]);
  });

  it.each([
    ["one fault that may strike either of two threads, or none", 1, "3"],
    ["two of them", 2, "4"],
  ])("%s", async (_what, maxFaults, traces) => {
    const source = `cells: { x: 0 }, maxFaults: ${maxFaults},
      threads: [() => { fault("one"); }, () => { fault("two"); }]`;
    expect((await exploreKernel(source)).traces).toBe(traces);
  });
});
