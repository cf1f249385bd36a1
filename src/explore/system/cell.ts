// One case of the headline system as a program to explore: a guard, a kind of device, packets with
// or without a recorded queue, a kernel profile, what takes the device away. Pure but for the graph
// that it is given; main thread or a worker.
import type { LoadedProgram, Step, ThreadCode } from "../types.js";
import type { Graph } from "./graph.js";
import { addressName } from "./names.js";

/** Cases of the matrix; `cpus` receive `packets` packets each. */
export interface CellOptions {
  readonly guard: string;
  readonly kind: string;
  readonly hint: boolean;
  readonly profile: string;
  readonly event: string;
  readonly cpus: number;
  readonly packets: number;
  readonly queues: number;
}

/** A function of a user's, in place of a built-in guard. */
export type GuardFunction = (dev: object, skb: object) => unknown;

export interface Cell {
  readonly program: LoadedProgram;
  /** Fields of the profile that have been read so far, with their values. */
  readonly profileRead: ReadonlyMap<string, unknown>;
}

interface Kernel {
  readonly m: Int32Array;
}
type Explored = (...args: unknown[]) => unknown;

/** Words of a state for shared memory; steps touch far fewer addresses. */
const SLOTS = 256;

export function makeCell(graph: Graph, options: CellOptions, user: GuardFunction | null): Cell {
  const { runtime } = graph;
  const model = graph.exportsOf("models/ovs-output.ts") as Record<string, Explored>;
  const read = new Map<string, unknown>();
  const profile = watched(profileOf(graph, options.profile), read);
  const k = kernelOf(graph, options, profile, user);
  const setUp = () => model.setUp!(k, options.kind, options.queues);
  const { dev } = runtime.runAlone(k.m, setUp) as { dev: number };
  for (const one of [k, k.m, profile]) runtime.constants.add(one);
  const mappings = Array.from({ length: options.packets }, (_one, i) => hintOf(options, i));
  const threads: ThreadCode[] = [];
  const thread = (name: string, cpu: number, isDaemon: boolean, start: () => unknown) => {
    threads.push({ name, isDaemon, start: () => onCpu(graph, cpu, start()) });
  };
  for (let cpu = 0; cpu < options.cpus; cpu++) {
    thread(`rx${cpu}`, cpu, false, () => model.receive!(k, mappings));
  }
  thread("admin", 0, false, () => model.takeAway!(k, options.event, dev));
  thread("kworker", 0, true, () => model.kworker!(k));
  thread("linkwatch", 0, true, () => model.linkwatch!(k));
  thread("rcu", 0, true, () => model.rcuCallbacks!(k));
  const initial = new Array<number>(SLOTS).fill(0);
  const names: string[] = [];
  const useSlot = (slot: number, address: number): void => {
    initial[slot] = k.m[address]!;
    names[slot] = addressName(graph, k, address);
  };
  runtime.addresses.forEach((address, slot) => useSlot(slot, address));
  runtime.onSlot = useSlot;
  const program: LoadedProgram = {
    name: nameOf(options),
    file: "src/path",
    sourceHash: graph.hash,
    sites: graph.sites,
    names,
    initial,
    firstLock: 0,
    threads,
    final: {
      name: "final",
      isDaemon: false,
      start: () => onCpu(graph, 0, model.final!(k, options.event, dev)),
    },
    expect: "SAFE",
    runtime,
  };
  return { program, profileRead: read };
}

/** A thread's code, saying which CPU it runs on each time it goes on. */
function onCpu(graph: Graph, cpu: number, body: unknown): Generator<Step, unknown, number> {
  const run = body as Generator<Step, unknown, number>;
  return {
    ...run,
    next(...value: [] | [number]) {
      graph.runtime.cpu = cpu;
      return run.next(...value);
    },
    return: (value: unknown) => run.return(value),
    throw: (error: unknown) => run.throw(error),
    [Symbol.iterator]() {
      return this;
    },
  } as Generator<Step, unknown, number>;
}

/** A name that says which case it is. */
export function nameOf(options: CellOptions): string {
  const { guard, kind, hint, profile, event } = options;
  return `${guard}/${kind}/${hint ? "hint" : "no-hint"}/${profile}/${event}`;
}

// Recorded queue 0 first (the one that the local patch covers), then others.
function hintOf(options: CellOptions, i: number): number {
  return options.hint ? 1 + 2 * i : 0;
}

function profileOf(graph: Graph, id: string): object {
  const find = graph.exportsOf("path/profiles.ts").findProfile as (id: string) => object | null;
  const profile = find(id);
  if (profile === null) throw new Error(`no kernel profile "${id}"`);
  return profile;
}

/** The same object, telling which of its fields are read. */
function watched<T extends object>(value: T, read: Map<string, unknown>): T {
  return new Proxy(value, {
    get(target, key) {
      const field: unknown = Reflect.get(target, key);
      if (typeof key === "string") read.set(key, field);
      return field;
    },
  });
}

function kernelOf(
  graph: Graph,
  options: CellOptions,
  profile: object,
  user: GuardFunction | null,
): Kernel {
  const { kernelBytes, createKernel } = graph.exportsOf("path/kernel.ts") as Record<
    string,
    Explored
  >;
  const guards = graph.exportsOf("path/guards.ts") as Record<string, Explored>;
  const config = {
    cpus: options.cpus,
    devices: 2,
    queues: options.queues,
    ports: 2,
    socks: 0,
    seed: 1,
  };
  const m = new Int32Array((kernelBytes!(config) as number) / 4);
  const guard =
    user === null ? guards.builtInGuard!(options.guard) : guards.userGuard!(options.guard, user);
  return graph.runtime.runAlone(m, () => createKernel!(m, config, profile, guard)) as Kernel;
}
