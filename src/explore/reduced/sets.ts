// What a thread may still touch, for each of its local states: the ground on which the reduced
// search leaves schedules out. Made anew from the edges that have been met whenever a round of the
// search ends; local states that are newer than that may touch everything. One owner, its thread.
import { OP } from "../types.js";

/** Words of a state, by index: bits of a set. */
const BITS = 32;

/** Whether a step of this kind never writes. */
export function isRead(kind: number): boolean {
  return kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
}

/** The local states of a thread and the edges between them, as columns by local state. */
export interface LocalGraph {
  readonly kinds: readonly number[];
  /** Index of the word that the step touches, or 0. */
  readonly words: readonly number[];
  readonly as: readonly number[];
  /** The edge that was met first: its value and where it leads, 0 if there is none. */
  readonly firstValues: readonly number[];
  readonly firstNodes: readonly number[];
  /** The other edges of those that have several: value, where it leads, value, and so on. */
  readonly others: readonly (readonly number[] | undefined)[];
  /** Whether an edge leads to a local state that was met before the one that it comes from. */
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
  private readonly fixed: Fixed | null;

  constructor(fixed: Fixed | null) {
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
        words.push(BITS * i + 31 - Math.clz32(rest & -rest));
      }
    }
    return words;
  }

  /**
   * Makes the sets from the edges that there are. `width`: words of a state. Says whether what was
   * known of some local state has changed.
   */
  close(graph: LocalGraph, width: number): boolean {
    const before = this.bits;
    const { size: sizeBefore, count: countBefore } = this;
    const count = graph.kinds.length;
    const size = (width + BITS - 1) >> 5;
    const bits = new Int32Array(2 * size * count);
    this.bits = bits;
    this.size = size;
    this.count = count;
    for (let node = 0; node < count; node++) this.addOwn(graph, node);
    // Edges mostly lead to higher numbers: then once is enough.
    while (this.addLater(graph) && graph.hasCircles);
    for (let node = 0; node < countBefore; node++) {
      for (let i = 0; i < 2 * size; i++) {
        const part = i < size ? i : i - size;
        const was = sizeBefore * 2 * node + (i < size ? 0 : sizeBefore) + part;
        if (bits[2 * size * node + i] !== (part < sizeBefore ? before[was] : 0)) return true;
      }
    }
    return false;
  }

  private addOwn({ kinds, words }: LocalGraph, node: number): void {
    const kind = kinds[node]!;
    const word = words[node]!;
    if (word === 0 || kind >= OP.done) return;
    const { size } = this;
    this.bits[2 * size * node + (isRead(kind) ? 0 : size) + (word >> 5)]! |= 1 << (word & 31);
  }

  /** Adds to each local state what those after it may touch; false if that changed nothing. */
  private addLater(graph: LocalGraph): boolean {
    const { firstValues, firstNodes, others } = graph;
    let isChanged = false;
    for (let node = this.count - 1; node > 0; node--) {
      const first = firstNodes[node]!;
      if (first !== 0 && this.canGet(graph, node, firstValues[node]!)) {
        if (this.include(node, first)) isChanged = true;
      }
      const more = others[node];
      if (more === undefined) continue;
      for (let i = 0; i < more.length; i += 2) {
        if (!this.canGet(graph, node, more[i]!)) continue;
        if (this.include(node, more[i + 1]!)) isChanged = true;
      }
    }
    return isChanged;
  }

  /** Whether a step can be taken, and get this value, while the fixed word keeps its own. */
  private canGet({ kinds, words, as }: LocalGraph, node: number, value: number): boolean {
    const { fixed } = this;
    if (fixed === null || words[node] !== fixed.word) return true;
    const kind = kinds[node]!;
    if (kind === OP.ld) return value === fixed.value;
    if (kind === OP.waitWhile) return as[node] !== fixed.value && value === fixed.value;
    return kind !== OP.waitUntil || as[node] === fixed.value;
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
