// Real worker threads on a lab's kernel memory. An output that never ends is seen from outside: the
// thread's `tick` words show the loop it is in, and the same values go round for ever. Nothing in
// the path is replaced; the thread is terminated at the end.
import { Worker } from "node:worker_threads";
import { eventually } from "../../src/base/eventually.js";
import { SITES } from "../../src/path/trace-events.js";
import { XMIT_NAMES, type XmitName } from "../../src/path/verdict.js";
import { EVENT_RING_BYTES } from "../../src/sync/events.js";
import { CPU, cpuBlock, HEADER, st } from "../../src/sync/index.js";
import type { Lab, Packet } from "./lab.js";

/** Rounds of one loop after which it counts as endless: the longest that ends has 65,535. */
const ENDLESS_TICKS = 200_000;
const TIMEOUT_MS = 60_000;

export interface Hang {
  /** The kernel function that has the loop. */
  readonly hang: string;
  readonly queueMapping: number;
  readonly hash: number;
  readonly qcount: number;
}
export type Outcome = XmitName | Hang;

export type Role = "packet" | "reader" | "control" | "kworker" | "linkwatch" | "rcu";

interface Message {
  readonly ready?: boolean;
  readonly command?: string;
  readonly answer?: number;
  readonly aborted?: boolean;
}

export class KernelThread {
  readonly ring = new SharedArrayBuffer(EVENT_RING_BYTES);
  private readonly worker: Worker;
  private readonly messages: Message[] = [];
  private readonly lab: Lab;
  private readonly block: number;

  constructor(lab: Lab, role: Role, cpu: number, task: number) {
    this.lab = lab;
    this.block = cpuBlock(cpu);
    const { k, memory } = lab;
    const { config, profile, guard } = k;
    this.worker = new Worker(new URL("./kernel-thread.mjs", import.meta.url), {
      workerData: {
        memory,
        config,
        profile,
        guard: guard.name,
        role,
        cpu,
        task,
        ring: this.ring,
      },
    });
    this.worker.on("message", (message: Message) => void this.messages.push(message));
  }

  async ready(): Promise<this> {
    await eventually("a kernel thread", () => this.messages.shift(), { timeoutMs: TIMEOUT_MS });
    return this;
  }

  /** Gives a command without waiting for its end. */
  send(command: string, data: object = {}): void {
    this.worker.postMessage({ command, data });
  }

  /** The next command that has ended, or null. */
  ended(): Message | null {
    return this.messages.shift() ?? null;
  }

  async finish(command: string): Promise<Message> {
    const what = `the end of ${command}`;
    return eventually(what, () => this.ended(), { timeoutMs: TIMEOUT_MS });
  }

  async call(command: string, data: object = {}): Promise<Message> {
    this.send(command, data);
    return this.finish(command);
  }

  /** One packet to one port: its verdict, or the loop that it never leaves. */
  async output(port: number, fields: Packet = {}): Promise<Outcome> {
    const before = this.ticks();
    this.send("output", { port, hash: 0x8000_0000, ...fields });
    return eventually<Outcome | null>(
      "a verdict or an endless loop",
      () => {
        const message = this.ended();
        if (message !== null) return XMIT_NAMES[message.answer!]!;
        return this.ticks() - before < ENDLESS_TICKS ? null : this.loop();
      },
      { timeoutMs: TIMEOUT_MS },
    );
  }

  /** Rounds of loops so far. */
  ticks(): number {
    return Atomics.load(this.lab.m, this.block + CPU.tickCount);
  }

  private loop(): Hang {
    const { m } = this.lab;
    return {
      hang: SITES[Atomics.load(m, this.block + CPU.tickSite)]!,
      queueMapping: Atomics.load(m, this.block + CPU.tickQueueMapping),
      hash: Atomics.load(m, this.block + CPU.tickHash),
      qcount: Atomics.load(m, this.block + CPU.tickQcount),
    };
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}

export function thread(lab: Lab, role: Role, cpu: number, task: number): Promise<KernelThread> {
  return new KernelThread(lab, role, cpu, task).ready();
}

/** One packet on a thread of its own (CPU 1), which is gone afterwards. */
export async function outputOnThread(lab: Lab, port: number, fields: Packet): Promise<Outcome> {
  const sender = await thread(lab, "packet", 1, 40);
  try {
    return await sender.output(port, fields);
  } finally {
    await sender.stop();
  }
}

/** Ends the kernel threads of a lab: those that wait by the abort word, all by termination. */
export async function stopAll(lab: Lab, threads: readonly KernelThread[]): Promise<void> {
  st(lab.m, HEADER.abort, 1);
  for (const one of threads) await one.stop();
}
