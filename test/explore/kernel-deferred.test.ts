// Laws of what the kernel does later: RCU, work, timers; each as the smallest program that can
// tell.
import { describe, expect, it } from "vitest";
import { exploreKernel, handler, type Law, spec, task } from "./kernel-program.js";

const RCU: Law[] = [
  [
    "synchronize waits for a reader inside",
    spec(
      task("p", "rcuReadLock(); st(x, 1); assert(ld(y) === 0); rcuReadUnlock();") +
        task("q", "waitUntil(x, 1); synchronizeRcu(); st(y, 1);", "cpu: 1"),
      "cpus: 2,",
    ),
    "SAFE",
  ],
  [
    "and not for one that comes later: nothing is ordered then",
    spec(
      task("p", "rcuReadLock(); const v = ld(y); assert(v === ld(y)); rcuReadUnlock();") +
        task("q", "synchronizeRcu(); st(y, 1);", "cpu: 1"),
      "cpus: 2,",
    ),
    "ASSERT",
  ],
  [
    "nested sections end with the outermost",
    spec(
      task(
        "p",
        "rcuReadLock(); rcuReadLock(); st(x, 1); rcuReadUnlock(); " +
          "assert(ld(y) === 0); rcuReadUnlock();",
      ) + task("q", "waitUntil(x, 1); synchronizeRcu(); st(y, 1);", "cpu: 1"),
      "cpus: 2,",
    ),
    "SAFE",
  ],
  ["unlock without lock", spec(task("p", "rcuReadUnlock();")), "MISUSE"],
  ["synchronize in a read section", spec(task("p", "rcuReadLock(); synchronizeRcu();")), "MISUSE"],
  [
    "a spin lock's section is one too, since Linux 5.0",
    spec(
      task("p", "spinLock(m); st(x, 1); assert(ld(y) === 0); spinUnlock(m);") +
        task("q", "waitUntil(x, 1); synchronizeRcu(); st(y, 1);", "cpu: 1"),
      "cpus: 2,",
    ),
    "SAFE",
  ],
  [
    "a reader that waits for the updater: deadlock",
    spec(
      task("p", "rcuReadLock(); st(x, 1); waitUntil(y, 1); rcuReadUnlock();") +
        task("q", "waitUntil(x, 1); synchronizeRcu(); st(y, 1);", "cpu: 1"),
      "cpus: 2,",
    ),
    "DEADLOCK",
  ],
  [
    "a callback runs after the readers have left, with its argument",
    spec(
      task("p", "rcuReadLock(); st(x, 1); assert(ld(y) === 0); rcuReadUnlock();") +
        task("q", "waitUntil(x, 1); callRcu(cb, 5);", "cpu: 1") +
        handler("cb", "rcu", "st(y, arg);"),
      "cpus: 2, final({ y }) { assert(ld(y) === 5); },",
    ),
    "SAFE",
  ],
  [
    "rcuBarrier waits for callbacks; synchronize does not",
    spec(
      task("p", "callRcu(cb); rcuBarrier(); assert(ld(y) === 1);") +
        handler("cb", "rcu", "st(y, 1);"),
    ),
    "SAFE",
  ],
  [
    "synchronize does not wait for callbacks",
    spec(
      task("p", "callRcu(cb); synchronizeRcu(); assert(ld(y) === 1);") +
        handler("cb", "rcu", "st(y, 1);"),
    ),
    "ASSERT",
  ],
  [
    "a callback queued twice",
    spec(task("p", "callRcu(cb); callRcu(cb);") + handler("cb", "rcu", "st(y, 1);")),
    "MISUSE",
  ],
];

