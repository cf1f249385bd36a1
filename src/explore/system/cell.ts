// One case of the headline system: a guard, a kind of device, packets with or without a recorded
// queue, a kernel profile, what takes the device away. Main thread, or a worker that explores.
import { SystemMachine, type Vector, WORDS_MAX } from "../reduced/machine.js";
import { SharedThread } from "../reduced/shared-thread.js";
import type { Setting } from "../search/questions.js";
import type { LoadedProgram, Site, Step, ThreadCode } from "../types.js";
import { FinalCheck } from "./final-check.js";
import type { Graph } from "./graph.js";
import { addressName } from "./names.js";
import { MODEL, PARTS } from "./prepared.js";

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
  /** What the threads asked so far of the profile and the guard, with the answers. */
  answers(): Map<string, unknown>;
}

interface Kernel {
  readonly m: Int32Array;
}
/** Addresses of the devices that an event is about. */
interface Plugged {
  readonly dev: number;
  readonly other: number;
}

/** A kernel when the threads begin, its devices, and its memory as text. */
interface Begun {
  readonly k: Kernel;
  readonly plugged: Plugged;
  readonly content: string;
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

/** Prefix of what is asked of the guard; what is asked of the profile has none. */
const GUARD_FIELD = "guard.";

/** Makes cases that share what they have in common: the graph and its threads. */
export class Cells {
  /** Gets the memory that an execution ends in; set by who wants to see them all. */
  onEnd: ((m: Int32Array) => void) | null = null;
  private readonly graph: Graph;
  private readonly user: GuardFunction | null;
  private readonly kernels = new Map<string, Begun>();
  private readonly threads = new Map<string, SharedThread[]>();
  private readonly checks = new Map<string, FinalCheck>();
  private readonly settings = new Map<string, Setting>();
  /** The profile and the guard of whichever case runs. */
  private readonly profileView: object;
  private readonly guardView: object;

  /** `user`: the guard of cases whose guard is not a built-in one. */
  constructor(graph: Graph, user: GuardFunction | null) {
    this.graph = graph;
    this.user = user;
    this.profileView = graph.runtime.asking("");
    this.guardView = graph.runtime.asking(GUARD_FIELD);
  }

  /** What the sites of steps stand for. */
  get sites(): readonly Site[] {
    return this.graph.sites;
  }

  /**
   * Whether a case would be searched in the same way for another profile: the threads are told the
   * same of it, and the kernel is the same when they begin.
   */
  isSame(answers: ReadonlyMap<string, unknown>, options: CellOptions, profile: string): boolean {
    const setting = this.settingOf({ ...options, profile });
    for (const [name, answer] of answers) {
      if (setting[name] !== answer && !INDIFFERENT.has(name)) return false;
    }
    return this.kernelOf(options).content === this.kernelOf({ ...options, profile }).content;
  }

  /** Words of the kernel's memory. */
  memoryWords(options: CellOptions): number {
    return this.kernelOf(options).k.m.length;
  }

  /** One case at a time runs, the one that was made last. */
  make(options: CellOptions): Cell {
    const { runtime } = this.graph;
    const { k, plugged } = this.kernelOf(options);
    const setting = this.settingOf(options);
    runtime.questions.setting = setting;
    const threads = this.threadsOf(options, k, plugged);
    const machine = new SystemMachine(threads, (slot) => k.m[runtime.addresses[slot]!]!);
    return {
      machine,
      program: () => this.program(options, threads),
      final: (s) => this.judge(options, machine, s),
      answers: () => new Map(machine.threads.flatMap((one) => [...one.answers])),
    };
  }

  private program(options: CellOptions, threads: readonly SharedThread[]): LoadedProgram {
    const { runtime, hash } = this.graph;
    const { k } = this.kernelOf(options);
    const setting = this.settingOf(options);
    const memory = new Array<number>(WORDS_MAX).fill(0);
    const useSlot = (slot: number, address: number): void => {
      if (slot >= WORDS_MAX) throw new Error(`more than ${WORDS_MAX - 1} words are touched`);
      memory[slot] = k.m[address]!;
    };
    runtime.addresses.forEach((address, slot) => useSlot(slot, address));
    runtime.onSlot = useSlot;
    const set = (start: () => Generator<Step, unknown, number>) => () => {
      runtime.questions.setting = setting;
      return start();
    };
    const final = () => this.onCpu(0, this.finalOf(options)() as never, true);
    return {
      name: `${options.guard}/${options.kind}/${options.profile}/${options.event}`,
      file: "src/path",
      sourceHash: hash,
      sites: this.sites,
      names: this.namesFor(k),
      initial: memory,
      firstLock: 0,
      threads: threads.map(({ code }) => ({ ...code, start: set(() => code.start()) })),
      final: { name: "final", isDaemon: false, start: set(final) },
      expect: "SAFE",
      runtime,
    };
  }

  /** What is wrong when all is over, or null. */
  private judge(options: CellOptions, machine: SystemMachine, s: Vector): string | null {
    const { addresses } = this.graph.runtime;
    const { k } = this.kernelOf(options);
    const whole = (): Int32Array => {
      const m = k.m.slice();
      machine.slots.forEach((slot, i) => (m[addresses[slot]!] = s[machine.threads.length + i]!));
      return m;
    };
    this.onEnd?.(whole());
    const load = (address: number): number => {
      const word = machine.wordAt(this.graph.runtime.slotAt(address));
      return word === 0 ? k.m[address]! : s[word]!;
    };
    return this.checkOf(options).judge(load, whole);
  }

