// The primitives that programs import from "packetpath/explore". In a program these names are what
// the explorer recognizes; it runs the program with its own steps in their place, so the functions
// below are reached only by code that was not given to the explorer, and say so.
import { PacketpathError } from "../base/errors.js";
import type { Cell, Failure, ProgramSpec } from "./types.js";

/** What a primitive does outside of the explorer. @throws PacketpathError USAGE */
export function outside(name: string): never {
  throw new PacketpathError("USAGE", `${name} was called outside of an explored program`, {
    fix: "Run the file with packetpath explore FILE.",
  });
}

/** Declares a program; the default export of its file. */
export function program<const S extends ProgramSpec>(spec: S): S {
  return spec;
}

/** Loads a cell. */
export function ld(_cell: Cell): number {
  return outside("ld");
}

/** Stores into a cell. */
export function st(_cell: Cell, _value: number): void {
  outside("st");
}

/** Loads a cell in a way that is not atomic: a data race (RACE) with a write at the same time. */
export function read(_cell: Cell): number {
  return outside("read");
}

/** Stores into a cell in a way that is not atomic. */
export function write(_cell: Cell, _value: number): void {
  outside("write");
}

/** Atomic add; returns the old value. */
export function add(_cell: Cell, _value: number): number {
  return outside("add");
}

/** Atomic compare-and-exchange; returns the old value, which is `expected` on success. */
export function cas(_cell: Cell, _expected: number, _value: number): number {
  return outside("cas");
}

/** Atomic exchange; returns the old value. */
export function xchg(_cell: Cell, _value: number): number {
  return outside("xchg");
}

/** Sets the bits of `mask`; returns the old value. */
export function setBits(_cell: Cell, _mask: number): number {
  return outside("setBits");
}

/** Clears the bits of `mask`; returns the old value. */
export function clearBits(_cell: Cell, _mask: number): number {
  return outside("clearBits");
}

/** Takes a lock; blocks while another thread, or this one, has it. */
export function lock(_lock: Cell): void {
  outside("lock");
}

/** Gives a lock back; a verdict (MISUSE) if the thread does not hold it. */
export function unlock(_lock: Cell): void {
  outside("unlock");
}

/** Takes a lock if it is free; says whether it did. */
export function tryLock(_lock: Cell): boolean {
  return outside("tryLock");
}

/** Blocks while the cell is `value`; returns what it is then. One step, not a loop. */
export function waitWhile(_cell: Cell, _value: number): number {
  return outside("waitWhile");
}

/** Blocks until the cell is `value`. One step, not a loop. */
export function waitUntil(_cell: Cell, _value: number): void {
  outside("waitUntil");
}

/** A free choice, 0 to `count` - 1; each is explored. */
export function choose(_count: number): number {
  return outside("choose");
}

/**
 * Fails the program if the condition does not hold: with ASSERT, or with the verdict of what the
 * claim stands for, as a stack protector's test does for CORRUPTION. No scheduling point.
 */
export function assert(_condition: boolean, _message?: string, _verdict?: Failure): void {
  outside("assert");
}

/**
 * In a loop without another primitive: the values that decide how it goes on. The same ones again
 * without a shared access between mean that the loop never ends (LOCKUP). No scheduling point.
 */
export function tick(..._live: readonly number[]): void {
  outside("tick");
}
