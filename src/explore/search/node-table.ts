// The nodes and edges of all automata of a program as flat integer arrays, so that a step of a
// search is a few array reads. Written by the automata only, which grow it; engines read it. An
// engine that keeps `words` and `edges` in locals takes them anew after each call that may grow.
import { OP, type Step } from "../types.js";
import { KERNEL_FIRST } from "./kernel-steps.js";
import { HOW, NODE, NODE_SHIFT, whatOf, WRITES } from "./node.js";

/** Values below this have places of their own; others go through a hash. */
const DENSE_VALUES = 64;

/** Words of an entry of the hash: node, value, next node (0 marks an empty one). */
const ENTRY = 4;

export class NodeTable {
  /** Step of each node. Node 0 is nobody's, so that 0 can mean "not there". */
  readonly steps: Step[] = [];
  words = new Int32Array(1 << 10);
  edges = new Int32Array(1 << 10);
  /** How often a thread's code has run on: what growing costs, for bounds on time. */
  effort = 0;
  /** Whether each way to a node that was followed has the same length. */
  isGraded = true;
  /** The thread whose code runs on right now, or -1; the final check has the number after them. */
  running = -1;
  private edgesUsed = 1;
  private hash = new Int32Array(1 << 8);
  private hashed = 0;

  constructor() {
    this.add({ kind: OP.done, addr: 0, a: 0, b: 0, site: -1, message: "" }, 0);
  }

  /** Adds a node without edges; returns its number. */
  add(step: Step, thread: number): number {
    const node = this.steps.length;
    this.steps.push(step);
    const at = node << NODE_SHIFT;
    if (at + (1 << NODE_SHIFT) > this.words.length) this.words = doubled(this.words);
    const { kind, addr, a, b } = step;
    const { and, xor, plus, value } = effect(step, thread);
    const writes = writesOf(kind);
    const what = whatOf(addr, writes === WRITES.always);
    this.words.set(
      [howOf(kind), addr, and, xor, plus, value, 0, 0, kind, a, b, writes, 0, what],
      at,
    );
    return node;
  }

  /** The node that a 32-bit value leads to, or 0 if nobody has followed that edge. */
  next(node: number, value: number): number {
    const at = node << NODE_SHIFT;
    const { words } = this;
    if (value >>> 0 < words[at + NODE.edgeCount]!) {
      return this.edges[words[at + NODE.edges]! + value]!;
    }
    return value >>> 0 < DENSE_VALUES ? 0 : this.hash[this.place(node, value) + 2]!;
  }

  setNext(node: number, value: number, next: number): void {
    if (value >>> 0 < DENSE_VALUES) {
      const at = node << NODE_SHIFT;
      if (value >= this.words[at + NODE.edgeCount]!) this.widen(at, value);
      this.edges[this.words[at + NODE.edges]! + value] = next;
      return;
    }
    if (2 * ENTRY * ++this.hashed > this.hash.length) this.rehash();
    const at = this.place(node, value);
    this.hash[at] = node;
    this.hash[at + 1] = value;
    this.hash[at + 2] = next;
  }

  /** All edges that have been followed, node by node, as node, value and next node. */
  followed(): [node: number, value: number, next: number][] {
    const all: [number, number, number][] = [];
    for (let node = 1; node < this.steps.length; node++) {
      const at = node << NODE_SHIFT;
      for (let value = 0; value < this.words[at + NODE.edgeCount]!; value++) {
        const next = this.edges[this.words[at + NODE.edges]! + value]!;
        if (next !== 0) all.push([node, value, next]);
      }
    }
    for (let at = 0; at < this.hash.length; at += ENTRY) {
      if (this.hash[at + 2] !== 0) {
        all.push([this.hash[at]!, this.hash[at + 1]!, this.hash[at + 2]!]);
      }
    }
    return all;
  }

  /** Moves the edges of the node whose words begin at `at` to where `value` has a place too. */
  private widen(at: number, value: number): void {
    const { words } = this;
    let count = Math.max(1, words[at + NODE.edgeCount]!);
    while (count <= value) count *= 2;
    while (this.edgesUsed + count > this.edges.length) this.edges = doubled(this.edges);
    const from = words[at + NODE.edges]!;
    this.edges.copyWithin(this.edgesUsed, from, from + words[at + NODE.edgeCount]!);
    words[at + NODE.edges] = this.edgesUsed;
    words[at + NODE.edgeCount] = count;
    this.edgesUsed += count;
  }