  private checkOf(options: CellOptions): FinalCheck {
    const { cpus, queues } = kernelConfig(options);
    const { dev, other } = this.kernelOf(options).plugged;
    const key = `${options.event} ${dev} ${other} ${cpus} ${queues}`;
    let check = this.checks.get(key);
    if (check === undefined) {
      check = new FinalCheck(this.graph.runtime, this.finalOf(options));
      this.checks.set(key, check);
    }
    return check;
  }

  private finalOf(options: CellOptions): () => unknown {
    const { k, plugged } = this.kernelOf(options);
    const { final } = this.graph.exportsOf(PARTS.final) as Record<string, Explored>;
    return () => final!(k, options.event, plugged);
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

  private threadsOf(options: CellOptions, k: Kernel, plugged: Plugged): SharedThread[] {
    const { queues, kind, event, mappings } = options;
    const hasTimer = options.timer === true;
    const cpus = mappings.length;
    const model = this.graph.exportsOf(MODEL) as Record<string, Explored>;
    const rx = mappings.map((own, cpu) => {
      const sending = model.sendingDuring!(k, event, kind, options);
      const key = `${cpu} ${own.join()} ${JSON.stringify(sending)}`;
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
      const whole = `${name} ${key} ${cpus} ${queues} ${hasTimer}`;
      return this.threadOf(whole, { name, isDaemon, start: start as () => never }, cpu);
    });
  }

  private threadOf(key: string, code: ThreadCode, cpu: number): SharedThread {
    const { runtime } = this.graph;
    const known = this.threads.get(key) ?? [];
    this.threads.set(key, known);
    const one = known.find(({ firstAnswers }) => runtime.questions.agrees(firstAnswers));
    if (one !== undefined) return one;
    const start = () => this.onCpu(cpu, code.start());
    const made = new SharedThread({ ...code, start }, runtime, STEPS_MAX);
    known.push(made);
    return made;
  }

  /**
   * A thread's code, saying which CPU it runs on each time it goes on. `looksBack`: it is the final
   * check, which may see that something was freed.
   */
  private onCpu(cpu: number, run: Generator<Step, unknown, number>, looksBack = false) {
    const { runtime } = this.graph;
    const next = (...value: [] | [number]) => {
      runtime.cpu = cpu;
      runtime.looksBack = looksBack;
      return run.next(...value);
    };
    return { next } as Generator<Step, unknown, number>;
  }

  /** The kernel when the threads begin: made once for all cases that begin alike. */
  private kernelOf(options: CellOptions): Begun {
    const { kind, profile, mappings, queues, event } = options;
    const own = this.events.CHANGES_START.includes(event) ? event : "";
    const timer = options.timer === true;
    const key = `${kind} ${profile} ${mappings.length} ${queues} ${own} ${timer}`;
    let begun = this.kernels.get(key);
    if (begun === undefined) {
      const { runtime } = this.graph;
      runtime.questions.setting = this.settingOf(options);
      runtime.questions.asked = [];
      const k = this.createKernel(options);
      const { setUp } = this.graph.exportsOf(PARTS.setUp) as Record<string, Explored>;
      const start = () => setUp!(k, { kind, queues, event, timer });
      const plugged = runtime.runAlone(k.m, start) as Plugged;
      const isAsked = runtime.questions.asked.some(([name]) => name.startsWith(GUARD_FIELD));
      if (isAsked) throw new Error("how the kernel is set up depends on the guard");
      begun = { k, plugged, content: k.m.join() };
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
    const { runtime, exportsOf } = this.graph;
    const kernel = exportsOf("path/kernel.ts") as Record<string, Explored>;
    const config = kernelConfig(options);
    const m = new Int32Array((kernel.kernelBytes!(config) as number) / 4);
    const start = () => kernel.createKernel!(m, config, this.profileView, this.guardView);
    const k = runtime.runAlone(m, start) as Kernel;
    for (const one of [k, m]) runtime.constants.add(one);
    return k;
  }

  /** What a case says of its profile and its guard. */
  private settingOf({ profile, guard }: CellOptions): Setting {
    const key = `${profile} ${guard}`;
    let setting = this.settings.get(key);
    if (setting === undefined) {
      const fields = Object.entries(this.guard(guard)).map(([name, one]) => [
        GUARD_FIELD + name,
        one,
      ]);
      setting = { ...this.profile(profile), ...Object.fromEntries(fields) };
      this.settings.set(key, setting!);
    }
    return setting!;
  }

  private guard(name: string): object {
    const guards = this.graph.exportsOf("path/guards.ts") as Record<string, Explored>;
    const isBuiltIn = guards.isGuardName!(name) as boolean;
    return (isBuiltIn ? guards.builtInGuard!(name) : guards.userGuard!(name, this.user)) as object;
  }

  private profile(id: string): object {
    const profiles = this.graph.exportsOf("path/profiles.ts");
    const profile = (profiles.findProfile as (id: string) => object | null)(id);
    if (profile === null) throw new Error(`no kernel profile "${id}"`);
    return profile;
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
