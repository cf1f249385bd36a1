// Laws of Go's sync package and of eventfd, each as the smallest program that can tell.
import { describe, expect, it } from "vitest";
import { Machine } from "../../src/explore/search/machine.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { exploreKernel, kernelSource } from "./kernel-program.js";

const spec = (threads: readonly string[], more = "") => {
  const list = threads.map((code) => `({ x, y, e, m, n }) => { ${code} }`).join(",\n");
  return `cells: { x: 0, y: 0, e: 0 }, locks: ["m", "n"], ${more} threads: [${list}]`;
};

const LAWS: [law: string, threads: string[], verdict: string][] = [
  [
    "a mutex keeps two goroutines apart",
    [
      "goLock(m); st(x, ld(x) + 1); assert(ld(x) === 1); st(x, 0); goUnlock(m);",
      "goLock(m); st(x, ld(x) + 1); assert(ld(x) === 1); st(x, 0); goUnlock(m);",
    ],
    "SAFE",
  ],
  [
    "a mutex has no owner: another goroutine may unlock it",
    ["goLock(m); st(x, 1);", "waitUntil(x, 1); goUnlock(m); goLock(m);"],
    "SAFE",
  ],
  ["unlock of an unlocked mutex is fatal", ["goUnlock(m);"], "MISUSE"],
  ["a mutex taken twice by one goroutine", ["goLock(m); goLock(m);"], "DEADLOCK"],
  [
    "TryLock of a locked mutex says no",
    ["goLock(m); assert(!goTryLock(m)); goUnlock(m); " + "assert(goTryLock(m));"],
    "SAFE",
  ],
  [
    "readers share",
    [
      "rlock(m); st(x, 1); waitUntil(y, 1); runlock(m);",
      "rlock(m); st(y, 1); waitUntil(x, 1); runlock(m);",
    ],
    "SAFE",
  ],
  [
    "a writer is alone",
    [
      "rwlock(m); st(x, 1); assert(ld(x) === 1); st(x, 0); rwunlock(m);",
      "rlock(m); assert(ld(x) === 0); runlock(m);",
      "rwlock(m); st(x, 2); assert(ld(x) === 2); st(x, 0); rwunlock(m);",
    ],
    "SAFE",
  ],
  [
    "a writer that waits keeps new readers out: reading twice over deadlocks",
    ["rlock(m); rlock(m); runlock(m); runlock(m);", "rwlock(m); rwunlock(m);"],
    "DEADLOCK",
  ],
  [
    "without a writer, reading twice over is fine",
    ["rlock(m); rlock(m); runlock(m); runlock(m);", "rlock(m); runlock(m);"],
    "SAFE",
  ],
  [
    "readers that waited for a writer go before the next one",
    [
      // The writer holds the lock until the reader has asked; then the second writer must find it
      // read.
      "rwlock(m); st(x, 1); waitUntil(y, 1); rwunlock(m);",
      "waitUntil(x, 1); st(y, 1); rlock(m); st(e, 1); runlock(m);",
      "waitUntil(y, 1); rwlock(m); rwunlock(m);",
    ],
    "SAFE",
  ],
  ["runlock of what nobody reads is fatal", ["runlock(m);"], "MISUSE"],
  ["unlock for writing of an unlocked one is fatal", ["rwunlock(m);"], "MISUSE"],
  [
    "another goroutine may unlock for writing",
    ["rwlock(m); st(x, 1);", "waitUntil(x, 1); rwunlock(m); rlock(m);"],
    "SAFE",
  ],
  [
    "wait waits for done",
    [
      "wgAdd(m, 2); st(x, 1); wgWait(m); assert(ld(y) === 2);",
      "waitUntil(x, 1); add(y, 1); wgDone(m);",
      "waitUntil(x, 1); add(y, 1); wgDone(m);",
    ],
    "SAFE",
  ],
  ["wait at 0 does not wait", ["wgWait(m);"], "SAFE"],
  ["a negative counter panics", ["wgDone(m);"], "MISUSE"],
  ["one done too few", ["wgAdd(m, 2); wgDone(m); wgWait(m);"], "DEADLOCK"],
  [
    "add before an earlier wait has woken up panics",
    ["wgAdd(m, 1); st(x, 1); wgWait(m);", "waitUntil(x, 1); wgDone(m); wgAdd(m, 1); wgDone(m);"],
    "MISUSE",
  ],
  [
    "all waiters wake",
    [
      "wgAdd(m, 1); st(x, 1); wgDone(m);",
      "waitUntil(x, 1); wgWait(m);",
      "waitUntil(x, 1); wgWait(m);",
    ],
    "SAFE",
  ],
  [
    "an eventfd adds up, and a read takes all",
    ["eventWrite(e, 2); eventWrite(e, 3); assert(eventRead(e) === 5); assert(ld(e) === 0);"],
    "SAFE",
  ],
  [
    "a read of an empty eventfd blocks until a write",
    ["assert(eventRead(e) === 1);", "eventWrite(e, 1);"],
    "SAFE",
  ],
  ["nobody writes", ["eventRead(e);"], "DEADLOCK"],
  [
    "a full eventfd blocks its writer",
    ["eventWrite(e, 2147483646); eventWrite(e, 1);"],
    "DEADLOCK",
  ],
  ["a wait group is no cell", ["wgAdd(x, 1);"], "MISUSE"],
];

describe("Go's sync package, eventfd", () => {
  it.each(LAWS)("%s", async (_law, threads, verdict) => {
    const result = await exploreKernel(spec(threads));
    expect([result.verdict, result.complete]).toEqual([verdict, true]);
  });

  it("unlock lets in the readers that waited, and the next writer waits for them", async () => {
    const threads = ["rwlock(m); rwunlock(m);", "rlock(m); runlock(m);", "rwlock(m);"];
    const program = await loadProgram(kernelSource(spec(threads)), "p.ts");
    const machine = new Machine(program, 100);
    const s = machine.initial();
    const take = (...order: number[]) => {
      for (const thread of order) {
        expect([thread, machine.isEnabled(s, thread)]).toEqual([thread, true]);
        machine.take(s, thread, 0);
      }
    };
    const [writer, reader, next] = [0, 1, 2];
    take(writer, reader);
    expect([reader, next].map((thread) => machine.isEnabled(s, thread))).toEqual([false, false]);
    take(writer, next);
    expect([reader, next].map((thread) => machine.isEnabled(s, thread))).toEqual([true, false]);
    take(reader, reader, next);
  });

  it("a reader that a writer keeps out names it", async () => {
    const threads = ["rlock(m); rlock(m); runlock(m); runlock(m);", "rwlock(m); rwunlock(m);"];
    const { counterexample } = await exploreKernel(spec(threads));
    expect([counterexample?.switches, counterexample?.steps]).toEqual([2, 3]);
    const texts = counterexample!.timeline.map(({ thread, text }) => `${thread}: ${text}`);
    expect(texts).toEqual([
      "t0: rlock m",
      "t1: rwlock m: has to wait",
      "t0: rlock m: has to wait",
      "t0: waits for m, held by t1",
      "t1: waits for the readers of m",
    ]);
  });

  it("traces: locks conflict, read sections of one lock do too; waking up does not", async () => {
    const one = "goLock(m); goUnlock(m);";
    const { traces, blocked } = await exploreKernel(spec([one, one, one]));
    expect([traces, blocked]).toEqual(["6", "0"]);
    const apart = await exploreKernel(spec([one, "goLock(n); goUnlock(n);"]));
    expect(apart.traces).toBe("1");
  });
});
