// The hosts of the memory backend: one stack thread per namespace that carries load, and the loads
// started on them. Main thread. The same shape as the loads on Linux sockets (src/load/start.ts).
import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { workerEntry } from "../../base/entry.js";
import { PacketpathError } from "../../base/errors.js";
import { kickMemory } from "../../host/memory/backend.js";
import type { BackendDescriptor, NamespaceRef } from "../../host/types.js";
import { LOAD_COUNTER, LOAD_COUNTER_WORDS } from "../types.js";
import type {
  DatagramResult,
  HttpLoadResult,
  HttpLoadSpec,
  LoadDevice,
  LoadHandle,
  LoadNamespace,
  Loads,
  PingSpec,
  UdpFloodSpec,
} from "../types.js";
import type { Answer, Command, Role } from "./protocol.js";

/** Longest time that a stack takes to end, on a host that has hardly any CPU for it. */
const CLOSE_PATIENCE_MS = 10_000;

/** Starts the stacks; resolves when all of them run. */
export async function openMemoryHosts(
  descriptor: BackendDescriptor,
  namespaces: readonly LoadNamespace[],
): Promise<MemoryHosts> {
  const hosts = new MemoryHosts(descriptor, namespaces);
  await hosts.ready();
  return hosts;
}

/** Settles when a role has started, and when it has its result. */
interface Pending {
  readonly started: () => void;
  readonly refused: (error: Error) => void;
  readonly finished: (result: unknown) => void;
}

/** A role that runs on a host. */
interface RunningRole {
  readonly started: Promise<void>;
  readonly result: Promise<unknown>;
  stop(): void;
}

class Host {
  readonly ready: Promise<void>;
  private readonly descriptor: BackendDescriptor;
  private readonly worker: Worker;
  private readonly port: MessagePort;
  private readonly pending = new Map<number, Pending>();
  private stopHandle = -1;
  private error: Error | null = null;
  private readonly exited: Promise<void>;

  constructor(descriptor: BackendDescriptor, from: LoadNamespace) {
    this.descriptor = descriptor;
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.worker = new Worker(workerEntry("./host-thread.js", import.meta.url), {
      workerData: { descriptor, ...from, port: channel.port2 },
      transferList: [channel.port2],
      name: `stack ${from.namespace.name}`,
    });
    this.ready = new Promise((resolve, reject) => {
      this.port.on("message", (answer: Answer) => {
        if (answer.type === "ready") {
          this.stopHandle = answer.stopHandle;
          resolve();
        } else {
          this.take(answer);
        }
      });
      this.worker.once("error", (error: Error) => {
        this.error = error;
        reject(error);
        this.failAll();
      });
    });
    this.exited = new Promise((resolve) => {
      this.worker.once("exit", () => {
        this.error ??= new Error(`the stack thread of ${from.namespace.name} has ended`);
        this.failAll();
        this.port.close();
        resolve();
      });
    });
  }

  private take(answer: Exclude<Answer, { type: "ready" }>): void {
    const pending = this.pending.get(answer.id);
    if (pending === undefined) return;
    if (answer.type === "started") {
      pending.started();
      return;
    }
    this.pending.delete(answer.id);
    if (answer.type === "result") pending.finished(answer.result);
    else pending.refused(new PacketpathError(answer.code, answer.message));
  }

  private failAll(): void {
    for (const pending of this.pending.values()) pending.refused(this.error!);
    this.pending.clear();
  }

  send(command: Command): void {
    this.port.postMessage(command);
    if (this.stopHandle >= 0) kickMemory(this.descriptor, this.stopHandle);
  }

  start(id: number, role: Role, counters: SharedArrayBuffer): RunningRole {
    let started = (): void => undefined;
    let failed = (_error: Error): void => undefined;
    const isStarted = new Promise<void>((resolve, reject) => {
      started = resolve;
      failed = reject;
    });
    const result = new Promise<unknown>((resolve, reject) => {
      const refused = (error: Error): void => {
        failed(error);
        reject(error);
      };
      if (this.error !== null) refused(this.error);
      else this.pending.set(id, { started, refused, finished: resolve });
    });
    // Whoever waits for one of the two has the error; the other must not count as unhandled.
    isStarted.catch(() => undefined);
    result.catch(() => undefined);
    this.send({ type: "start", id, role, counters });
    return { started: isStarted, result, stop: () => this.send({ type: "stop", id }) };
  }

