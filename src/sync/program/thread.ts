// Who the calling thread is to a program's primitives, and how it waits: visibly, so that another
// thread can say who waits for whom, and never for ever once the run is torn down. Any thread.
import { HEADER, type Addr, type Mem } from "../memory.js";
import { SyncAborted, waitWhile as sleepWhile } from "../primitives.js";
import { THREAD, threadBlock, WAIT } from "./layout.js";

/** What stands behind a cell in place of memory, on the thread that it is bound on. */
export interface Device {
  load?(): number;
  add?(value: number): number;
  cas?(expected: number, value: number): number;
  setBits?(mask: number): number;
  /** Blocks while the cell is `value`; returns what it is then. */
  waitWhile?(value: number): number;
}

export interface ProgramThread {
  readonly memory: Mem;
  /** From 0; its block is written by this thread only. */
  readonly thread: number;
  readonly devices: ReadonlyMap<Addr, Device>;
}

/** What is wrong with what a thread did, as Go would panic; never caught in a program. */
export class ProgramMisuse extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProgramMisuse";
  }
}

const NONE: Mem = new Int32Array(0);

export let m: Mem = NONE;
export let thread = 0;
/** By address; most are memory. */
export let devices: readonly (Device | undefined)[] = [];
let block: Addr = 0;

/** Says who the calling thread is. Once per thread, before any primitive of a program. */
export function bindProgramThread(binding: ProgramThread): void {
  m = binding.memory;
  thread = binding.thread;
  block = threadBlock(thread);
  const byAddress = new Array<Device | undefined>(m.length).fill(undefined);
  for (const [address, device] of binding.devices) byAddress[address] = device;
  devices = byAddress;
}

/** Says which wait group this thread is to leave; 0: none. */
export function setMembership(group: Addr): void {
  Atomics.store(m, block + THREAD.memberOf, group);
}

/** Says what the thread is about to wait for (one of WAIT). */
export function beginWait(wait: number, address: Addr): void {
  Atomics.store(m, block + THREAD.waitsFor, address);
  Atomics.store(m, block + THREAD.wait, wait);
  Atomics.add(m, block + THREAD.sequence, 1);
}

export function endWait(): void {
  Atomics.store(m, block + THREAD.wait, WAIT.running);
  Atomics.add(m, block + THREAD.sequence, 1);
}

/**
 * Blocks while the word at `address` is `value`; returns what it is then.
 * @param wait one of WAIT; `object` is what the thread is said to wait for.
 * @throws SyncAborted once the run is torn down.
 */
export function blockWhile(address: Addr, value: number, wait: number, object: Addr): number {
  let is = Atomics.load(m, address);
  if (is !== value) return is;
  beginWait(wait, object);
  do {
    sleepWhile(m, address, value);
    is = Atomics.load(m, address);
  } while (is === value);
  endWait();
  return is;
}

/** For loops that wait elsewhere than on a word. @throws SyncAborted once the run is torn down. */
export function checkAborted(): void {
  if (Atomics.load(m, HEADER.abort) !== 0) throw new SyncAborted();
}
