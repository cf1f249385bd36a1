// What the words of an endpoint's threads say, to whoever looks from outside: how loops stand, and
// what has become of packets. Any thread; reads only. Exact once no loop runs; while one does, a
// packet is in one number and not yet in the other.
import { GONE } from "../../models/endpoint/endpoint.js";
import type { Mem } from "../../sync/memory.js";
import { GROUP } from "../../sync/program/go.js";
import { THREAD, WAIT } from "../../sync/program/layout.js";
import { type EndpointHandles, LOOP, loopWord } from "./layout.js";

/** What has become of packets, from the first Attach on; exact below 2^32. */
export interface EndpointCounts {
  /** Read from queues: the sum of the next three. */
  readonly taken: number;
  readonly delivered: number;
  readonly dropped: { readonly runt: number; readonly foreign: number; readonly detached: number };
  /** In the hands of loops now. */
  readonly inHand: number;
  /** Read by a loop after it was told to stop. */
  readonly takenAfterStop: number;
  readonly handlerErrors: number;
  readonly written: number;
  readonly refusals: { readonly down: number; readonly gone: number; readonly other: number };
}

export class EndpointView {
  private readonly m: Mem;
  private readonly e: EndpointHandles;
  private readonly loops: readonly number[];
  /** Whose blocks count what was written: the loops, and the main thread. */
  private readonly writers: readonly number[];

  constructor(m: Mem, handles: EndpointHandles, main: number) {
    this.m = m;
    this.e = handles;
    this.loops = handles.fd.map((_cell, loop) => loop);
    this.writers = [...this.loops, main];
  }

  private of(thread: number, word: number): number {
    return Atomics.load(this.m, loopWord(thread, word)) >>> 0;
  }

  private sum(word: number, threads: readonly number[] = this.loops): number {
    return threads.reduce((sum, one) => sum + this.of(one, word), 0);
  }

  get isAttached(): boolean {
    return Atomics.load(this.m, this.e.dispatcher) !== 0;
  }

  /** Whether a loop has found that its queue's device is no more. */
  get isDeviceGone(): boolean {
    return this.e.fd.some((cell) => (Atomics.load(this.m, cell) & GONE) !== 0);
  }

  /** Loops that run: started and not yet ended. */
  running(): number {
    return Atomics.load(this.m, this.e.wg[0]! + GROUP.state) >> 16;
  }

  /** Loops that sleep until their queue has a frame or they are told to stop. */
  idle(): number {
    return this.loops.filter((loop) => this.of(loop, THREAD.wait) === WAIT.device).length;
  }

  /** Loops that sleep between two Attaches, and use no CPU. */
  parked(): number {
    const isParked = (loop: number) =>
      this.of(loop, THREAD.wait) === WAIT.cell && this.of(loop, THREAD.memberOf) === 0;
    return this.loops.filter(isParked).length;
  }

  /** Packets read by each loop. */
  takenByLoop(): number[] {
    return this.loops.map((loop) => this.of(loop, LOOP.taken));
  }

  /** Looks at the queues so far: stands still where all loops sleep. */
  looks(): number {
    return this.sum(LOOP.looks);
  }

  counts(): EndpointCounts {
    const [runt, foreign] = [this.sum(LOOP.runts), this.sum(LOOP.foreign)];
    const dropped = Atomics.load(this.m, this.e.dropped) >>> 0;
    return {
      taken: this.sum(LOOP.taken),
      delivered: Atomics.load(this.m, this.e.stack) >>> 0,
      dropped: { runt, foreign, detached: dropped - runt - foreign },
      inHand: this.sum(LOOP.inHand),
      takenAfterStop: this.sum(LOOP.takenAfterStop),
      handlerErrors: this.sum(LOOP.handlerErrors),
      written: this.sum(LOOP.written, this.writers),
      refusals: {
        down: this.sum(LOOP.down, this.writers),
        gone: this.sum(LOOP.gone, this.writers),
        other: this.sum(LOOP.refused, this.writers),
      },
    };
  }
}
