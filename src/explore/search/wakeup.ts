// Wakeup trees and weak initials, the two notions that make the reduction optimal (Abdulla,
// Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction", POPL 2014). Pure.

/** An event as far as order matters. Address 0: it conflicts with nothing. */
export interface Event {
  readonly thread: number;
  readonly addr: number;
  readonly isWrite: boolean;
  /** What it chose; -1 for all but free choices. */
  readonly choice: number;
}

/** A node of a wakeup tree; the root's event means nothing. Children are explored in order. */
export interface Branch {
  readonly event: Event;
  readonly children: Branch[];
}

export function conflict(x: Event, y: Event): boolean {
  return x.addr !== 0 && x.addr === y.addr && (x.isWrite || y.isWrite);
}

/**
 * Where `event` stands in `sequence` if it can come first in it: -1 if it does not occur but
 * commutes with all of it, -2 if it cannot come first.
 */
export function weakInitial(event: Event, sequence: readonly Event[]): number {
  for (const [i, one] of sequence.entries()) {
    if (one.thread === event.thread) return one.choice === event.choice ? i : -2;
    if (conflict(event, one)) return -2;
  }
  return -1;
}

/**
 * Adds a sequence to a tree unless the tree leads to an execution that begins with it, up to
 * commuting. A leaf stands for everything after it.
 */
export function insert(root: Branch, sequence: readonly Event[]): void {
  let rest = [...sequence];
  let node = root;
  // Each round goes one level down.
  for (let isInside = true; isInside;) {
    isInside = false;
    for (const child of node.children) {
      const at = weakInitial(child.event, rest);
      if (at === -2) continue;
      if (child.children.length === 0) return;
      if (at >= 0) rest = rest.filter((_one, i) => i !== at);
      node = child;
      isInside = true;
      break;
    }
  }
  rest = choiceFirst(node, rest);
  for (const event of rest) {
    const child: Branch = { event, children: [] };
    node.children.push(child);
    node = child;
  }
}

/** Free choices are taken as soon as they are there: below such a node, they come first. */
function choiceFirst(node: Branch, rest: Event[]): Event[] {
  const chooser = node.children.find((child) => child.event.choice >= 0);
  if (chooser === undefined) return rest;
  const at = rest.findIndex((one) => one.thread === chooser.event.thread);
  // Without the choice, its outcomes are all explored anyway.
  if (at < 0) return [];
  return [rest[at]!, ...rest.filter((_one, i) => i !== at)];
}
