// When CPUs that transmit need not be explored together. A packet's way is a read section: what it
// writes, others look at only to wait until it has left (synchronize_rcu) or to take packets back
// (flush_all_backlogs), and neither tells its caller anything. So an execution with several packets
// stays one if the steps of all but one packet are taken out, and every failure that several can
// meet, one alone can meet. `independentReader` checks that on the threads at hand, and that what
// observers write themselves is seen by observers only; where it does not hold, the product is
// explored.
import { OP, type Site, type Step } from "../types.js";
import { isRead } from "./sets.js";

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
  const all = threads.map((steps) => touchesOf(steps, sites));
  const { written } = all[reader]!;
  // An observer may count what it sees, but nobody else may go by that.
  const told = new Set(written);
  for (const { toldBy } of all) for (const slot of toldBy) told.add(slot);
  return all.every(({ used }, t) => {
    for (const slot of used) {
      if (told.has(slot) && (t !== reader || !written.has(slot))) return false;
    }
    return true;
  });
}

/** Slots that a thread touches. */
interface Touches {
  /** Written by any of its steps; in observers only; touched by any other step. */
  readonly written: ReadonlySet<number>;
  readonly toldBy: ReadonlySet<number>;
  readonly used: ReadonlySet<number>;
}

function touchesOf(steps: readonly Step[], sites: readonly Site[]): Touches {
  const written = new Set<number>();
  const toldBy = new Set<number>();
  const used = new Set<number>();
  for (const { kind, addr, site } of steps) {
    if (kind >= OP.done) continue;
    const observes = OBSERVERS.has(sites[site]?.within ?? "");
    if (!isRead(kind) && addr !== 0) written.add(addr);
    if (!isRead(kind) && observes) toldBy.add(addr);
    if (!observes) used.add(addr);
  }
  return { written, toldBy, used };
}
