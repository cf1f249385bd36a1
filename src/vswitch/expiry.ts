// What time makes due in a switch: flows whose time-outs have passed, MAC addresses that nobody has
// heard of for too long. Main thread, now and then and before every verb.
import type { Clock } from "../base/clock.js";
import type { FlowChange } from "../pipeline/flow-tables.js";
import type { BridgeControl } from "./control.js";

/** Deletes what has expired, everywhere and at once. */
export async function expire(bridge: BridgeControl, clock: Clock): Promise<void> {
  bridge.macs.expire(Math.floor(clock.nowMs() / 1000));
  const expired = bridge.tables.expired((entry) => bridge.flowStats(entry));
  if (expired.length === 0) return;
  const changes = expired.map(({ match, priority, flow, modifiedMs }): FlowChange => {
    const { table, hardTimeout } = flow;
    const isHard = hardTimeout > 0 && clock.nowMs() - modifiedMs >= hardTimeout * 1000;
    const selector = { table, match, priority, strict: true };
    return { type: "delete", selector, reason: isHard ? "hard" : "idle" };
  });
  await bridge.apply(changes);
}
