// The threads of a run, from the main thread: started together, asked to stop together, and ended
// one rung at a time. A thread is terminated only when it did not end by itself: a worker that the
// watchdog found locked up, and the kernel threads that wait for it.
//
//   CPU 0 .. W-1   queue workers (softirq)
//   CPU W          the control thread, and the work items bound to its CPU
//   CPU W+1        RCU callbacks
//   CPU W+2        ovs-vswitchd
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { workerEntry } from "../base/entry.js";
import { nowMs } from "../base/clock.js";
import { PacketpathError } from "../base/errors.js";
import { eventually } from "../base/eventually.js";
import { terminateThreads } from "../base/terminate.js";
import type { EventRing } from "../sync/events.js";
import { EVENT_RING_BYTES } from "../sync/events.js";
import { HEADER } from "../sync/memory.js";
import { QueueTable } from "../sync/queue-table.js";
import type { ControlAction, ControlMessage, PortDevices } from "./control/control-commands.js";
import type { ControlData } from "./control/control-thread.js";
import type { KthreadData } from "./kthread.js";
import { Changer } from "./live/changer.js";
import type { QueueWorkerData, WorkerMessage } from "./queue-worker.js";
import { type CaptureRequest, openEvents, type SharedParts, type ThreadData } from "./shared.js";
import { waitedForCpuNs } from "./thread-id.js";

/** CPUs of a run with so many queue workers. */
export function cpuCount(workers: number): number {
  return workers + 3;
}

/** How long a thread may take to end by itself, without what it waits for a CPU of the host. */
const STOP_TIMEOUT_MS = 2_000;
/** And counting it. */
const STOP_TIMEOUT_MAX_MS = 30_000;
/** A control thread that waits for a grace period, which a lost worker holds up, never answers. */
const STOP_BESIDE_LOST_MS = 100;
const START_TIMEOUT_MS = 30_000;

export interface Thread {
  readonly name: string;
  readonly cpu: number;
  readonly events: EventRing;
  readonly worker: Worker;
  stopHandle: number;
  tid: number;
  ready: boolean;
  ended: boolean;
  error: Error | null;
}

export interface SupervisorOptions {
  readonly parts: SharedParts;
  readonly dump: { readonly everyMs: number; readonly forMs: number } | null;
  readonly capture: CaptureRequest | null;
  /** Wakes a thread out of its host wait. */
  readonly kick: (stopHandle: number) => void;
  readonly onControl: (message: ControlMessage) => void;
}

export class Supervisor {
  readonly threads: Thread[] = [];
  /** What the workers said when they ended, by worker index. */
  readonly workerStats: (Record<string, number> | undefined)[] = [];
  devices: readonly PortDevices[] = [];
  /** Deletions by outsiders that the control thread has noticed. */
  linksNoticed = 0;
  private readonly options: SupervisorOptions;
  private readonly queues: QueueTable;
  private readonly commands: MessagePort;
  private readonly remoteCommands: MessagePort;
  private readonly waiting = new Map<number, (error: string | null) => void>();
  private nextCommand = 1;
  private readonly orderPorts: MessagePort[] = [];
  /** Changes the switch while it runs. */
  readonly changer: Changer;
  /** Threads are being ended: one that ends is no surprise any more. */
  private stopping = false;

  constructor(options: SupervisorOptions) {
    this.options = options;
    const { workers, ports, queueTable } = options.parts;
    this.queues = new QueueTable(workers, ports, queueTable);
    const channel = new MessageChannel();
    this.commands = channel.port1;
    this.remoteCommands = channel.port2;
    this.changer = new Changer({
      ports: this.orderPorts,
      words: new Int32Array(options.parts.switch.orderWords),
      kick: (worker) => this.kickWorker(worker),
      isLost: (worker) => this.queues.isLost(worker) || (this.threads[worker]?.ended ?? true),
    });
  }

  private kickWorker(worker: number): void {
    const thread = this.threads[worker];
    if (thread !== undefined && !thread.ended && thread.stopHandle >= 0) {
      this.options.kick(thread.stopHandle);
    }
  }

