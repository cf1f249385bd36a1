// The memories that the workers share for a scenario's balancer. Main thread.
import { newReceiverMemory } from "../../balancer/receiver/toa-receiver.js";
import { profileOf } from "../../balancer/types.js";
import { Connections } from "../../balancer/connections.js";
import { BALANCER_DOUBLES } from "../../balancer/counters.js";
import { TURN_WORDS } from "../../balancer/new-connections.js";
import type { BalancerShared } from "../../worker/shared.js";
import type { ReceiverPorts } from "../../worker/balancer/server-side.js";
import type { Scenario } from "../types.js";
import type { ScenarioBalancer } from "./resolve.js";

/** null: the scenario has no balancer. */
export function shareBalancer({ balancer, workers }: Scenario): BalancerShared | null {
  if (balancer === null) return null;
  const { port, config } = balancer;
  const counterBytes = BALANCER_DOUBLES * Float64Array.BYTES_PER_ELEMENT;
  return {
    port,
    config,
    connections: Connections.create(config.connectionsMax).buffer,
    turns: new SharedArrayBuffer(TURN_WORDS * Int32Array.BYTES_PER_ELEMENT),
    receivers: receiversOf(balancer),
    counters: Array.from({ length: workers }, () => new SharedArrayBuffer(counterBytes)),
  };
}

/** The ports of servers that are told their clients' addresses, by dialect. */
function receiversOf({ config, serverPorts }: ScenarioBalancer): ReceiverPorts[] {
  return (["dpvs", "kind"] as const).flatMap((profile) => {
    const own = serverPorts.filter((_, i) => profileOf(config.services[i]!) === profile);
    const ports = [...new Set(own.flat())];
    const memory = (): ReceiverPorts["memory"] => newReceiverMemory(config.connectionsMax, profile);
    return ports.length === 0 ? [] : [{ ports, memory: memory() }];
  });
}
