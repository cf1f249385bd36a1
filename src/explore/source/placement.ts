// The parts of a program that only kernel programs have, checked: CPUs, contexts of threads,
// faults, heap. Pure.
import {
  type Context,
  CONTEXTS,
  type KernelKind,
  KERNELS,
  type Placement,
  TASK,
} from "../search/kernel/layout.js";
import { invalid } from "./invalid.js";

/** Most threads of a program with kernel steps: one bit each in the words of locks. */
export const KERNEL_THREADS_MAX = 31;
/** Most CPUs, words of the heap, and faults or migrations of one execution. */
const LIMITS = { cpus: 31, heap: 4096, count: 100 };
const HEAP_WORDS = 64;

export interface KernelSettings {
  readonly kernel: KernelKind;
  readonly cpus: number;
  readonly maxFaults: number;
  readonly maxMigrations: number;
  readonly heap: number;
  readonly areLeaksWrong: boolean;
}

export const KERNEL_KEYS = ["cpus", "kernel", "maxFaults", "maxMigrations", "heap", "leaks"];
const THREAD_KEYS = ["cpu", "context", "raised", "migrates", "unbound", "run"];

/** A thread with its function and its place. */
export interface PlacedCode {
  readonly name: string;
  readonly run: unknown;
  readonly placement: Placement;
  readonly migrates: boolean;
}

/** @throws PacketpathError PROGRAM_INVALID */
export function kernelSettings(spec: Record<string, unknown>, file: string): KernelSettings {
  const count = (key: string, absent: number, least: number, most: number): number => {
    const value = spec[key] ?? absent;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) {
      return value;
    }
    throw invalid(file, `${key}: expected ${least} to ${most}, not ${String(value)}`);
  };
  const { kernel = "smp", leaks = false } = spec;
  const kind = KERNELS.find((one) => one === kernel);
  if (kind === undefined) {
    throw invalid(file, `kernel: ${String(kernel)} is not known`, KERNELS.join(", "));
  }
  if (typeof leaks !== "boolean") throw invalid(file, "leaks: expected true or false");
  const cpus = count("cpus", 1, 1, LIMITS.cpus);
  if (kind === "up" && cpus !== 1) throw invalid(file, 'cpus: a kernel of kind "up" has one');
  return {
    kernel: kind,
    cpus,
    maxFaults: count("maxFaults", 0, 0, LIMITS.count),
    maxMigrations: count("maxMigrations", 1, 0, LIMITS.count),
    heap: count("heap", HEAP_WORDS, 1, LIMITS.heap),
    areLeaksWrong: leaks,
  };
}

/** @throws PacketpathError PROGRAM_INVALID */
export function placeThread(
  name: string,
  thread: unknown,
  settings: KernelSettings,
  file: string,
): PlacedCode {
  if (typeof thread !== "object" || thread === null) {
    return { name, run: thread, placement: TASK, migrates: false };
  }
  const spec = thread as Record<string, unknown>;
  const wrong = (message: string, oneOf?: string) =>
    invalid(file, `threads.${name}: ${message}`, oneOf);
  const unknown = Object.keys(spec).find((key) => !THREAD_KEYS.includes(key));
  if (unknown !== undefined) throw wrong(`unknown key "${unknown}"`, THREAD_KEYS.join(", "));
  const { context = "task", migrates = false, unbound = false, run } = spec;
  const known: Context | undefined = CONTEXTS.find((one) => one === context);
  if (known === undefined) {
    throw wrong(`context: ${String(context)} is not known`, CONTEXTS.join(", "));
  }
  const { raised = known === "hardirq" } = spec;
  for (const [key, value] of Object.entries({ raised, migrates, unbound })) {
    if (typeof value !== "boolean") throw wrong(`${key}: expected true or false`);
  }
  if (typeof run !== "function") throw wrong("run: expected a function");
  if (raised === true && known === "task") throw wrong("raised: a task runs from the start");
  if (unbound === true && known !== "work") throw wrong("unbound: only work can be unbound");
  if (migrates === true && known !== "task") throw wrong("migrates: only a task can be moved");
  const cpu = cpuOf(spec.cpu, known, settings, wrong);
  if (migrates === true && cpu === null) throw wrong("migrates: say on which cpu it starts");
  const isUnbound = unbound === true;
  return {
    name,
    run,
    placement: { context: known, cpu, isRaised: raised === true, isUnbound, mover: -1 },
    migrates: migrates === true,
  };
}

function cpuOf(
  cpu: unknown,
  context: Context,
  { cpus }: KernelSettings,
  wrong: (message: string) => Error,
): number | null {
  if (cpu === undefined) {
    const needsOne = context === "softirq" || context === "hardirq";
    if (!needsOne) return null;
    if (cpus === 1) return 0;
    throw wrong(`cpu: a ${context} needs one, 0 to ${cpus - 1}`);
  }
  if (typeof cpu === "number" && Number.isInteger(cpu) && cpu >= 0 && cpu < cpus) return cpu;
  throw wrong(`cpu: expected 0 to ${cpus - 1}, not ${String(cpu)} (cpus: ${cpus})`);
}
