// What each thread may still touch, from every local state that has been met: the ground on which
// the reduced search leaves schedules out. Sets of slots, as bits; pure.
import { OP, type Step } from "../types.js";

/** 32-bit words of a set of slots. */
const WORDS = 8;
export const SLOTS_MAX = 32 * WORDS;

/** Whether a step of this kind never writes. */
export function isRead(kind: number): boolean {
  return kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
}

/** The local states of all threads and the edges between them that have been taken. */
export class Futures {
  /** Edges met so far; a search whose sets are older than this is not sound yet. */
  edges = 0;
  private readonly steps: readonly Step[];
  private readonly successors: number[][] = [];
  /** Per local state: WORDS of what may be read, WORDS of what may be written. */
  private sets = new Int32Array(0);
  private known = 0;

  constructor(steps: readonly Step[]) {
    this.steps = steps;
  }

  /** Notes that a step led from one local state to another. */
  note(from: number, to: number): void {
    const known = this.successors[from];
    if (known === undefined) this.successors[from] = [to];
    else if (known[0] === to || known.includes(to)) return;
    else known.push(to);
    this.edges++;
  }

  /** Makes the sets anew from all edges. */
  settle(): void {
    const count = this.steps.length;
    this.known = count;
    this.sets = new Int32Array(2 * WORDS * count);
    for (let node = 0; node < count; node++) this.addOwn(node);
    // Edges mostly lead to higher numbers: two or three rounds do.
    for (let isChanged = true; isChanged;) {
      isChanged = false;
      for (let node = count - 1; node >= 0; node--) {
        for (const to of this.successors[node] ?? []) {
          if (this.include(node, to)) isChanged = true;
        }
      }
    }
  }

  private addOwn(node: number): void {
    const { kind, addr } = this.steps[node]!;
    if (addr === 0 || kind >= OP.done) return;
    const at = 2 * WORDS * node + (isRead(kind) ? 0 : WORDS) + (addr >> 5);
    this.sets[at]! |= 1 << (addr & 31);
  }

  private include(node: number, other: number): boolean {
    const { sets } = this;
    const to = 2 * WORDS * node;
    const from = 2 * WORDS * other;
    let isChanged = false;
    for (let i = 0; i < 2 * WORDS; i++) {
      const before = sets[to + i]!;
      const after = before | sets[from + i]!;
      if (after === before) continue;
      sets[to + i] = after;
      isChanged = true;
    }
    return isChanged;
  }

  /** Whether the thread, now in `node`, may still take a step that does not commute with `step`. */
  mayConflict(node: number, step: Step): boolean {
    const { addr, kind } = step;
    if (addr === 0) return false;
    if (node >= this.known) return true;
    const bit = 1 << (addr & 31);
    const at = 2 * WORDS * node + (addr >> 5);
    if ((this.sets[at + WORDS]! & bit) !== 0) return true;
    return !isRead(kind) && (this.sets[at]! & bit) !== 0;
  }

  /** Whether a thread, now in `node`, may still write a slot. */
  mayWrite(node: number, slot: number): boolean {
    if (node >= this.known) return true;
    const at = 2 * WORDS * node + WORDS + (slot >> 5);
    return (this.sets[at]! & (1 << (slot & 31))) !== 0;
  }
}
