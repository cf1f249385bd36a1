// One case of the headline system: a guard, a kind of device, packets with or without a recorded
// queue, a kernel profile, what takes the device away. Main thread, or a worker that explores.
import type { LoadedProgram, Site, Step, ThreadCode } from "../types.js";
import type { Graph } from "./graph.js";
import { SystemMachine, type Vector } from "../reduced/machine.js";
import { addressName } from "./names.js";
import { MODEL, PARTS } from "./prepared.js";
import { SLOTS_MAX, SystemThread } from "../reduced/thread.js";

export interface CellOptions {
  readonly guard: string;
  readonly kind: string;
  readonly profile: string;
  readonly event: string;
  /** Per CPU, the queue_mapping of each packet that it sends: 0, or a recorded queue + 1. */
  readonly mappings: readonly (readonly number[])[];
  /** Transmit queues of the device. */
  readonly queues: number;
  /** Whether packets are sent inside of a read section, as the kernel does. */
  readonly underRcu: boolean;
  /** Whether the device has a watchdog timer, which a CPU of its own runs. */
  readonly timer?: boolean;
  /** Whether backlogs are worked off after a CPU's last packet, not after each. */
  readonly softirq?: boolean;
}

/** A function of a user's, in place of a built-in guard. */
export type GuardFunction = (dev: object, skb: object) => unknown;

export interface Cell {
  readonly machine: SystemMachine;
  /** The same for the engines of programs, and to be told as a story. */
  program(): LoadedProgram;
  /** What is wrong when all is over, or null. */
  final(s: Vector): string | null;
  /** Fields of the profile that decided something so far, with their values. */
  profileRead(): Map<string, unknown>;
}

interface Kernel {
  readonly m: Int32Array;
}
/** Addresses of the devices that an event is about. */
interface Plugged {
  readonly dev: number;
  readonly other: number;
}

/** A kernel when the threads begin, its devices, what was read of the profile until then. */
interface Begun {
  readonly k: Kernel;
  readonly plugged: Plugged;
  readonly reads: Reads;
}
type Explored = (...args: unknown[]) => unknown;

/** Most steps of one thread. */
const STEPS_MAX = 5_000;

/**
 * Fields of a profile that decide about messages and statistics only, or, the recursion limit,
 * about more devices on top of each other than there are here. A test explores each profile by
 * itself.
 */
const INDIFFERENT: ReadonlySet<string> = new Set([
  "hashWarning",
  "noopCountsTxDropped",
  "preUninitEvent",
  "xmitRecursionLimit",
]);

/** Makes cases that share what they have in common: the graph and its threads. */
export class Cells {
  private readonly graph: Graph;
  private readonly user: GuardFunction | null;
  private readonly kernels = new Map<string, Begun>();
  private readonly threads = new Map<string, { thread: SystemThread; reads: Reads }>();

  /** `user`: the guard of cases whose guard is not a built-in one. */
  constructor(graph: Graph, user: GuardFunction | null) {
    this.graph = graph;
    this.user = user;
  }

  /** What the sites of steps stand for. */
  get sites(): readonly Site[] {
    return this.graph.sites;
  }

  /**
   * Whether a case would be searched in the same way for another profile: the threads read the same
   * of it, and the kernel is the same when they begin.
   */
  isSame(reads: ReadonlyMap<string, unknown>, options: CellOptions, profile: string): boolean {
    const fields = this.profile(profile) as Record<string, unknown>;
    for (const [field, value] of reads) {
      if (fields[field] !== value && !INDIFFERENT.has(field)) return false;
    }
    const one = this.kernelOf(options).k.m;
    const other = this.kernelOf({ ...options, profile }).k.m;
    return one.every((word, i) => word === other[i]);
  }

  /** Words of the kernel's memory. */
  memoryWords(options: CellOptions): number {
    return this.kernelOf(options).k.m.length;
  }

