// What a program file exports, taken apart and checked: its name, memory, threads. Knows nothing of
// rewriting, so that threads which run the functions as they were written can use it too. Pure.
import type { Bounds } from "../runtime.js";
import { type KernelLayout, layOutKernel, TASK } from "../search/kernel/layout.js";
import { UNINITIALIZED_LOCK } from "../search/kernel/spin.js";
import { invalid } from "./invalid.js";
import { FREE, UNINIT, type Verdict, VERDICTS } from "../types.js";
import {
  KERNEL_KEYS,
  KERNEL_THREADS_MAX,
  kernelSettings,
  type KernelSettings,
  type PlacedCode,
  placeThread,
} from "./placement.js";

const KEYS = ["name", "cells", "locks", "threads", "final", "expect", ...KERNEL_KEYS];
/** Most threads, cells and locks of a program. */
export const LIMITS = { threads: 52, cells: 4096, locks: 256 };

/** A program's parts; its functions are as the module has them. */
export interface Parts {
  readonly name: string;
  readonly expect: Verdict;
  readonly memory: Layout;
  readonly threads: readonly PlacedCode[];
  readonly final: unknown;
  readonly kernel: KernelLayout | null;
}

/** What a program's text says that it needs. */
export interface Uses {
  /** Steps of the kernel or of Go. */
  readonly kernel: boolean;
  readonly heap: boolean;
}

const NONE: Uses = { kernel: false, heap: false };

/** @throws PacketpathError PROGRAM_INVALID with the field that is not right. */
export function unpack(exported: unknown, file: string, uses: Uses = NONE): Parts {
  const spec = record(exported, "the default export", file);
  const unknown = Object.keys(spec).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(file, `unknown key "${unknown}"`, KEYS.join(", "));
  const { name, expect = "SAFE", final } = spec;
  if (typeof name !== "string" || name === "") throw invalid(file, "name: expected a text");
  if (!VERDICTS.some((one) => one === expect)) {
    throw invalid(file, `expect: ${String(expect)} is not a verdict`, VERDICTS.join(", "));
  }
  const settings = kernelSettings(spec, file);
  const threads = threadList(spec.threads, settings, file);
  const memory = layOut(spec, file, uses.heap ? settings.heap : 0);
  const isPlain = threads.every(({ placement }) => placement === TASK);
  const needsWords = memory.uninitialized.size > 0 || memory.uninitializedLocks > 0;
  const isKernel = uses.kernel || !isPlain || needsWords;
  return {
    name,
    expect: expect as Verdict,
    memory,
    threads,
    final,
    kernel: isKernel ? kernelOf(threads, memory, settings, file) : null,
  };
}

/** Gives each thread its handle and appends the kernel's words. */
function kernelOf(
  threads: readonly PlacedCode[],
  memory: Layout,
  settings: KernelSettings,
  file: string,
): KernelLayout {
  if (threads.length > KERNEL_THREADS_MAX) {
    const what = `${threads.length} threads with steps of the kernel or of Go`;
    throw invalid(file, `threads: ${what}; at most ${KERNEL_THREADS_MAX}`);
  }
  const { names, initial, handles, firstLock } = memory;
  const endLocks = names.length;
  for (const { name, placement } of threads) {
    names.push(name);
    initial.push(0);
    if (placement.context === "task") continue;
    if (name in handles) throw invalid(file, `"${name}" is declared twice`);
    handles[name] = names.length - 1;
  }
  const placements = threads.map(({ placement }) => placement);
  return layOutKernel({ ...settings, ...memory, placements, firstLock, endLocks }, initial);
}

function record(value: unknown, what: string, file: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalid(file, `${what}: expected program({ name, cells, threads })`);
}

/** An address, or an array of them, or an array of arrays. */
export type Handle = number | readonly Handle[];

export interface Layout {
  readonly names: string[];
  readonly initial: number[];
  readonly firstCell: number;
  /** Cells from here on have a shadow word; those from `firstHeap` on are alloc's. */
  readonly firstShadowed: number;
  readonly firstHeap: number;
  readonly firstLock: number;
  /** How many locks, the last ones, have to be initialised. */
  readonly uninitializedLocks: number;
  /** Cells that hold nothing yet. */
  readonly uninitialized: ReadonlySet<number>;
  readonly handles: Record<string, Handle>;
}

/** Words behind NULL that belong to nothing, so that `NULL + 1` is no cell. */
const NULL_WORDS = 8;

