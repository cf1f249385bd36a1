// Wakeup trees and weak initials, the two notions that make the reduction optimal (Abdulla,
// Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction", POPL 2014). Events are pairs
// of integers and nodes of trees are numbers, because there are millions of both. One owner, the
// search.
import { conflict } from "../node.js";
import { doubled } from "../node-table.js";

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

/** A node of a tree: a branch that is to be explored. */
export class Branch {
  who = 0;
  what = 0;
  /** The first of its own branches. */
  first: Branch | null = null;
  /** The next branch of the same point; of branches that are free, the next one that is. */
  next: Branch | null = null;
}

/** Trees of events whose branches are explored in order. */
export class WakeupTrees {
  private free: Branch | null = null;
  /** Whether there has been a free choice: most programs have none. */
  private haveChoices = false;

  /** A new branch, the last of a point. */
  add(parent: Branch, who: number, what: number): Branch {
    const branch = this.free ?? new Branch();
    this.free = branch.next;
    if (choiceOf(who) >= 0) this.haveChoices = true;
    branch.who = who;
    branch.what = what;
    branch.first = null;
    branch.next = null;
    let last = parent.first;
    if (last === null) parent.first = branch;
    else {
      while (last.next !== null) last = last.next;
      last.next = branch;
    }
    return branch;
  }

  /** Takes the first branch of a point away; its own become those of `below`. Returns who. */
  takeFirst(parent: Branch, below: Branch): number {
    const branch = parent.first!;
    parent.first = branch.next;
    below.first = branch.first;
    branch.next = this.free;
    this.free = branch;
    return branch.who;
  }

  /**
   * Adds a sequence to a tree unless the tree leads to an execution that begins with it, up to
   * commuting. A leaf stands for everything after it. The sequence is used up.
   */
  insert(root: Branch, rest: Sequence): void {
    let branch = root;
    for (let child = root.first; child !== null;) {
      const at = rest.weakInitial(child.who, child.what);
      if (at === -2) {
        child = child.next;
        continue;
      }
      if (child.first === null) return;
      if (at >= 0) rest.remove(at);
      branch = child;
      child = child.first;
    }
    if (this.haveChoices && !putChoiceFirst(branch, rest)) return;
    for (let i = 0; i < rest.length; i++) branch = this.add(branch, rest.who[i]!, rest.what[i]!);
  }
}

/** A branch of a point that `isIt` says yes to, or null. */
export function branchOf(parent: Branch, isIt: (who: number) => boolean): Branch | null {
  let branch = parent.first;
  while (branch !== null && !isIt(branch.who)) branch = branch.next;
  return branch;
}

/** Free choices are taken as soon as they are there: below such a node, they come first. */
function putChoiceFirst(parent: Branch, rest: Sequence): boolean {
  if (parent.first === null) return true;
  const chooser = branchOf(parent, (who) => choiceOf(who) >= 0);
  if (chooser === null) return true;
  const thread = threadOf(chooser.who);
  for (let i = 0; i < rest.length; i++) {
    if (threadOf(rest.who[i]!) !== thread) continue;
    rest.moveToFront(i);
    return true;
  }
  // Without the choice, its outcomes are all explored anyway.
  return false;
}
