// A link endpoint on a TAP device: dispatch loops on threads of their own that can be attached,
// detached, waited for and closed, in any order and as often as one likes. Main thread; it never
// blocks, for what may block is done by a stopper's thread.
//
// What Attach, Attach(nil) and the loops do is src/models/endpoint, the same functions that are
// explored. Here are the threads: started once, parked between two Attaches, ended by `close`.
import { Worker } from "node:worker_threads";
import { workerEntry } from "../../base/entry.js";
import { PacketpathError } from "../../base/errors.js";
import { eventually } from "../../base/eventually.js";
import { terminateThreads } from "../../base/terminate.js";
import { openQueueIo } from "../../host/open.js";
import type { BackendDescriptor, DeviceRef, QueueIo } from "../../host/types.js";
import { cellsOf, GONE, locks } from "../../models/endpoint/endpoint.js";
import type { Design } from "../../models/endpoint/variants.js";
import { HEADER } from "../../sync/memory.js";
import { layOutProgram, newProgramMemory } from "../../sync/program/layout.js";
import { FRAME_BYTES_MAX, newPool, slotOffset } from "../frame-pool.js";
import { type Deadlock, DeadlockDetector } from "./detector.js";
import {
  type EndpointHandles,
  type EndpointMessage,
  type EndpointThreadData,
  LOOP,
  loopWord,
  type StopperCommand,
} from "./layout.js";
import { writeWord } from "./stack.js";
import { EndpointView } from "./view.js";

export interface EndpointOptions {
  readonly backend: BackendDescriptor;
  /** Wakes a thread out of its host wait. */
  readonly kick: (stopHandle: number) => void;
  /** The TAP device; it must live until `close` has resolved. */
  readonly device: DeviceRef;
  /** Link address of the endpoint's own side, the far end of the device's. */
  readonly mac: string;
  /** IPv4 address that its handler answers for. */
  readonly address: string;
  /** `buggy` is the lock order that deadlocks, for those who want to see it. */
  readonly design?: Design;
  /** Threads that may call Attach at the same time; 1 if absent. */
  readonly stoppers?: number;
  /** Path of a module whose default export makes the handler of frames (stack.ts). */
  readonly handler?: string;
}

const START_TIMEOUT_MS = 30_000;
/** How long threads may take to end by themselves, on a host that has hardly any CPU for them. */
const STOP_TIMEOUT_MS = 15_000;

interface Thread {
  readonly name: string;
  readonly worker: Worker;
  ready: boolean;
  ended: boolean;
}

interface Waiting {
  readonly resolve: (ms: number) => void;
  readonly reject: (error: Error) => void;
}

export class Endpoint {
  /** How it stands. */
  readonly view: EndpointView;
  /** The first thing that went wrong in a thread, or null. */
  failure: Error | null = null;
  /** What a handler said when it threw first; null: none did. */
  handlerFailure: string | null = null;
  private readonly options: EndpointOptions;
  private readonly queues: number;
  /** Number of the block of words that the main thread writes, behind those of all threads. */
  private readonly main: number;
  private readonly m: Int32Array;
  private readonly e: EndpointHandles;
  private readonly threads: Thread[] = [];
  private readonly detector: DeadlockDetector;
  private readonly waiting = new Map<number, Waiting>();
  private readonly pool: SharedArrayBuffer;
  private io: QueueIo | null = null;
  private nextCommand = 1;
  private closing: Promise<void> | null = null;

  /** Starts the threads; the endpoint is detached. @throws PacketpathError */
  static async open(options: EndpointOptions): Promise<Endpoint> {
    const endpoint = new Endpoint(options);
    try {
      await endpoint.start();
      return endpoint;
    } catch (error) {
      await endpoint.close();
      throw error;
    }
  }

  private constructor(options: EndpointOptions) {
    this.options = options;
    this.queues = options.device.queues.length;
    this.main = this.queues + (options.stoppers ?? 1);
    const declared = { ...cellsOf(this.queues, 0), ...locks };
    const layout = layOutProgram(declared, this.main + 1);
    this.m = newProgramMemory(layout);
    this.e = layout.handles;
    this.view = new EndpointView(this.m, this.e, this.main);
    this.pool = newPool(this.queues + 1);
    for (let i = 0; i < this.queues; i++) this.m[loopWord(i, LOOP.stopHandle)] = -1;
    this.detector = new DeadlockDetector({
      m: this.m,
      threads: Array.from({ length: this.main }, (_one, i) => this.nameOf(i)),
      names: layout.names,
      rwMutexes: [this.e.mu],
      mutexes: [this.e.control],
    });
  }

  private nameOf(thread: number): string {
    if (thread < this.queues) return `loop${thread}`;
    return thread === this.queues ? "stopper" : `stopper${thread - this.queues + 1}`;
  }

