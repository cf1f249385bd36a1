// Wakeup trees and weak initials, the two notions that make the reduction optimal (Abdulla,
// Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction", POPL 2014). Events are pairs
// of integers and nodes of trees are numbers, because there are millions of both. One owner, the
// search.

/** Who takes a step: its thread, and what it chooses, or -1 for all but free choices. */
export function whoOf(thread: number, choice: number): number {
  return thread | ((choice + 1) << 8);
}

export function threadOf(who: number): number {
  return who & 0xff;
}

/** What is chosen; -1 for all but free choices. */
export function choiceOf(who: number): number {
  return (who >> 8) - 1;
}

/** What a step touches. Address 0: nothing. */
export function whatOf(addr: number, isWrite: boolean): number {
  return (addr << 1) | (isWrite ? 1 : 0);
}

export function conflict(x: number, y: number): boolean {
  return x >> 1 === y >> 1 && x >> 1 !== 0 && ((x | y) & 1) === 1;
}

/** Events one after the other. */
export class Sequence {
  who = new Int32Array(64);
  what = new Int32Array(64);
  length = 0;

  push(who: number, what: number): void {
    if (this.length === this.who.length) {
      this.who = doubled(this.who);
      this.what = doubled(this.what);
    }
    this.who[this.length] = who;
    this.what[this.length++] = what;
  }

  /**
   * Where an event stands if it can come first: -1 if it does not occur but commutes with all of
   * the sequence, -2 if it cannot come first.
   */
  weakInitial(who: number, what: number): number {
    const { length } = this;
    for (let i = 0; i < length; i++) {
      const other = this.who[i]!;
      if ((other & 0xff) === (who & 0xff)) return other === who ? i : -2;
      if (conflict(what, this.what[i]!)) return -2;
    }
    return -1;
  }

  remove(at: number): void {
    const { who, what } = this;
    const length = --this.length;
    for (let i = at; i < length; i++) {
      who[i] = who[i + 1]!;
      what[i] = what[i + 1]!;
    }
  }

  moveToFront(at: number): void {
    const who = this.who[at]!;
    const what = this.what[at]!;
    this.who.copyWithin(1, 0, at);
    this.what.copyWithin(1, 0, at);
    this.who[0] = who;
    this.what[0] = what;
  }
}

/** Trees of events whose branches are explored in order. Node 0 is none. */
export class WakeupTrees {
  who = new Int32Array(1024);
  what = new Int32Array(1024);
  /** First child, or 0. */
  first = new Int32Array(1024);
  /** Next child of the same parent, or 0. */
  next = new Int32Array(1024);
  private used = 1;
  /** Nodes that are free again, chained by `next`. */
  private free = 0;

  /** A new node, the last child of `parent` (0: the root of a tree). */
  add(parent: number, who: number, what: number): number {
    let node = this.free;
    if (node !== 0) this.free = this.next[node]!;
    else node = this.fresh();
    this.who[node] = who;
    this.what[node] = what;
    this.first[node] = 0;
    this.next[node] = 0;
    if (parent === 0) return node;
    let last = this.first[parent]!;
    if (last === 0) {
      this.first[parent] = node;
      return node;
    }
    while (this.next[last] !== 0) last = this.next[last]!;
    this.next[last] = node;
    return node;
  }

  /** Takes the first child, whose own children are gone, from its parent. */
  removeFirst(parent: number): void {
    const node = this.first[parent]!;
    this.first[parent] = this.next[node]!;
    this.next[node] = this.free;
    this.free = node;
  }

  /** The child whose thread and choice these are, or 0. */
  child(parent: number, who: number): number {
    let node = this.first[parent]!;
    while (node !== 0 && this.who[node] !== who) node = this.next[node]!;
    return node;
  }

  /**
   * Adds a sequence to a tree unless the tree leads to an execution that begins with it, up to
   * commuting. A leaf stands for everything after it. The sequence is used up.
   */
  insert(root: number, rest: Sequence): void {
    let node = root;
    for (let child = this.first[node]!; child !== 0;) {
      const at = rest.weakInitial(this.who[child]!, this.what[child]!);
      if (at === -2) {
        child = this.next[child]!;
        continue;
      }
      if (this.first[child] === 0) return;
      if (at >= 0) rest.remove(at);
      node = child;
      child = this.first[node]!;
    }
    if (!this.putChoiceFirst(node, rest)) return;
    for (let i = 0; i < rest.length; i++) node = this.add(node, rest.who[i]!, rest.what[i]!);
  }

  /** Free choices are taken as soon as they are there: below such a node, they come first. */
  private putChoiceFirst(node: number, rest: Sequence): boolean {
    let chooser = this.first[node]!;
    while (chooser !== 0 && choiceOf(this.who[chooser]!) < 0) chooser = this.next[chooser]!;
    if (chooser === 0) return true;
    const thread = threadOf(this.who[chooser]!);
    for (let i = 0; i < rest.length; i++) {
      if (threadOf(rest.who[i]!) !== thread) continue;
      rest.moveToFront(i);
      return true;
    }
    // Without the choice, its outcomes are all explored anyway.
    return false;
  }

  private fresh(): number {
    if (this.used === this.who.length) {
      this.who = doubled(this.who);
      this.what = doubled(this.what);
      this.first = doubled(this.first);
      this.next = doubled(this.next);
    }
    return this.used++;
  }
}

/** A copy with room for as much again. */
export function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(2 * array.length);
  wider.set(array);
  return wider;
}
