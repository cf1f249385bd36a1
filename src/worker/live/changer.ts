// The main thread's side of a switch that is changed while it runs: posts orders to the queue
// workers and waits until all have carried them out. Main thread only.
import type { MessagePort } from "node:worker_threads";
import type { VirtualService } from "../../balancer/types.js";
import { nowMs } from "../../base/clock.js";
import { eventually } from "../../base/eventually.js";
import type { Megaflow } from "../../flow/odp.js";
import type { FlowChange } from "../../pipeline/flow-tables.js";
import { NO_PORT, ORDER_WORDS, type SwitchNews, type SwitchOrder } from "./orders.js";

/** A worker that has not carried out an order by then is an error; it will when it goes on. */
const DONE_TIMEOUT_MS = 30_000;

export interface ChangerParts {
  /** One port per worker, in order. */
  readonly ports: readonly MessagePort[];
  readonly words: Int32Array;
  /** Wakes a worker that sleeps. */
  readonly kick: (worker: number) => void;
  /** A worker that will never answer again is not waited for. */
  readonly isLost: (worker: number) => boolean;
}

export class Changer {
  private readonly p: ChangerParts;
  private readonly dumps = new Map<number, (readonly Megaflow[])[]>();
  private nextDump = 1;
  private frame: Uint8Array | null = null;
  private watchedPort = NO_PORT;
  /** Is told what packets have changed. */
  onLearned: (changes: readonly FlowChange[]) => void = () => undefined;

  constructor(parts: ChangerParts) {
    this.p = parts;
  }

  /** Applies changes in all workers; resolves when the last has done so. */
  change(changes: readonly FlowChange[]): Promise<void> {
    return this.order({ type: "change", changes });
  }

  /** Gives the load balancer of all workers other services; resolves when the last has them. */
  setServices(services: readonly VirtualService[]): Promise<void> {
    return this.order({ type: "services", services });
  }

  flush(): Promise<void> {
    return this.order({ type: "flush" });
  }

  /** The datapath flows of all workers, those of worker 0 first. */
  async dump(): Promise<Megaflow[]> {
    const id = this.nextDump++;
    const { ports, isLost } = this.p;
    const answers: (readonly Megaflow[])[] = [];
    this.dumps.set(id, answers);
    try {
      await this.order({ type: "dump", id });
      // The answers are on their way: posted before the workers said they were done.
      await eventually(
        "the workers' datapath flows",
        () => ports.every((_, worker) => isLost(worker) || answers[worker] !== undefined),
        { timeoutMs: DONE_TIMEOUT_MS, everyMs: 1 },
      );
    } finally {
      this.dumps.delete(id);
    }
    return answers.flat();
  }

  /**
   * The next frame that a port's device sends into the switch. One at a time.
   * @returns its bytes, or null when none came within `timeoutMs`.
   */
  async nextFrame(port: number, timeoutMs: number): Promise<Uint8Array | null> {
    this.frame = null;
    this.watchedPort = port;
    await this.order({ type: "watch", port });
    const end = nowMs() + timeoutMs;
    while (this.frame === null && nowMs() < end) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.watchedPort = NO_PORT;
    await this.order({ type: "watch", port: NO_PORT });
    return this.frame;
  }

  /** What a worker has said. */
  heard(worker: number, news: SwitchNews): void {
    if (news.type === "learned") return this.onLearned(news.changes);
    if (news.type === "frame") {
      // Several workers may have seen one each; the first is the answer.
      if (news.port === this.watchedPort) this.frame ??= news.bytes;
      return;
    }
    const answers = this.dumps.get(news.id);
    if (answers !== undefined) answers[worker] = news.flows;
  }

  close(): void {
    for (const port of this.p.ports) port.close();
  }

  private async order(order: SwitchOrder): Promise<void> {
    const { ports, words, kick, isLost } = this.p;
    for (const port of ports) port.postMessage(order);
    const wanted = Atomics.add(words, ORDER_WORDS.posted, 1) + 1;
    ports.forEach((_, worker) => kick(worker));
    const isDone = (worker: number): boolean =>
      isLost(worker) || ((Atomics.load(words, ORDER_WORDS.done + worker) - wanted) | 0) >= 0;
    // Most are quicker than a timer.
    if (ports.every((_, worker) => isDone(worker))) return;
    await eventually(
      "the workers to apply a change",
      () => ports.every((_, worker) => isDone(worker)),
      { timeoutMs: DONE_TIMEOUT_MS, everyMs: 1 },
    );
  }
}