  /** Where in the hash an edge is, or the empty place where it would be. */
  private place(node: number, value: number): number {
    const { hash } = this;
    const mask = hash.length - 1;
    let h = Math.imul(node, 0x9e3779b1) ^ Math.imul(value, 0x85ebca6b);
    h ^= h >>> 15;
    for (let at = (h << 2) & mask; ; at = (at + ENTRY) & mask) {
      if (hash[at + 2] === 0 || (hash[at] === node && hash[at + 1] === value)) return at;
    }
  }

  private rehash(): void {
    const before = this.hash;
    this.hash = new Int32Array(4 * before.length);
    for (let from = 0; from < before.length; from += ENTRY) {
      if (before[from + 2] === 0) continue;
      this.hash.set(
        before.subarray(from, from + ENTRY),
        this.place(before[from]!, before[from + 1]!),
      );
    }
  }
}

function howOf(kind: number): number {
  if (kind >= OP.done) return HOW.end;
  // Not atomic, but in an order of steps that is all the same.
  if (kind === OP.read || kind === OP.write) return HOW.plain;
  if (kind >= KERNEL_FIRST) return HOW.kernel;
  if (kind === OP.lock || kind === OP.waitWhile || kind === OP.waitUntil) return HOW.guarded;
  const isSpecial =
    kind === OP.cas || kind === OP.tryLock || kind === OP.unlock || kind === OP.choose;
  return isSpecial ? HOW.special : HOW.plain;
}

function writesOf(kind: number): number {
  if (kind === OP.cas) return WRITES.onSuccess;
  if (kind === OP.read) return WRITES.never;
  const isRead = kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
  return isRead ? WRITES.never : WRITES.always;
}

/**
 * The words by which a plain or guarded step is taken. A lock holds 0 or its holder's thread +
 * 1.
 */
function effect({ kind, a }: Step, thread: number) {
  switch (kind) {
    case OP.st:
    case OP.write:
      return { and: 0, xor: a, plus: 0, value: 0 };
    case OP.add:
      return { and: -1, xor: 0, plus: a, value: -1 };
    case OP.xchg:
      return { and: 0, xor: a, plus: 0, value: -1 };
    case OP.setBits:
      return { and: ~a, xor: a, plus: 0, value: -1 };
    case OP.clearBits:
      return { and: ~a, xor: 0, plus: 0, value: -1 };
    case OP.lock:
    case OP.tryLock:
    case OP.unlock:
      return { and: 0, xor: thread + 1, plus: 0, value: 0 };
    default:
      return { and: -1, xor: 0, plus: 0, value: -1 };
  }
}

/** Takes the enabled step whose words begin at `at`, but for kernel steps; returns what it gets. */
export function act(words: Int32Array, at: number, s: Int32Array, choice: number): number {
  if (words[at + NODE.how]! >= HOW.special) return special(words, at, s, choice);
  const addr = words[at + NODE.addr]!;
  const old = s[addr]!;
  s[addr] = ((old & words[at + NODE.and]!) ^ words[at + NODE.xor]!) + words[at + NODE.plus]!;
  return old & words[at + NODE.value]!;
}

function special(words: Int32Array, at: number, s: Int32Array, choice: number): number {
  const kind = words[at + NODE.kind]!;
  const addr = words[at + NODE.addr]!;
  const old = s[addr]!;
  if (kind === OP.cas) {
    if (old === words[at + NODE.a]!) s[addr] = words[at + NODE.b]!;
    return old;
  }
  if (kind === OP.choose) return choice;
  const mine = words[at + NODE.xor]!;
  if (kind === OP.unlock) {
    if (old !== mine) return NOT_HELD;
    s[addr] = 0;
    return 0;
  }
  if (old !== 0) return 0;
  s[addr] = mine;
  return 1;
}

/** What an unlock gets when the thread does not hold the lock; else it gets 0. */
export const NOT_HELD = 1;

/** Whether a guarded step can be taken. */
export function isOpen(words: Int32Array, at: number, s: Int32Array): boolean {
  return isOpenAt(words, at, s[words[at + NODE.addr]!]!);
}

/** The same if its cell held `value`. */
export function isOpenAt(words: Int32Array, at: number, value: number): boolean {
  const kind = words[at + NODE.kind]!;
  if (kind === OP.lock) return value === 0;
  return (value === words[at + NODE.a]!) === (kind === OP.waitUntil);
}

/** A copy with room for as much again. */
export function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(2 * array.length);
  wider.set(array);
  return wider;
}
