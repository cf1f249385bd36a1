// Starting, stopping and ending the threads of a load. Main thread; `connectRole` is the other end
// of the line, called by a role thread.
//
//   main                               role thread (one per role: server, client, sender ...)
//    | new Worker(entry, RoleData)  ->  loads its code
//    |                <- "loaded"       may be terminated
//    |                                  enters its namespace, opens its sockets
//    |                 <- "ready"       may be counted on
//    | "stop" and the stop word     ->  winds down
//    |        <- "result" | "error"     then ends by itself
//
// A role ends within two seconds of the stop by itself, whatever happened to its devices. One that
// has not ended STOP_GRACE_MS after it is terminated; one that still loads by then, once it has.
import { parentPort, Worker, workerData } from "node:worker_threads";
import { PacketpathError, type ErrorCode } from "../base/errors.js";
import { type EndingThread, terminateThreads } from "../base/terminate.js";
import type { BackendDescriptor, NamespaceRef } from "../host/types.js";
import { LOAD_COUNTER, LOAD_COUNTER_WORDS } from "./types.js";

/** How long a role may take to end after "stop" on a host that has hardly any CPU for it. */
const STOP_GRACE_MS = 10_000;

/** What every role thread gets. */
export interface RoleData<Spec> {
  readonly descriptor: BackendDescriptor;
  readonly namespace: NamespaceRef;
  readonly counters: SharedArrayBuffer;
  readonly spec: Spec;
}

type RoleMessage =
  | { readonly type: "loaded" }
  | { readonly type: "ready" }
  | { readonly type: "result"; readonly result: unknown }
  | {
      readonly type: "error";
      readonly code: ErrorCode;
      readonly message: string;
      readonly fix: string | undefined;
    };

/** The main thread's view of a role thread. */
export interface Role<Result> {
  /** Resolves when the role may be counted on; rejects if it could not begin. */
  readonly ready: Promise<void>;
  /** The role's result; null if it ended, or had to be ended, without one after a stop. */
  readonly result: Promise<Result | null>;
  stop(): void;
}

/** The threads of one load, and the words that they share. */
export class RoleGroup {
  readonly counters = new Int32Array(
    new SharedArrayBuffer(LOAD_COUNTER_WORDS * Int32Array.BYTES_PER_ELEMENT),
  );
  private readonly descriptor: BackendDescriptor;
  private readonly graceMs: number;
  private readonly threads: RoleThread[] = [];
  private timer: NodeJS.Timeout | null = null;
  private stopping = false;

  /** @param graceMs how long a role may take to end after `stop` until it is terminated. */
  constructor(descriptor: BackendDescriptor, graceMs = STOP_GRACE_MS) {
    this.descriptor = descriptor;
    this.graceMs = graceMs;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** @param name of the thread, for people who look at it in a debugger. */
  start<Result, Spec>(name: string, entry: URL, namespace: NamespaceRef, spec: Spec): Role<Result> {
    const data: RoleData<Spec> = {
      descriptor: this.descriptor,
      namespace,
      counters: this.counters.buffer as SharedArrayBuffer,
      spec,
    };
    // execArgv: a role thread needs none of the loaders that the caller may have been started with.
    const worker = new Worker(entry, { workerData: data, name, execArgv: [] });
    this.threads.push(watchEnds(worker));
    const role = watchRole<Result>(worker, name, () => this.stopping);
    if (this.stopping) worker.postMessage("stop");
    return role;
  }

  /** Asks all roles to end, and ends those that do not. */
  stop(): void {
    if (this.stopping) return;
    this.stopping = true;
    Atomics.store(this.counters, LOAD_COUNTER.stop, 1);
    Atomics.notify(this.counters, LOAD_COUNTER.stop);
    for (const { worker } of this.threads) worker.postMessage("stop");
    this.timer = setTimeout(() => void terminateThreads(this.threads), this.graceMs);
  }

  /** Stops what still runs; resolves when every thread is gone. */
  async end(): Promise<void> {
    this.stop();
    await Promise.all(this.threads.map(({ exited }) => exited));
    if (this.timer !== null) clearTimeout(this.timer);
  }
}

interface RoleThread extends EndingThread {
  readonly worker: Worker;
  readonly exited: Promise<void>;
}

function watchEnds(worker: Worker): RoleThread {
  const state = { ready: false, ended: false };
  worker.once("message", () => (state.ready = true));
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => {
      state.ended = true;
      resolve();
    });
  });
  return Object.assign(state, { worker, exited });
}

function watchRole<Result>(worker: Worker, name: string, isStopping: () => boolean): Role<Result> {
  let onReady: () => void = () => undefined;
  let onReadyFailed: (error: Error) => void = () => undefined;
  const ready = new Promise<void>((resolve, reject) => {
    onReady = resolve;
    onReadyFailed = reject;
  });
  const result = new Promise<Result | null>((resolve, reject) => {
    const fail = (error: Error): void => {
      onReadyFailed(error);
      reject(error);
    };
    worker.on("message", (message: RoleMessage) => {
      if (message.type === "ready") onReady();
      else if (message.type === "result") resolve(message.result as Result);
      else if (message.type === "error") {
        const more = message.fix === undefined ? {} : { fix: message.fix };
        fail(new PacketpathError(message.code, message.message, more));
      }
    });
    worker.on("error", fail);
    worker.on("exit", (exitCode) => {
      if (!isStopping()) {
        fail(new Error(`load thread ${name} ended with ${exitCode} and no result`));
      }
      onReady();
      resolve(null);
    });
  });
  // Whoever awaits one of the two learns of a failure; the other must not count as unhandled.
  ready.catch(() => undefined);
  result.catch(() => undefined);
  return { ready, result, stop: () => worker.postMessage("stop") };
}

/** The role thread's end of the line. */
export interface RoleLine<Spec> extends RoleData<Spec> {
  readonly words: Int32Array;
  ready(): void;
  /** Posts the result and lets the thread end: no message is listened for any more. */
  finish(result: unknown): void;
  /** @param listener may be called more than once, and at once if the stop was earlier. */
  onStop(listener: () => void): void;
}

/**
 * Runs a role in the calling thread.
 * @param body opens what it needs and calls `ready`; what it throws reaches the main thread.
 */
export async function connectRole<Spec>(
  body: (line: RoleLine<Spec>) => void | Promise<void>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("a load thread must be started as a worker");
  port.postMessage({ type: "loaded" });
  const data = workerData as RoleData<Spec>;
  let listener: () => void = () => undefined;
  let isStopAsked = false;
  port.on("message", () => {
    isStopAsked = true;
    listener();
  });
  const line: RoleLine<Spec> = {
    ...data,
    words: new Int32Array(data.counters),
    ready: () => port.postMessage({ type: "ready" }),
    finish: (result) => {
      port.postMessage({ type: "result", result });
      port.close();
    },
    onStop: (stopped) => {
      listener = stopped;
      if (isStopAsked) stopped();
    },
  };
  try {
    await body(line);
  } catch (error) {
    const known = error instanceof PacketpathError;
    port.postMessage({
      type: "error",
      code: known ? error.code : "INTERNAL",
      message: error instanceof Error ? error.message : String(error),
      fix: known ? error.fix : undefined,
    });
    port.close();
  }
}
