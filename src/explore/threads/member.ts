// One worker thread that repeats its part of schedules: made once, asked many times. A thread that
// falls silent is ended and counts as lost in a loop. Main thread only.
import { Worker } from "node:worker_threads";
import { workerEntry } from "../../base/entry.js";
import type { Ready, Report } from "./messages.js";

/** A thread that says nothing for so long spins without any primitive. */
const SILENCE_MS = 20_000;

export interface Asked {
  /** How the thread stands when the schedule is over. */
  readonly report: Promise<Report>;
  /** Settles when the thread has left the repetition. */
  readonly left: Promise<void>;
}

export class Member {
  private readonly entry: URL;
  private readonly data: object;
  private worker: Worker | null = null;

  /** @param entry file of the thread, relative to this one. @param data given to it as it is. */
  constructor(entry: string, data: object) {
    this.entry = workerEntry(entry, import.meta.url);
    this.data = data;
  }

  ask<J extends { readonly thread: number }>(job: J): Asked {
    this.worker ??= new Worker(this.entry, { workerData: this.data });
    const { worker } = this;
    let hear: (one: Report) => void;
    let leave: () => void;
    let fail: (error: unknown) => void;
    const report = new Promise<Report>((resolve, reject) => {
      hear = resolve;
      fail = reject;
    });
    const left = new Promise<void>((resolve) => (leave = resolve));
    const finish = () => {
      clearTimeout(timer);
      worker.off("message", listen);
      worker.off("error", stumble);
      leave();
    };
    const lose = () => {
      const message = "does not come back: a loop without end";
      hear({ thread: job.thread, how: "failed", verdict: "LOCKUP", message });
      this.worker = null;
      void worker.terminate();
      finish();
    };
    const timer = setTimeout(lose, SILENCE_MS);
    const listen = (one: Report | Ready) => {
      if ("how" in one) hear(one);
      else finish();
    };
    const stumble = (error: unknown) => {
      this.worker = null;
      fail(error);
      finish();
    };
    worker.on("message", listen);
    worker.on("error", stumble);
    worker.postMessage(job);
    return { report, left };
  }

  async end(): Promise<void> {
    await this.worker?.terminate();
  }
}