  private async start(): Promise<void> {
    this.io = await openQueueIo(this.options.backend);
    this.io.usePool(this.pool);
    for (let thread = 0; thread < this.main; thread++) this.spawn(thread);
    const isReady = () => {
      if (this.failure !== null) throw this.failure;
      return this.threads.every((one) => one.ready);
    };
    await eventually("the threads of the endpoint to start", isReady, {
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  private spawn(thread: number): void {
    const { backend, device, mac, address, design = "fixed", handler = null } = this.options;
    const isLoop = thread < this.queues;
    const workerData: EndpointThreadData = {
      role: isLoop ? "loop" : "stopper",
      thread,
      memory: this.m.buffer as SharedArrayBuffer,
      handles: this.e,
      queues: this.queues,
      design,
      backend,
      queue: isLoop ? device.queues[thread]! : -1,
      pool: this.pool,
      mac,
      address,
      handler,
    };
    const name = this.nameOf(thread);
    const entry = workerEntry("./endpoint-thread.js", import.meta.url);
    const worker = new Worker(entry, { workerData, name });
    const record: Thread = { name, worker, ready: false, ended: false };
    this.threads.push(record);
    worker.on("message", (message: EndpointMessage) => this.heard(record, message));
    worker.on("error", (error) => this.fail(error instanceof Error ? error.message : "?"));
    worker.on("exit", () => {
      record.ended = true;
      if (this.closing === null) this.fail(`${name} has ended by itself`);
    });
  }

  private heard(thread: Thread, message: EndpointMessage): void {
    if (message.type === "ready") thread.ready = true;
    else if (message.type === "asks")
      this.detach().catch((error: Error) => this.fail(error.message));
    else if (message.type === "handler-failed") this.handlerFailure ??= message.message;
    else if (message.type === "done") {
      this.waiting.get(message.id)?.resolve(message.ms);
      this.waiting.delete(message.id);
    } else if (message.id === null) this.fail(`${thread.name}: ${message.message}`);
    else {
      const text = `${thread.name}: ${message.message}`;
      this.waiting.get(message.id)?.reject(new PacketpathError("INTERNAL", text));
      this.waiting.delete(message.id);
    }
  }

  private fail(message: string): void {
    this.failure ??= new PacketpathError("INTERNAL", message);
  }

  /** Starts the loops, unless they run. Milliseconds that it took. @param stopper who does it. */
  attach(stopper = 0): Promise<number> {
    return this.command("attach", stopper);
  }

  /**
   * Stops the loops, if they run, and waits until all have ended; so does a second call meanwhile.
   * Milliseconds that it took. Rejects when the endpoint is closed before that.
   */
  detach(stopper = 0): Promise<number> {
    return this.command("detach", stopper);
  }

  private command(op: StopperCommand["op"], stopper: number): Promise<number> {
    const thread = this.stoppers()[stopper];
    if (thread === undefined || this.closing !== null) {
      const what = thread === undefined ? `there is no stopper ${stopper}` : "it is closed";
      return Promise.reject(new PacketpathError("USAGE", `${op} of an endpoint: ${what}`));
    }
    const id = this.nextCommand++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      thread.worker.postMessage({ id, op } satisfies StopperCommand);
    });
  }

  /** Waits until no loop runs: detached, or the device is gone. @throws PacketpathError DEADLINE */
  async wait(timeoutMs: number): Promise<void> {
    await eventually("the loops to end", () => this.view.running() === 0, { timeoutMs });
  }

  /** Writes a frame to a queue, from the main thread; the negative errno if it is refused. */
  transmit(frame: Uint8Array, queue: number): number {
    const slot = slotOffset(this.queues);
    if (this.io === null || frame.length > FRAME_BYTES_MAX) {
      throw new PacketpathError("USAGE", `a frame of ${frame.length} bytes cannot be written`);
    }
    new Uint8Array(this.pool).set(frame, slot);
    const result = this.io.write(this.options.device.queues[queue]!, slot, frame.length);
    this.m[loopWord(this.main, writeWord(result))]!++;
    return result;
  }

  /** One look at who waits for whom; a deadlock once two looks in a row agree on it. */
  lookForDeadlock(): Deadlock | null {
    return this.detector.look();
  }

  /** Threads that still run. */
  alive(): number {
    return this.threads.filter((one) => !one.ended).length;
  }

  /** Ends all threads, a rung at a time: asked, torn down, terminated. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const isStopped = await this.isStoppedInTime();
    // Every blocking primitive looks at this word; a loop that is not to be stopped in order finds
    // its device gone.
    Atomics.store(this.m, HEADER.abort, 1);
    for (let loop = 0; loop < this.queues; loop++) {
      if (!isStopped) Atomics.or(this.m, this.e.fd[loop]!, GONE);
      const stopHandle = Atomics.load(this.m, loopWord(loop, LOOP.stopHandle));
      if (stopHandle >= 0) this.options.kick(stopHandle);
    }
    this.stoppers().forEach(({ worker }) => worker.postMessage({ id: 0, op: "end" }));
    try {
      const isOver = () => this.threads.every((one) => one.ended);
      await eventually("the threads of the endpoint to end", isOver, {
        timeoutMs: STOP_TIMEOUT_MS,
      });
    } catch {
      await terminateThreads(this.threads);
    }
    for (const { reject } of this.waiting.values()) {
      reject(new PacketpathError("INTERNAL", "the endpoint was closed meanwhile"));
    }
    this.waiting.clear();
    this.io?.close();
    this.io = null;
  }

  /** The first rung: an ordinary Attach(nil), unless it cannot be done or a deadlock is there. */
  private async isStoppedInTime(): Promise<boolean> {
    const stopper = this.stoppers()[0];
    if (this.failure !== null || stopper?.ready !== true) return false;
    let isStopped = false;
    this.waiting.set(0, { resolve: () => (isStopped = true), reject: () => undefined });
    stopper.worker.postMessage({ id: 0, op: "detach" } satisfies StopperCommand);
    try {
      const isOver = () => isStopped || this.lookForDeadlock() !== null;
      await eventually("the endpoint to stop", isOver, { timeoutMs: STOP_TIMEOUT_MS });
    } catch {
      // The next rung needs nobody's consent.
    }
    return isStopped;
  }

  private stoppers(): readonly Thread[] {
    return this.threads.slice(this.queues);
  }
}
