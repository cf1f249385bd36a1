// What a thread may still touch, for each of its local states: the ground on which the reduced
// search leaves schedules out. Made anew from the edges that have been met whenever a round of the
// search ends; local states that are newer than that may touch everything. One owner, its thread.
import { firstOf } from "../search/bits.js";
import { OP } from "../types.js";
import { LOCAL, type LocalStates } from "./local-states.js";

/** Words of a state, by index: bits of a set. */
const BITS = 32;

/** Whether a step of this kind never writes. */
export function isRead(kind: number): boolean {
  return kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
}

/** The local states of a thread, by their order from 1 on. */
export interface LocalGraph {
  readonly locals: LocalStates;
  readonly records: readonly number[];
  readonly hasCircles: boolean;
}

/** A word that keeps its value while the one thread that writes it stands still. */
export interface Fixed {
  readonly word: number;
  readonly value: number;
}

export class Sets {
  /** Per local state: `size` words of what may be read, `size` of what may be written. */
  private bits = new Int32Array(0);
  private size = 0;
  /** Local states that this knows of. */
  private count = 0;
  private readonly graph: LocalGraph;
  private readonly fixed: Fixed | null;

  constructor(graph: LocalGraph, fixed: Fixed | null) {
    this.graph = graph;
    this.fixed = fixed;
  }

  /**
   * Whether a thread, now in `node`, may still take a step that does not commute with this one.
   * `unknown`: what to say of a local state that these sets do not know of.
   */
  mayConflict(node: number, word: number, isWrite: boolean, unknown: boolean): boolean {
    if (node >= this.count) return unknown;
    const { bits, size } = this;
    const part = word >> 5;
    if (part >= size) return false;
    const at = 2 * size * node + part;
    const bit = 1 << (word & (BITS - 1));
    return (bits[at + size]! & bit) !== 0 || (isWrite && (bits[at]! & bit) !== 0);
  }

  /** Whether a thread, now in `node`, may still write a word. */
  mayWrite(node: number, word: number, unknown: boolean): boolean {
    return this.mayConflict(node, word, false, unknown);
  }

  /** Words that may be read from `node` on, or written. */
  touched(node: number, isWrite: boolean): number[] {
    const { bits, size } = this;
    const from = 2 * size * node + (isWrite ? size : 0);
    const words: number[] = [];
    for (let i = 0; i < size; i++) {
      for (let rest = bits[from + i]!; rest !== 0; rest &= rest - 1) {
        words.push(BITS * i + firstOf(rest));
      }
    }
    return words;
  }

  /**
   * Makes the sets from the edges that there are. `width`: words of a state. Says whether what was
   * known of some local state has changed.
   */
  close(width: number): boolean {
    const { graph, bits: before, size: sizeBefore, count: countBefore } = this;
    const count = graph.records.length;
    const size = (width + BITS - 1) >> 5;
    const bits = new Int32Array(2 * size * count);
    this.bits = bits;
    this.size = size;
    this.count = count;
    // Edges mostly lead to higher numbers: then once is enough.
    while (this.addLater() && graph.hasCircles);
    for (let node = 0; node < countBefore; node++) {
      for (let i = 0; i < 2 * size; i++) {
        const part = i < size ? i : i - size;
        const was = sizeBefore * 2 * node + (i < size ? 0 : sizeBefore) + part;
        if (bits[2 * size * node + i] !== (part < sizeBefore ? before[was] : 0)) return true;
      }
    }
    return false;
  }

  /** Adds to each local state what it touches and those after it; false if that changed nothing. */
  private addLater(): boolean {
    const { records, locals } = this.graph;
    const { columns, edges } = locals;
    let isChanged = false;
    for (let node = this.count - 1; node > 0; node--) {
      const at = records[node]!;
      if (this.addOwn(columns, at, node)) isChanged = true;
      const first = columns[at + LOCAL.to]!;
      if (first === 0) continue;
      if (this.canGet(columns, at, columns[at + LOCAL.value]!)) {
        if (this.include(node, columns[first + LOCAL.order]!)) isChanged = true;
      }
      for (let edge = columns[at + LOCAL.more]!; edge !== 0; edge = edges[edge + 2]!) {
        if (!this.canGet(columns, at, edges[edge]!)) continue;
        if (this.include(node, columns[edges[edge + 1]! + LOCAL.order]!)) isChanged = true;
      }
    }
    return isChanged;
  }

  private addOwn(columns: Int32Array, at: number, node: number): boolean {
    const word = columns[at + LOCAL.word]!;
    if (word === 0) return false;
    const { size, bits } = this;
    const part = 2 * size * node + (isRead(columns[at + LOCAL.kind]!) ? 0 : size) + (word >> 5);
    const before = bits[part]!;
    bits[part]! |= 1 << (word & 31);
    return bits[part] !== before;
  }

  /** Whether a step can be taken, and get this value, while the fixed word keeps its own. */
  private canGet(columns: Int32Array, at: number, value: number): boolean {
    const { fixed } = this;
    if (fixed === null || columns[at + LOCAL.word] !== fixed.word) return true;
    const kind = columns[at + LOCAL.kind]!;
    const a = columns[at + LOCAL.a]!;
    if (kind === OP.ld) return value === fixed.value;
    if (kind === OP.waitWhile) return a !== fixed.value && value === fixed.value;
    return kind !== OP.waitUntil || a === fixed.value;
  }

  private include(node: number, other: number): boolean {
    const { bits, size } = this;
    const to = 2 * size * node;
    const from = 2 * size * other;
    let isChanged = false;
    for (let i = 0; i < 2 * size; i++) {
      const before = bits[to + i]!;
      const after = before | bits[from + i]!;
      if (after === before) continue;
      bits[to + i] = after;
      isChanged = true;
    }
    return isChanged;
  }
}
