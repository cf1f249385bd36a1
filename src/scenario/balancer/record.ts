// What a run's balancer did, for the report and the verdict. Main thread; no worker runs any more.
import { Connections } from "../../balancer/connections.js";
import { sumCounts } from "../../balancer/counters.js";
import { ToaReceiver } from "../../balancer/receiver/toa-receiver.js";
import type { HttpLoadResult } from "../../load/types.js";
import type { BalancerReport } from "../../report/types.js";
import type { Lab } from "../lab.js";

/** Also takes all connections away, so that what is left is a leak. */
export function balancerReport(lab: Lab, http: HttpLoadResult | null): BalancerReport | null {
  const shared = lab.parts.switch.balancer;
  if (shared === null) return null;
  const connections = new Connections(shared.connections);
  connections.clear();
  const { added, removed, size } = connections;
  const { untold, ...counts } = sumCounts(shared.counters.map((one) => new Float64Array(one)));
  const receivers = shared.receivers.map(({ memory }) => {
    const receiver = new ToaReceiver(memory);
    receiver.clear();
    return { dialect: memory.profile, ...receiver.counts() };
  });
  const { sent = 0, clients = { same: 0, different: 0 } } = http ?? {};
  const isBalanced = lab.scenario.load.http?.isBalanced === true;
  return {
    connections: { added, removed, left: size },
    counts,
    untold,
    clients: isBalanced ? { asked: sent, ...clients } : null,
    receivers,
  };
}

/** What is wrong with it: a verdict and a sentence; null: nothing. */
export function wrongInBalancer(
  balancer: BalancerReport | null,
): { verdict: "ASSERT" | "LEAK"; why: string } | null {
  if (balancer === null) return null;
  const { clients, connections, receivers } = balancer;
  if (clients !== null && (clients.same !== clients.asked || clients.same === 0)) {
    const told = `with its client's address came ${clients.same} of ${clients.asked} requests`;
    return { verdict: "ASSERT", why: `${told}, with another ${clients.different}` };
  }
  if (connections.left !== 0) {
    const why = `left behind: ${connections.left} connections of the balancer`;
    return { verdict: "LEAK", why };
  }
  const leaking = receivers.find((one) => one["ip6_address_alloc"] !== one["ip6_address_free"]);
  if (leaking === undefined) return null;
  return { verdict: "LEAK", why: `left behind: entries of the ${leaking.dialect} receiver` };
}
