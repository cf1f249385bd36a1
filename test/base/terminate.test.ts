// Threads are ended by force only once they have loaded: koffi aborts the process otherwise.
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { terminateThreads } from "../../src/base/terminate.js";

/** A thread that notes when it is terminated, and whether it was ready then. */
function pretended(more: { ready: boolean; ended: boolean }) {
  const notes: boolean[] = [];
  const state = { ...more, notes };
  const terminate = () => Promise.resolve(notes.push(state.ready));
  return Object.assign(state, { worker: { terminate } });
}

describe("terminateThreads", () => {
  it("waits for a thread that still loads, and spares one that has ended", async () => {
    const loads = pretended({ ready: false, ended: false });
    const ended = pretended({ ready: true, ended: true });
    const over = terminateThreads([loads, ended]);
    await Promise.resolve();
    expect(loads.notes).toEqual([]);
    loads.ready = true;
    await over;
    expect([loads.notes, ended.notes]).toEqual([[true], []]);
  });

  it("a thread that spins is gone when it resolves", async () => {
    const worker = new Worker(
      'require("node:worker_threads").parentPort.postMessage(0); for (;;);',
      { eval: true },
    );
    const thread = { worker, ready: false, ended: false };
    worker.once("message", () => (thread.ready = true));
    worker.once("exit", () => (thread.ended = true));
    await terminateThreads([thread]);
    expect(thread.ended).toBe(true);
  });
});
