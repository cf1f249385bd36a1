// When CPUs that transmit need not be explored together. A packet's way is a read section: what it
// writes, others look at only to wait until it has left (synchronize_rcu) or to take packets back
// (flush_all_backlogs), and neither tells its caller anything. So an execution with several packets
// stays one if the steps of all but one packet are taken out, and every failure that several can
// meet, one alone can meet. `independentReaders` checks that on the threads at hand; where it does
// not hold, the product is explored.
import type { Site } from "../types.js";
import { OP } from "../types.js";
import type { SystemMachine } from "./machine.js";
import { isRead } from "./thread.js";

/** Functions that return nothing, and whose effect on others is only that they wait. */
const OBSERVERS: ReadonlySet<string> = new Set([
  "synchronizeRcu",
  "flushAllBacklogs",
  "flushBacklog",
  "spinLock",
  "spinUnlock",
]);

/** Whether thread `reader` is looked at by others in observers only. */
export function independentReader(
  machine: SystemMachine,
  sites: readonly Site[],
  reader: number,
): boolean {
  const written = new Set<number>();
  machine.threads[reader]!.kinds.forEach((kind, node) => {
    const slot = machine.threads[reader]!.slots[node]!;
    if (slot !== 0 && kind < OP.done && !isRead(kind)) written.add(slot);
  });
  return machine.threads.every((thread, t) => {
    if (t === reader) return true;
    return thread.kinds.every((kind, node) => {
      if (kind >= OP.done || !written.has(thread.slots[node]!)) return true;
      const site = sites[thread.step(node).site];
      return site !== undefined && OBSERVERS.has(site.within);
    });
  });
}