  /** Starts all threads and waits until each says it is ready. */
  async start(): Promise<void> {
    const { parts, capture, dump } = this.options;
    const w = parts.workers;
    for (let i = 0; i < w; i++) {
      const channel = new MessageChannel();
      this.orderPorts.push(channel.port1);
      const data = { ...this.data(i, `rxq${i}`, i, capture), orders: channel.port2 };
      this.spawn("./queue-worker.js", data satisfies QueueWorkerData, [channel.port2]);
    }
    const control = this.data(w, "control", w, null);
    this.spawn("./control/control-thread.js", { ...control, commands: this.remoteCommands }, [
      this.remoteCommands,
    ]);
    this.kthread("kworker", `kworker/${w}:0`, w + 1, w);
    this.kthread("linkwatch", `kworker/${w}:1`, w + 2, w);
    this.kthread("rcu", `rcuc/${w + 1}`, w + 3, w + 1);
    if (dump !== null) this.kthread("vswitchd", "ovs-vswitchd", w + 4, w + 2);
    await eventually("all threads to start", () => this.checkStarted(), {
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  private checkStarted(): boolean {
    const failed = this.threads.find((thread) => thread.error !== null);
    if (failed !== undefined) throw failed.error!;
    return this.threads.every((thread) => thread.ready);
  }

  private data(index: number, name: string, cpu: number, capture: CaptureRequest | null) {
    const events = new SharedArrayBuffer(EVENT_RING_BYTES);
    return { parts: this.options.parts, index, name, cpu, events, capture };
  }

  private kthread(role: KthreadData["role"], name: string, index: number, cpu: number): void {
    const data: KthreadData = {
      ...this.data(index, name, cpu, null),
      role,
      dump: this.options.dump,
    };
    this.spawn("./kthread.js", data, []);
  }

  private spawn(
    entry: string,
    data: ThreadData & Partial<ControlData> & Partial<QueueWorkerData>,
    transferList: MessagePort[],
  ): void {
    const worker = new Worker(workerEntry(entry, import.meta.url), {
      workerData: data,
      transferList,
      name: data.name,
      stdout: false,
      stderr: false,
    });
    const thread: Thread = {
      name: data.name,
      cpu: data.cpu,
      events: openEvents(data.events),
      worker,
      stopHandle: -1,
      tid: 0,
      ready: false,
      ended: false,
      error: null,
    };
    this.threads.push(thread);
    worker.on("message", (message: WorkerMessage | ControlMessage) => {
      this.heard(thread, data.index, message);
    });
    worker.on("error", (error) => {
      thread.error = error instanceof Error ? error : new Error(String(error));
    });
    worker.on("exit", (code) => {
      thread.ended = true;
      if (!this.stopping && thread.error === null) {
        // Somebody called process.exit in it: a user's guard can. Its queues would starve unseen.
        const what = `thread ${thread.name} ended by itself (exit code ${code})`;
        thread.error = new PacketpathError("INTERNAL", what);
      }
      for (const answer of this.waiting.values()) {
        if (data.name === "control") answer("the control thread has ended");
      }
    });
  }

  private heard(thread: Thread, index: number, message: WorkerMessage | ControlMessage): void {
    if (message.type === "ready") {
      thread.stopHandle = message.stopHandle ?? -1;
      thread.tid = message.tid;
      thread.ready = true;
    } else if (message.type === "guard-failed") {
      const what = `guard "${this.options.parts.guard}" threw: ${message.reason}`;
      thread.error ??= new PacketpathError("GUARD_INVALID", what);
    } else if (message.type === "stopped") this.workerStats[index] = message.stats;
    else if (
      message.type === "learned" ||
      message.type === "megaflows" ||
      message.type === "frame"
    ) {
      this.changer.heard(index, message);
    } else {
      if (message.type === "done") {
        this.devices = message.devices;
        this.waiting.get(message.id)?.(message.error);
        this.waiting.delete(message.id);
      } else if (message.type === "link" && !message.ours) this.linksNoticed++;
      this.options.onControl(message);
    }
  }

  /** Has the control thread do something; resolves with null or a sentence when it could not. */
  command(action: ControlAction): Promise<string | null> {
    const id = this.nextCommand++;
    const control = this.thread("control");
    const answer = new Promise<string | null>((resolve) => this.waiting.set(id, resolve));
    this.commands.postMessage({ id, action });
    this.options.kick(control.stopHandle);
    return answer;
  }

  /** As `command`, but a refusal is an error. */
  async perform(action: ControlAction): Promise<void> {
    const error = await this.command(action);
    if (error !== null) throw new PacketpathError("INTERNAL", `${action.op}: ${error}`);
  }

  thread(name: string): Thread {
    const thread = this.threads.find((candidate) => candidate.name === name);
    if (thread === undefined) throw new Error(`no thread ${name}`);
    return thread;
  }

  /** The first thread that died by itself, or null. */
  failed(): Thread | null {
    return this.threads.find((thread) => thread.error !== null) ?? null;
  }

  stallWorker(worker: number, ms: number): void {
    this.queues.requestStall(worker, ms);
    this.options.kick(this.thread(`rxq${worker}`).stopHandle);
  }

  /** A worker that will never answer again: nobody waits for it any more. */
  markLost(worker: number): void {
    this.queues.markLost(worker);
  }

  /** Ends workers that spin, so that what is left of the CPUs can be used for an orderly end. */
  async terminate(workers: ReadonlySet<number>): Promise<void> {
    this.stopping = true;
    await terminateThreads([...workers].map((worker) => this.threads[worker]!));
  }

  /** Stops the queue workers; those in `lost` are terminated, as is who misses the deadline. */
  async stopWorkers(lost: ReadonlySet<number>): Promise<void> {
    this.queues.requestStop();
    const workers = this.threads.slice(0, this.options.parts.workers);
    await this.terminate(lost);
    for (const thread of workers) {
      if (!thread.ended && thread.stopHandle >= 0) this.options.kick(thread.stopHandle);
    }
    await this.joinOrTerminate(workers);
  }

  /** Ends the control thread and the kernel threads, in this order. */
  async stopKernelThreads(): Promise<void> {
    this.stopping = true;
    const rest = this.threads.slice(this.options.parts.workers);
    const control = this.thread("control");
    const m = new Int32Array(this.options.parts.kernel);
    if (!control.ended) {
      let isDone = false;
      void this.command({ op: "stop" }).then(() => (isDone = true));
      const patienceMs = this.queues.anyLost() ? STOP_BESIDE_LOST_MS : STOP_TIMEOUT_MS;
      const isOverdue = overdue([control], patienceMs);
      await soon("the control thread to stop", () => isDone || isOverdue(control));
    }
    Atomics.store(m, HEADER.abort, 1);
    Atomics.notify(m, HEADER.workBell);
    Atomics.notify(m, HEADER.callbacksQueued);
    if (control.stopHandle >= 0 && !control.ended) this.options.kick(control.stopHandle);
    await this.joinOrTerminate(rest);
    this.commands.close();
    this.changer.close();
  }

  private async joinOrTerminate(threads: readonly Thread[]): Promise<void> {
    const isOverdue = overdue(threads, STOP_TIMEOUT_MS);
    const isOver = () => threads.every((thread) => thread.ended || isOverdue(thread));
    await soon("threads to end", isOver);
    await terminateThreads(threads);
  }

  /** Threads that still run. */
  alive(): number {
    return this.threads.filter((thread) => !thread.ended).length;
  }
}

/** Tells of one of `threads` whether it has had so long since now, in which it ran or slept. */
function overdue(threads: readonly Thread[], patienceMs: number): (thread: Thread) => boolean {
  const startMs = nowMs();
  const before = new Map(threads.map((thread) => [thread, waitedForCpuNs(thread.tid)]));
  return (thread) => {
    const elapsedMs = nowMs() - startMs;
    if (elapsedMs < patienceMs) return false;
    const waitedMs = (waitedForCpuNs(thread.tid) - before.get(thread)!) / 1e6;
    return elapsedMs - Math.max(0, waitedMs) >= patienceMs;
  };
}

/** Waits until `isOver`, or has waited for STOP_TIMEOUT_MAX_MS. */
async function soon(what: string, isOver: () => boolean): Promise<void> {
  try {
    await eventually(what, isOver, { timeoutMs: STOP_TIMEOUT_MAX_MS });
  } catch {
    // Whoever still runs is terminated.
  }
}
