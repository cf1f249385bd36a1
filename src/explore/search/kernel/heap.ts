// Memory that may be freed, not yet allocated or never written: a shadow word for each cell says
// which, so that no stored value can be taken for one of these. Freed words are not given out
// again. Called by the machine, one step at a time.
import { OP, type Step } from "../../types.js";
import type { Vector } from "../machine.js";
import { failure } from "./failures.js";
import { type KernelLayout, SHADOW } from "./layout.js";
import { FINISHED } from "./result.js";

/** Added to the kinds from ld to waitUntil for cells that have a shadow word. */
export const SHADOWED = 85;
/** The kinds of read and write for such cells. */
export const SHADOWED_READ = 97;
export const SHADOWED_WRITE = 98;

const STATE_BITS = 3;

function shadowAt(k: KernelLayout, addr: number): number {
  return k.shadow + addr - k.firstShadowed;
}

/** What is wrong with an access, or 0. A lock in memory is written by initLock. */
export function shadowFailure(
  k: KernelLayout,
  s: Vector,
  addr: number,
  access: "load" | "store" | "lock",
): number {
  if (addr < k.firstShadowed || addr >= k.firstLock) return 0;
  const state = (s[shadowAt(k, addr)] as number) & STATE_BITS;
  if (state === SHADOW.freed) return failure("useAfterFree");
  if (state === SHADOW.unallocated) return failure("outOfBounds");
  if (state === SHADOW.valid || access === "store") return 0;
  return failure(access === "lock" ? "uninitializedLock" : "unwritten");
}

/** What was stored into can be loaded. */
export function markWritten(k: KernelLayout, s: Vector, addr: number): void {
  if (addr >= k.firstShadowed && addr < k.firstLock) s[shadowAt(k, addr)]! &= ~STATE_BITS;
}

/** What is wrong with a step of one of the shadowed kinds, or 0. */
export function shadowedFailure(k: KernelLayout, s: Vector, plain: Step): number {
  const { kind, addr } = plain;
  const isLock = kind === OP.lock || kind === OP.unlock || kind === OP.tryLock;
  const isStore = kind === OP.st || kind === OP.write;
  return shadowFailure(k, s, addr, isLock ? "lock" : isStore ? "store" : "load");
}

/** The step as it were on a cell without a shadow. */
export function unshadow(step: Step): Step {
  if (step.kind === SHADOWED_READ) return { ...step, kind: OP.read };
  if (step.kind === SHADOWED_WRITE) return { ...step, kind: OP.write };
  return { ...step, kind: step.kind - SHADOWED };
}

/** What a step from add to waitUntil, or a load, does to a cell that is in order. */
export function takePlain(s: Vector, step: Step, thread: number): number {
  const { kind, addr, a, b } = step;
  const old = s[addr] as number;
  switch (kind) {
    case OP.add:
      s[addr] = old + a;
      return old;
    case OP.cas:
      if (old === a) s[addr] = b;
      return old;
    case OP.xchg:
      s[addr] = a;
      return old;
    case OP.setBits:
      s[addr] = old | a;
      return old;
    case OP.clearBits:
      s[addr] = old & ~a;
      return old;
    case OP.lock:
      s[addr] = thread + 1;
      return 0;
    case OP.tryLock:
      if (old === 0) s[addr] = thread + 1;
      return old === 0 ? 1 : 0;
    case OP.unlock:
      if (old !== thread + 1) return failure("notHeld");
      s[addr] = 0;
      return 0;
    default:
      return old;
  }
}

/** Words for a new object: its handle, or a failure. */
export function allocate(k: KernelLayout, s: Vector, words: number): number {
  const start = s[k.heapNext] as number;
  if (start + words > k.firstLock) return failure("heapFull");
  s[k.heapNext] = start + words;
  for (let i = 0; i < words; i++) s[shadowAt(k, start + i)] = SHADOW.uninitialized;
  s[shadowAt(k, start)] = SHADOW.uninitialized | (words << 2);
  return start;
}

/** Gives an object back; freeing NULL does nothing, as with kfree. */
export function release(k: KernelLayout, s: Vector, start: number): number {
  if (start === 0) return FINISHED;
  if (start < k.firstHeap || start >= k.firstLock) return failure("notAllocated");
  const shadow = s[shadowAt(k, start)] as number;
  const words = shadow >> 2;
  if (words === 0) return failure("notAllocated");
  if ((shadow & STATE_BITS) === SHADOW.freed) return failure("doubleFree");
  for (let i = 0; i < words; i++) {
    s[start + i] = 0;
    s[shadowAt(k, start + i)] = SHADOW.freed;
  }
  s[shadowAt(k, start)] = SHADOW.freed | (words << 2);
  return FINISHED;
}

/** Handles of objects that were never freed. */
export function leaks(k: KernelLayout, s: Vector): number[] {
  const all: number[] = [];
  for (let at = k.firstHeap; at < k.firstLock; at++) {
    const shadow = s[shadowAt(k, at)] as number;
    if (shadow >> 2 !== 0 && (shadow & STATE_BITS) !== SHADOW.freed) all.push(at);
  }
  return all;
}