const DEFERRED: Law[] = [
  [
    "work that is pending is not queued again",
    spec(
      task(
        "p",
        "preemptDisable(); assert(queueWork(w)); assert(!queueWork(w)); " +
          "preemptEnable(); flushWork(w); assert(ld(y) === 1);",
      ) + handler("w", "work", "add(y, 1);"),
    ),
    "SAFE",
  ],
  [
    "work that runs can be queued again, and never runs twice at once",
    spec(
      task(
        "p",
        "queueWork(w); while (ld(x) === 0); queueWork(w); flushWork(w); " + "assert(ld(y) === 0);",
      ) + handler("w", "work", "st(x, 1); assert(add(y, 1) === 0); add(y, -1);", "unbound: true,"),
    ),
    "SAFE",
  ],
  [
    "flush waits",
    spec(
      task("p", "queueWork(w); flushWork(w); assert(ld(y) === 1);") +
        handler("w", "work", "st(y, 1);"),
    ),
    "SAFE",
  ],
  [
    "flush in the work itself",
    spec(task("p", "queueWork(w);") + handler("w", "work", "flushWork(w);")),
    "DEADLOCK",
  ],
  [
    "flush under a mutex that the work takes",
    spec(
      task("p", "queueWork(w); mutexLock(m); flushWork(w); mutexUnlock(m);") +
        handler("w", "work", "mutexLock(m); mutexUnlock(m);"),
    ),
    "DEADLOCK",
  ],
  [
    "cancel takes it back or waits for its end",
    spec(
      task(
        "p",
        "queueWork(w); const was = cancelWorkSync(w); const v = ld(y); " +
          "assert(was ? v === 0 : v === 2);",
      ) + handler("w", "work", "st(y, 1); st(y, 2);"),
    ),
    "SAFE",
  ],
  [
    "cancel in atomic context",
    spec(task("p", "preemptDisable(); cancelWorkSync(w);") + handler("w", "work", "st(y, 1);")),
    "MISUSE",
  ],
  [
    "a timer fires once each time it is armed",
    spec(
      task("p", "modTimer(t);") + handler("t", "timer", "add(y, 1);"),
      "final({ y }) { assert(ld(y) === 1); },",
    ),
    "SAFE",
  ],
  [
    "a timer fires on its own CPU, not while softirqs are off there",
    spec(
      task("p", "localBhDisable(); modTimer(t); assert(ld(y) === 0); localBhEnable();") +
        handler("t", "timer", "st(y, 1);"),
    ),
    "SAFE",
  ],
  [
    "delTimer does not wait",
    spec(
      task("p", "modTimer(t); waitUntil(z, 1); delTimer(t); assert(ld(y) === 0);", "cpu: 0") +
        task("q", "st(z, 1); delTimer(t); st(x, 1);", "cpu: 1") +
        handler("t", "timer", "if (ld(x) === 1) st(y, 1);"),
      "cpus: 2,",
    ),
    "ASSERT",
  ],
  [
    "delTimerSync does",
    spec(
      task("p", "modTimer(t); st(z, 1);", "cpu: 0") +
        task("q", "waitUntil(z, 1); delTimerSync(t); st(x, 1);", "cpu: 1") +
        handler("t", "timer", "assert(ld(x) === 0);"),
      "cpus: 2,",
    ),
    "SAFE",
  ],
  [
    "delTimer in its place: the timer still runs",
    spec(
      task("p", "modTimer(t); st(z, 1);", "cpu: 0") +
        task("q", "waitUntil(z, 1); delTimer(t); st(x, 1);", "cpu: 1") +
        handler("t", "timer", "assert(ld(x) === 0);"),
      "cpus: 2,",
    ),
    "ASSERT",
  ],
  [
    "delTimerSync in the timer itself",
    spec(task("p", "modTimer(t);") + handler("t", "timer", "delTimerSync(t);")),
    "DEADLOCK",
  ],
  [
    "delTimerSync under a lock that the timer takes",
    spec(
      task("p", "modTimer(t); st(z, 1);", "cpu: 0") +
        task("q", "waitUntil(z, 1); spinLockBh(m); delTimerSync(t); spinUnlockBh(m);", "cpu: 1") +
        handler("t", "timer", "spinLock(m); spinUnlock(m);"),
      "cpus: 2,",
    ),
    "DEADLOCK",
  ],
  [
    "a step for another kind of handler",
    spec(task("p", "queueWork(t);") + handler("t", "timer", "st(y, 1);")),
    "MISUSE",
  ],
  [
    "a handler that returns with a lock",
    spec(handler("h", "softirq", "spinLock(m);", "raised: true,")),
    "MISUSE",
  ],
];

describe.each([
  ["RCU", RCU],
  ["work and timers", DEFERRED],
])("%s", (_what, laws) => {
  it.each(laws)("%s", async (_law, source, verdict) => {
    const result = await exploreKernel(source);
    expect([result.verdict, result.complete]).toEqual([verdict, verdict !== "UNDECIDED"]);
  });
});
