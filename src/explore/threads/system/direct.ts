// Stands in for explore/primitives.ts in real threads that repeat a schedule of the kernel path:
// each function is one step that waits for its turn. Worker threads only.
import { POISON_FREE } from "../../system/runtime.js";
import { OP } from "../../types.js";
import { Failed, type Turns } from "../turns.js";

let turns: Turns | null = null;

/** Says whose turns the calling thread's steps are. Before any step of a repetition. */
export function useTurns(own: Turns): void {
  turns = own;
}

/** The turns of this thread. */
export function ownTurns(): Turns {
  if (turns === null) throw new Error("a step before the first repetition");
  return turns;
}

function step(kind: number, addr: number, a = 0, b = 0): number {
  const { m } = ownTurns();
  if (addr === 0) throw new Failed("NULL-DEREF", "a step on NULL");
  if (addr < 0 || addr >= m.length) throw new Failed("MISUSE", `a step on address ${addr}`);
  const value = ownTurns().step({ kind, addr, a: a | 0, b: b | 0 });
  if (value === POISON_FREE) throw new Failed("USE-AFTER-FREE", "the memory has been freed");
  return value;
}

export function ld(addr: number): number {
  return step(OP.ld, addr);
}

export function st(addr: number, value: number): void {
  step(OP.st, addr, value);
}

export function add(addr: number, value: number): number {
  return step(OP.add, addr, value);
}

export function cas(addr: number, expected: number, value: number): number {
  return step(OP.cas, addr, expected, value);
}

export function xchg(addr: number, value: number): number {
  return step(OP.xchg, addr, value);
}

export function setBits(addr: number, mask: number): number {
  return step(OP.setBits, addr, mask);
}

export function clearBits(addr: number, mask: number): number {
  return step(OP.clearBits, addr, mask);
}

export function lock(addr: number): void {
  step(OP.lock, addr);
}

export function unlock(addr: number): void {
  step(OP.unlock, addr);
}

export function waitWhile(addr: number, value: number): number {
  return step(OP.waitWhile, addr, value);
}

export function waitUntil(addr: number, value: number): void {
  step(OP.waitUntil, addr, value);
}