function layOut(spec: Record<string, unknown>, file: string, heap: number): Layout {
  const names = ["NULL"];
  if (heap > 0) for (let i = 1; i < NULL_WORDS; i++) names.push(`NULL+${i}`);
  const initial = names.map(() => 0);
  const firstCell = names.length;
  const handles: Record<string, Handle> = {};
  const uninitialized = new Set<number>();
  const add = (name: string, value: number): number => {
    names.push(name);
    initial.push(value);
    return names.length - 1;
  };
  const cell = (name: string, value: unknown): number => {
    if (value === UNINIT) uninitialized.add(names.length);
    if (value === UNINIT) return add(name, 0);
    if (typeof value === "number" && (value | 0) === value) return add(name, value);
    throw invalid(file, `cells.${name}: expected a 32-bit integer, not ${String(value)}`);
  };
  const lock = (name: string, value: unknown): number => {
    if (value === FREE || value === UNINIT) {
      return add(name, value === FREE ? 0 : UNINITIALIZED_LOCK);
    }
    throw invalid(file, `locks.${name}: expected FREE or UNINIT, not ${String(value)}`);
  };
  const declare = (name: string, value: unknown, one: typeof cell): void => {
    if (name in handles) throw invalid(file, `"${name}" is declared twice`);
    handles[name] = each(name, value, one);
  };
  const each = (name: string, value: unknown, one: typeof cell): Handle =>
    Array.isArray(value)
      ? Object.freeze(value.map((item: unknown, i) => each(`${name}[${i}]`, item, one)))
      : one(name, value);
  const cells = Object.entries(spec.cells === undefined ? {} : record(spec.cells, "cells", file));
  for (const [name, value] of cells) if (!isUnset(value)) declare(name, value, cell);
  const firstShadowed = names.length;
  for (const [name, value] of cells) if (isUnset(value)) declare(name, value, cell);
  const firstHeap = names.length;
  for (let i = 0; i < heap; i++) add(`heap+${i}`, 0);
  const count = names.length - heap - firstCell;
  if (count > LIMITS.cells) throw invalid(file, `cells: ${count}; at most ${LIMITS.cells}`);
  const firstLock = names.length;
  const locks = lockList(spec.locks, file);
  for (const [name, value] of locks) if (!isUnset(value)) declare(name, value, lock);
  const firstUnset = names.length;
  for (const [name, value] of locks) if (isUnset(value)) declare(name, value, lock);
  const uninitializedLocks = names.length - firstUnset;
  if (names.length - firstLock > LIMITS.locks) {
    throw invalid(file, `locks: ${names.length - firstLock}; at most ${LIMITS.locks}`);
  }
  return {
    names,
    initial,
    firstCell,
    firstShadowed,
    firstHeap,
    firstLock,
    uninitializedLocks,
    uninitialized,
    handles,
  };
}

/** Where in memory what stands. */
export function boundsOf({ memory, kernel }: Parts): Bounds {
  const locks = kernel?.endLocks ?? memory.names.length;
  return {
    first: memory.firstCell,
    shadowed: memory.firstShadowed,
    heap: memory.firstHeap,
    cells: memory.firstLock,
    uninitialized: locks - memory.uninitializedLocks,
    locks,
    addresses: memory.names.length,
  };
}

function isUnset(value: unknown): boolean {
  return value === UNINIT || (Array.isArray(value) && value.some(isUnset));
}

function lockList(locks: unknown, file: string): [string, unknown][] {
  if (locks === undefined) return [];
  if (!Array.isArray(locks)) return Object.entries(record(locks, "locks", file));
  return locks.map((name: unknown) => {
    if (typeof name === "string") return [name, FREE];
    throw invalid(file, "locks: expected a list of names");
  });
}

function threadList(threads: unknown, settings: KernelSettings, file: string): PlacedCode[] {
  const list: [string, unknown][] = Array.isArray(threads)
    ? threads.map((one: unknown, i): [string, unknown] => [`t${i}`, one])
    : Object.entries(record(threads, "threads", file));
  if (list.length === 0) throw invalid(file, "threads: expected at least one");
  if (list.length > LIMITS.threads) {
    throw invalid(file, `threads: ${list.length}; at most ${LIMITS.threads}`);
  }
  const placed = list.map(([name, one]) => placeThread(name, one, settings, file));
  const movers = placed.flatMap(({ name, migrates }, mover): PlacedCode[] => {
    if (!migrates) return [];
    const moved = { ...TASK, mover };
    return [{ name: `${name}:cpu`, run: null, placement: moved, migrates: false }];
  });
  return [...placed, ...movers];
}
