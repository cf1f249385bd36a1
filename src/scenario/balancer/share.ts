// The memories that the workers share for a scenario's balancer. Main thread.
import { Connections } from "../../balancer/connections.js";
import { BALANCER_DOUBLES } from "../../balancer/counters.js";
import { turnWords } from "../../balancer/new-connections.js";
import type { BalancerShared } from "../../worker/shared.js";
import type { Scenario } from "../types.js";

/** null: the scenario has no balancer. */
export function shareBalancer({ balancer, workers }: Scenario): BalancerShared | null {
  if (balancer === null) return null;
  const { port, config } = balancer;
  const counterBytes = BALANCER_DOUBLES * Float64Array.BYTES_PER_ELEMENT;
  return {
    port,
    config,
    connections: Connections.create(config.connectionsMax).buffer,
    turns: new SharedArrayBuffer(turnWords(config) * Int32Array.BYTES_PER_ELEMENT),
    counters: Array.from({ length: workers }, () => new SharedArrayBuffer(counterBytes)),
  };
}
