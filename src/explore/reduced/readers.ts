// When CPUs that transmit need not be explored together. A packet's way is a read section: what it
// writes, others look at only to wait until it has left (synchronize_rcu) or to take packets back
// (flush_all_backlogs), and neither tells its caller anything. So an execution with several packets
// stays one if the steps of all but one packet are taken out, and every failure that several can
// meet, one alone can meet. `independentReader` checks that on the threads at hand, and that what
// observers write themselves is seen by observers only; where it does not hold, the product is
// explored.
import { OP, type Site, type Step } from "../types.js";
import { isRead } from "./thread.js";

/** Functions that return nothing, and whose effect on others is only that they wait. */
const OBSERVERS: ReadonlySet<string> = new Set([
  "synchronizeRcu",
  "flushAllBacklogs",
  "flushBacklog",
  "spinLock",
  "spinUnlock",
]);

/**
 * Whether thread `reader` is looked at by others in observers only. `threads`: the steps of all
 * local states of each.
 */
export function independentReader(
  threads: readonly (readonly Step[])[],
  sites: readonly Site[],
  reader: number,
): boolean {
  const written = new Set<number>();
  for (const { kind, addr } of threads[reader]!) {
    if (addr !== 0 && isWrite(kind)) written.add(addr);
  }
  // An observer may count what it sees, but nobody else may go by that.
  const told = new Set(written);
  const observes = ({ site }: Step) => OBSERVERS.has(sites[site]?.within ?? "");
  for (const one of threads.flat()) {
    if (observes(one) && isWrite(one.kind)) told.add(one.addr);
  }
  return threads.every((steps, t) => {
    const secret = t === reader ? difference(told, written) : told;
    return steps.every((one) => one.kind >= OP.done || !secret.has(one.addr) || observes(one));
  });
}

function isWrite(kind: number): boolean {
  return kind < OP.done && !isRead(kind);
}

function difference(all: ReadonlySet<number>, without: ReadonlySet<number>): Set<number> {
  return new Set([...all].filter((one) => !without.has(one)));
}
