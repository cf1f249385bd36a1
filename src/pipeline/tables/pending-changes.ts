// What a packet changes in the flow tables on its way, by bridge: applied when its translation is
// over, which works on the tables as they were when it began. Only limits of learned flows look at
// it before. Slow path of each worker.
import type { FlowChange } from "../flow-tables.js";
import type { Pipeline } from "../translate.js";

export class PendingChanges {
  private readonly byBridge = new Map<Pipeline, FlowChange[]>();

  /** Those of a bridge; who changes its tables adds to the list. */
  of(bridge: Pipeline): FlowChange[] {
    let changes = this.byBridge.get(bridge);
    if (changes === undefined) this.byBridge.set(bridge, (changes = []));
    return changes;
  }

  clear(): void {
    this.byBridge.clear();
  }

  /** Gives the sink of each bridge what concerns it. */
  apply(): void {
    for (const [bridge, changes] of this.byBridge) {
      if (changes.length > 0) bridge.sink?.(changes);
    }
  }
}