  make(options: CellOptions): Cell {
    const { runtime } = this.graph;
    const { k, plugged, reads } = this.kernelOf(options);
    const used = this.threadsOf(options, k, plugged);
    const memory = new Array<number>(SLOTS_MAX).fill(0);
    const useSlot = (slot: number, address: number): void => {
      if (slot >= SLOTS_MAX) throw new Error(`more than ${SLOTS_MAX - 1} words are touched`);
      memory[slot] = k.m[address]!;
      machine?.learn(slot, memory[slot]);
    };
    let machine: SystemMachine | null = null;
    runtime.addresses.forEach((address, slot) => useSlot(slot, address));
    runtime.onSlot = useSlot;
    const threads = used.map(({ thread }) => thread);
    const { final } = this.graph.exportsOf(PARTS.final) as Record<string, Explored>;
    const start = () => final!(k, options.event, plugged);
    machine = new SystemMachine(threads, memory);
    return {
      machine,
      program: () => ({
        name: `${options.guard}/${options.kind}/${options.profile}/${options.event}`,
        file: "src/path",
        sourceHash: this.graph.hash,
        sites: this.sites,
        names: this.namesFor(k),
        initial: memory,
        firstLock: 0,
        threads: threads.map(({ code }) => code),
        final: {
          name: "final",
          isDaemon: false,
          start: () => this.onCpu(0, reads, start() as never, true),
        },
        expect: "SAFE",
        runtime,
      }),
      final: (s) => {
        const m = k.m.slice();
        runtime.addresses.forEach((address, slot) => (m[address] = s[slot]!));
        runtime.reads = reads;
        const wrong = runtime.runAlone(m, start);
        return wrong === undefined ? null : (wrong as Step).message;
      },
      profileRead: () => new Map(used.flatMap((one) => [...one.reads])),
    };
  }

  /** Names by slot, of slots that come into use later as well. */
  private namesFor(k: Kernel): string[] {
    const { runtime } = this.graph;
    const names = runtime.addresses.map((address) => addressName(this.graph, k, address));
    const before = runtime.onSlot;
    runtime.onSlot = (slot, address) => {
      before(slot, address);
      names[slot] = addressName(this.graph, k, address);
    };
    return names;
  }

  private threadsOf(options: CellOptions, k: Kernel, plugged: Plugged) {
    const { queues, guard, kind, profile, event, mappings } = options;
    const hasTimer = options.timer === true;
    const cpus = mappings.length;
    const model = this.graph.exportsOf(MODEL) as Record<string, Explored>;
    const rx = mappings.map((own, cpu) => {
      const sending = model.sendingDuring!(k, event, kind, options);
      const key = `${cpu} ${guard} ${own.join()} ${JSON.stringify(sending)}`;
      return [`rx${cpu}`, key, () => model.receive!(k, own, sending)] as const;
    });
    const { dev, other } = plugged;
    const { rival } = this.graph.exportsOf(PARTS.rivals) as Record<string, Explored>;
    const second = this.events.RIVALS[event];
    const roles = [
      ...rx,
      ["admin", `${event} ${dev} ${other}`, () => model.takeAway!(k, event, plugged)],
      ...(second === undefined
        ? []
        : [[second, `${event} ${dev}`, () => rival!(k, event, dev)] as const]),
      ...(hasTimer ? [["timer", `${dev}`, () => model.timerSoftirq!(k, dev)] as const] : []),
      ["kworker", "", () => model.kworker!(k)],
      ["rcu", "", () => model.rcuCallbacks!(k)],
    ] as const;
    return roles.map(([name, key, start], i) => {
      const isDaemon = name === "kworker" || name === "rcu" || name === "timer";
      const ofTask = name === "timer" ? cpus : 0;
      const cpu = i < cpus ? i : ofTask;
      const whole = `${name} ${key} ${profile} ${cpus} ${queues} ${hasTimer}`;
      return this.threadOf(whole, { name, isDaemon, start: start as () => never }, cpu);
    });
  }

