// A running lab's balancer for the verbs of ovs-appctl: reads the workers' shared memories as they
// are at this moment. Main thread only.
import { CONN, Connections, ticksOf, TICKS_PER_SECOND, TUPLE } from "../../balancer/connections.js";
import { sumCounts } from "../../balancer/counters.js";
import { type LearnedClient, ToaReceiver } from "../../balancer/receiver/toa-receiver.js";
import { stateText } from "../../balancer/tcp-states.js";
import type { VirtualService } from "../../balancer/types.js";
import { nowMs } from "../../base/clock.js";
import type {
  BalancedConnectionView,
  BalancerServiceView,
  BalancerView,
  LearnedClientView,
} from "../../vswitch/balancer.js";
import { macText } from "../../wire/ethernet.js";
import type { BalancerShared } from "../../worker/shared.js";
import { BalancerChanges, type ChangesParts } from "./changes.js";
import { endText } from "./end-text.js";

const UDP = 17;

/** @param parts of the lab, for changes. */
export function balancerView(
  shared: BalancerShared,
  parts: Omit<ChangesParts, "receivers" | "connections">,
): BalancerView {
  const { config, port } = shared;
  const table = new Connections(shared.connections);
  const receivers = shared.receivers.map(({ memory }) => new ToaReceiver(memory));
  const { receivers: readers } = shared;
  const changes = new BalancerChanges({ ...parts, receivers: readers, connections: table });
  const blocks = shared.counters.map((one) => new Float64Array(one));
  return {
    port,
    mac: macText(Uint8Array.from(config.mac), 0),
    connectionsMax: config.connectionsMax,
    services: () => servicesOf(changes.services, table),
    connections: () => connectionsOf(changes.services, table),
    changes,
    clients: () => receivers.flatMap((receiver) => receiver.entries(nowMs()).map(learned)),
    counts: () => {
      const { untold, ...counts } = sumCounts(blocks);
      const seen = receivers.map((receiver, i) => {
        return [`receiver ${shared.receivers[i]!.memory.profile}`, receiver.counts()] as const;
      });
      return { counters: counts, untold, ...Object.fromEntries(seen) };
    },
  };
}

function servicesOf(
  services: readonly VirtualService[],
  table: Connections,
): BalancerServiceView[] {
  const { words } = table;
  const places = table.all();
  return services.flatMap((service, index) => {
    if (service.isGone === true) return [];
    const { name, protocol, mode, scheduler, toa } = service;
    const servers = service.servers.flatMap(({ address, port, weight, isGone = false }, i) => {
      const connections = places.filter(
        (at) => words[at + CONN.service] === index && words[at + CONN.server] === i,
      ).length;
      // One that is gone is shown for as long as it has connections.
      return isGone && connections === 0
        ? []
        : [{ at: endText(address, port), weight: isGone ? 0 : weight, connections }];
    });
    const at = endText(service.address, service.port);
    return [{ name, at, protocol, mode, scheduler, toa, servers }];
  });
}

function connectionsOf(
  services: readonly VirtualService[],
  table: Connections,
): BalancedConnectionView[] {
  const { words } = table;
  const now = ticksOf(nowMs());
  return table.all().map((at) => {
    const client = at + CONN.client;
    const server = at + CONN.serverSide;
    return {
      protocol: words[client + TUPLE.protocol] === UDP ? "udp" : "tcp",
      service: services[words[at + CONN.service]!]!.name,
      client: sideText(words, client, TUPLE.source),
      virtual: sideText(words, client, TUPLE.destination),
      from: sideText(words, server, TUPLE.destination),
      server: sideText(words, server, TUPLE.source),
      state: stateText(words[at + CONN.state]!),
      seconds: Math.max(0, Math.ceil((words[at + CONN.expires]! - now) / TICKS_PER_SECOND)),
    };
  });
}

function learned({ protocol, peer, own, client }: LearnedClient): LearnedClientView {
  return {
    protocol,
    peer: endText([...peer.words], peer.port),
    own: endText([...own.words], own.port),
    client: client === null ? null : endText([...client.words], client.port),
  };
}

/** One side of a tuple in shared memory. */
function sideText(words: Int32Array, tuple: number, side: 0 | 4): string {
  const from = tuple + side;
  const ports = words[tuple + TUPLE.ports]!;
  const port = side === TUPLE.source ? ports >>> 16 : ports & 0xffff;
  return endText([...words.subarray(from, from + 4)], port);
}
