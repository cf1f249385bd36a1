// Memory of a program on real threads: the words of its threads, its cells and its locks, in one
// Int32Array over a SharedArrayBuffer. Main thread; the layout itself is plain data and may be
// posted to the threads. As everywhere in this room, address 0 is NULL.
//
//   words   0..31   the header of memory.ts, of which `abort` and `never` are used
//   words  32..     one block per thread (THREAD)
//   then            each cell and each lock, a cache line of its own
import { type Addr, HEADER_WORDS, type Mem } from "../memory.js";

/** Words of a thread's block. Writer of each: the thread itself, unless it says otherwise. */
export const THREAD = {
  /** One of WAIT: what the thread waits for; `running` if for nothing. */
  wait: 0,
  /** The lock, group or cell that it waits for. */
  waitsFor: 1,
  /** Grows with each wait's begin and end, so that two looks can be told to be one state. */
  sequence: 2,
  /** The wait group that this thread is to leave; 0: none. */
  memberOf: 3,
  /** Thread id as `ps -L` shows it. */
  tid: 4,
  /** Words for whoever lays the program out. */
  own: 8,
} as const;
export const THREAD_WORDS = 32;

/** What a thread waits for. */
export const WAIT = {
  running: 0,
  readLock: 1,
  writeLock: 2,
  mutex: 3,
  group: 4,
  cell: 5,
  device: 6,
} as const;

/** A cache line of 64 bytes; a lock has its words in one (see go.ts). */
const LINE_WORDS = 16;

type Nested<T> = T | readonly Nested<T>[];
/** What a program declares: a value by name, or arrays of them. */
export type Declared = Readonly<Record<string, Nested<number | symbol>>>;
/** Addresses in the same shape. */
export type HandleOf<V> = V extends readonly (infer I)[] ? HandleOf<I>[] : Addr;
export type HandlesOf<D extends Declared> = { [K in keyof D]: HandleOf<D[K]> };

export interface ProgramLayout<D extends Declared> {
  readonly words: number;
  readonly threads: number;
  readonly handles: HandlesOf<D>;
  /** Names of cells and locks by address: `fd[1]`. */
  readonly names: ReadonlyMap<Addr, string>;
  /** What cells hold at the start, if not 0. */
  readonly initial: readonly (readonly [Addr, number])[];
}

/** Where everything of a program lies; locks (symbols) are free when all their words are 0. */
export function layOutProgram<D extends Declared>(declared: D, threads: number): ProgramLayout<D> {
  const names = new Map<Addr, string>();
  const initial: [Addr, number][] = [];
  // Threads' blocks are two lines each; the first cell begins on a line, too.
  let next = threadBlock(threads);
  const place = (name: string, value: Nested<number | symbol>): unknown => {
    if (typeof value === "object") return value.map((one, i) => place(`${name}[${i}]`, one));
    const address = next;
    next += LINE_WORDS;
    names.set(address, name);
    if (typeof value === "number" && value !== 0) initial.push([address, value]);
    return address;
  };
  const handles = Object.fromEntries(
    Object.entries(declared).map(([name, value]) => [name, place(name, value)]),
  ) as HandlesOf<D>;
  return { words: next, threads, handles, names, initial };
}

/** Fresh memory of a program. */
export function newProgramMemory(layout: ProgramLayout<Declared>): Mem {
  const m = new Int32Array(new SharedArrayBuffer(layout.words * Int32Array.BYTES_PER_ELEMENT));
  for (const [address, value] of layout.initial) m[address] = value;
  return m;
}

/** Address of a thread's block. */
export function threadBlock(thread: number): Addr {
  return HEADER_WORDS + thread * THREAD_WORDS;
}