  private threadOf(key: string, code: ThreadCode, cpu: number) {
    let known = this.threads.get(key);
    if (known === undefined) {
      const reads: Reads = new Map();
      const start = () => this.onCpu(cpu, reads, code.start());
      const { runtime } = this.graph;
      known = { reads, thread: new SystemThread({ ...code, start }, runtime, STEPS_MAX) };
      this.threads.set(key, known);
    }
    return known;
  }

  /**
   * A thread's code, saying which CPU it runs on each time it goes on. `looksBack`: it is the final
   * check, which may see that something was freed.
   */
  private onCpu(
    cpu: number,
    reads: Reads,
    run: Generator<Step, unknown, number>,
    looksBack = false,
  ) {
    const { runtime } = this.graph;
    const next = (...value: [] | [number]) => {
      runtime.cpu = cpu;
      runtime.looksBack = looksBack;
      runtime.reads = reads;
      return run.next(...value);
    };
    return { next } as Generator<Step, unknown, number>;
  }

  /** The kernel when the threads begin: made once for all cases that begin alike. */
  private kernelOf(options: CellOptions): Begun {
    const { guard, kind, profile, mappings, queues, event } = options;
    const own = this.events.CHANGES_START.includes(event) ? event : "";
    const timer = options.timer === true;
    const key = `${guard} ${kind} ${profile} ${mappings.length} ${queues} ${own} ${timer}`;
    let begun = this.kernels.get(key);
    if (begun === undefined) {
      const reads: Reads = new Map();
      this.graph.runtime.reads = reads;
      const k = this.createKernel(options);
      const { setUp } = this.graph.exportsOf(MODEL) as Record<string, Explored>;
      const start = () => setUp!(k, { kind, queues, event, timer });
      begun = { k, plugged: this.graph.runtime.runAlone(k.m, start) as Plugged, reads };
      this.kernels.set(key, begun);
    }
    return begun;
  }

  private get events(): EventTables {
    const { RIVALS, CHANGES_START } = this.graph.exportsOf(PARTS.events);
    return {
      RIVALS: RIVALS as EventTables["RIVALS"],
      CHANGES_START: CHANGES_START as EventTables["CHANGES_START"],
    };
  }

  private createKernel(options: CellOptions): Kernel {
    const { graph, user } = this;
    const { runtime } = graph;
    const kernel = graph.exportsOf("path/kernel.ts") as Record<string, Explored>;
    const guards = graph.exportsOf("path/guards.ts") as Record<string, Explored>;
    const config = kernelConfig(options);
    const m = new Int32Array((kernel.kernelBytes!(config) as number) / 4);
    const isBuiltIn = guards.isGuardName!(options.guard) as boolean;
    const guard = isBuiltIn
      ? guards.builtInGuard!(options.guard)
      : guards.userGuard!(options.guard, user);
    const profile = this.watched(options.profile);
    const start = () => kernel.createKernel!(m, config, profile, guard);
    const k = runtime.runAlone(m, start) as Kernel;
    for (const one of [k, m, profile]) runtime.constants.add(one);
    return k;
  }

  private profile(id: string): object {
    const profiles = this.graph.exportsOf("path/profiles.ts");
    const profile = (profiles.findProfile as (id: string) => object | null)(id);
    if (profile === null) throw new Error(`no kernel profile "${id}"`);
    return profile;
  }

  /** A kernel profile that tells which of its fields are read. */
  private watched(id: string): object {
    const { runtime } = this.graph;
    return new Proxy(this.profile(id), {
      get(target, key) {
        const field: unknown = Reflect.get(target, key);
        if (typeof key === "string") runtime.reads.set(key, field);
        return field;
      },
    });
  }
}

/** What the model says of its events (models/output/events.ts). */
interface EventTables {
  readonly RIVALS: Readonly<Record<string, string>>;
  readonly CHANGES_START: readonly string[];
}

/** Size of the kernel of a case. */
export function kernelConfig({ queues, mappings, timer }: CellOptions) {
  const cpus = mappings.length + (timer === true ? 1 : 0);
  return { cpus, devices: 4, queues, ports: 3, socks: 0, seed: 1 };
}

type Reads = Map<string, unknown>;