  wake(): void {
    if (this.stopHandle >= 0) kickMemory(this.descriptor, this.stopHandle);
  }

  /** Ends the thread: in order, or by force if it does not come. */
  async close(): Promise<void> {
    this.send({ type: "close" });
    const deadline = setTimeout(() => void this.worker.terminate(), CLOSE_PATIENCE_MS);
    await this.exited;
    clearTimeout(deadline);
  }
}

export class MemoryHosts implements Loads {
  private readonly hosts = new Map<number, Host>();
  private readonly open = new Set<LoadHandle<unknown>>();
  private lastId = 0;

  constructor(descriptor: BackendDescriptor, namespaces: readonly LoadNamespace[]) {
    for (const from of namespaces) {
      this.hosts.set(from.namespace.handle, new Host(descriptor, from));
    }
  }

  async ready(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.ready));
  }

  startHttp(spec: HttpLoadSpec): LoadHandle<HttpLoadResult> {
    return this.keep(async (counters) => {
      const server = this.startRole(spec.server, { kind: "http-server", spec }, counters);
      await server.started;
      try {
        const client = this.startRole(spec.client, { kind: "http-client", spec }, counters);
        const result = (await client.result) as HttpLoadResult;
        return { ...result, maxHeld: load(counters, LOAD_COUNTER.maxHeld) };
      } finally {
        server.stop();
        await server.result.catch(() => undefined);
      }
    });
  }

  startFlood(spec: UdpFloodSpec): LoadHandle<DatagramResult> {
    return this.keep(async (counters) => {
      const receiver =
        spec.receiver === undefined
          ? null
          : this.startRole(spec.receiver, { kind: "udp-receiver", spec }, counters);
      await receiver?.started;
      try {
        const sender = this.startRole(spec.client, { kind: "udp-sender", spec }, counters);
        const result = (await sender.result) as DatagramResult;
        receiver?.stop();
        const received = ((await receiver?.result) as number | undefined) ?? 0;
        return { ...result, received };
      } finally {
        receiver?.stop();
      }
    });
  }

  startPing(spec: PingSpec): LoadHandle<DatagramResult> {
    return this.keep(async (counters) => {
      const role = this.startRole(spec.client, { kind: "ping", spec }, counters);
      return (await role.result) as DatagramResult;
    });
  }

  devicesChanged(namespace: NamespaceRef, devices: readonly LoadDevice[]): void {
    this.hosts.get(namespace.handle)?.send({ type: "devices", devices });
  }

  async close(): Promise<void> {
    const handles = [...this.open];
    for (const handle of handles) handle.stop();
    // Whoever holds a handle has its error already.
    await Promise.allSettled(handles.map((handle) => handle.done));
    await Promise.all([...this.hosts.values()].map((host) => host.close()));
    this.hosts.clear();
  }

  private startRole(namespace: NamespaceRef, role: Role, counters: SharedArrayBuffer): RunningRole {
    const host = this.hosts.get(namespace.handle);
    if (host === undefined) {
      throw new Error(`namespace ${namespace.name} was not opened for load`);
    }
    this.lastId++;
    return host.start(this.lastId, role, counters);
  }

  private keep<Result>(run: (counters: SharedArrayBuffer) => Promise<Result>): LoadHandle<Result> {
    const counters = new SharedArrayBuffer(LOAD_COUNTER_WORDS * 4);
    const words = new Int32Array(counters);
    const done = run(counters);
    const handle: LoadHandle<Result> = {
      counters: words,
      done,
      stop: () => {
        Atomics.store(words, LOAD_COUNTER.stop, 1);
        for (const host of this.hosts.values()) host.wake();
      },
    };
    this.open.add(handle);
    const forget = (): void => void this.open.delete(handle);
    done.then(forget, forget);
    return handle;
  }
}

function load(counters: SharedArrayBuffer, word: number): number {
  return Atomics.load(new Int32Array(counters), word);
}
