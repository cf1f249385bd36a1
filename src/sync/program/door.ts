// What a program of `src/models` gets for "packetpath/explore" when it runs on real threads: the
// build puts this file in its place (scripts/bind-programs.mjs). The same names, each one real
// atomic operation, or one that blocks. Threads that have called `bindProgramThread`.
//
// A cell is a word of shared memory, or, on a thread for which it was bound so, the register of a
// device: its load and its exchange then are what the device answers.
import type { Addr } from "../memory.js";
import { WAIT } from "./layout.js";
import { blockWhile, devices, m, ProgramMisuse } from "./thread.js";

export { goLock, goUnlock, rlock, runlock, rwlock, rwunlock, wgAdd, wgDone, wgWait } from "./go.js";

/** A lock that is free at the start. */
export const FREE = Symbol("FREE");

/** A program is what it was declared as. */
export function program<S>(spec: S): S {
  return spec;
}

export function ld(cell: Addr): number {
  const device = devices[cell];
  return device?.load === undefined ? Atomics.load(m, cell) : device.load();
}

/** Plain in the program; here nothing is lost by its being atomic. */
export function read(cell: Addr): number {
  return Atomics.load(m, cell);
}

/** Wakes whoever waits for the cell. */
export function st(cell: Addr, value: number): void {
  Atomics.store(m, cell, value);
  Atomics.notify(m, cell);
}

export function write(cell: Addr, value: number): void {
  Atomics.store(m, cell, value);
}

export function add(cell: Addr, value: number): number {
  const device = devices[cell];
  return device?.add === undefined ? Atomics.add(m, cell, value) : device.add(value);
}

export function cas(cell: Addr, expected: number, value: number): number {
  const device = devices[cell];
  if (device?.cas !== undefined) return device.cas(expected, value);
  return Atomics.compareExchange(m, cell, expected, value);
}

export function setBits(cell: Addr, mask: number): number {
  const device = devices[cell];
  return device?.setBits === undefined ? Atomics.or(m, cell, mask) : device.setBits(mask);
}

export function clearBits(cell: Addr, mask: number): number {
  return Atomics.and(m, cell, ~mask);
}

export function waitWhile(cell: Addr, value: number): number {
  const device = devices[cell];
  if (device?.waitWhile !== undefined) return device.waitWhile(value);
  return blockWhile(cell, value, WAIT.cell, cell);
}

export function waitUntil(cell: Addr, value: number): void {
  for (let is = Atomics.load(m, cell); is !== value;) is = waitWhile(cell, is);
}

export function assert(condition: boolean, message = "assertion failed"): void {
  if (!condition) throw new ProgramMisuse(message);
}

/** What only a search can do, or needs the explorer's own memory. */
function refuse(name: string): never {
  throw new ProgramMisuse(`${name} is for the explorer; real threads have nothing for it`);
}

export function choose(_count: number): number {
  return refuse("choose");
}

export function alloc(_words: number): Addr {
  return refuse("alloc");
}

export function free(_object: Addr): void {
  refuse("free");
}
