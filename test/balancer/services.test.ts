// Services and servers that come and go while frames do: who gets the next connection, that those
// that are there go on, that all workers change as one, and what is refused.
import { describe, expect, it } from "vitest";
import { newReceiverMemory } from "../../src/balancer/receiver/toa-receiver.js";
import type { VirtualService } from "../../src/balancer/types.js";
import { BalancerChanges } from "../../src/scenario/balancer/changes.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { ACK, fromClient, Lab, SYN } from "./lab.js";
import { readFrame } from "./reader.js";

const TEXT = `name: base
namespaces: [clients, web1, web2]
ports:
  - { name: clients, namespace: clients, addresses: [10.0.1.1/16] }
  - { name: web1, namespace: web1, addresses: [10.1.0.11/24] }
  - { name: web2, namespace: web2, addresses: [10.1.0.12/24, 10.1.0.13/24] }
  - { name: lb, kind: balancer }
balancer:
  port: lb
  local: { addresses: [10.1.0.1] }
  services:
    - name: web
      address: 10.0.0.80
      port: 80
      servers: [{ address: 10.1.0.11, port: 8080 }, { address: 10.1.0.12, port: 8080 }]
`;

function running() {
  const scenario = parseScenario(TEXT, "base.yaml");
  const balancer = scenario.balancer!;
  const lab = new Lab(balancer.config, 2);
  const orders: (readonly VirtualService[])[] = [];
  const changes = new BalancerChanges({
    balancer,
    ports: scenario.ports,
    receivers: [{ ports: [2, 3], memory: newReceiverMemory(64, "dpvs") }],
    connections: lab.connections,
    macOf: () => "02:00:00:00:00:13",
    order: (services) => {
      orders.push(services);
      for (const worker of lab.workers) worker.setServices(structuredClone(services));
      return Promise.resolve();
    },
  });
  let port = 40_000;
  /** Where the next connections go, or why they do not; workers take turns. */
  const next = (count: number, to = "10.0.0.80"): string[] =>
    Array.from({ length: count }, (_, i) => {
      const ends = { from: "10.0.1.7", to };
      const fate = lab.send(fromClient({ flags: SYN, source: port++ }, ends), i % 2);
      return fate.dropped ?? readFrame(fate.bytes).to;
    });
  return { lab, changes, orders, next };
}

const both = ["10.1.0.11", "10.1.0.12"];

describe("services that change while they run", () => {
  it("a server that comes gets its share, with all workers at once", async () => {
    const { changes, next } = running();
    expect(next(2).sort()).toEqual(both);
    await changes.addServer("web", "{ address: 10.1.0.13, port: 8080 }");
    expect(next(3).sort()).toEqual([...both, "10.1.0.13"]);
  });

  it("weight 0 and deletion: no new connections; the one that is there goes on", async () => {
    const { lab, changes, next } = running();
    const opened = [40_000, 40_001].map((source) => [source, next(1)[0]] as const);
    await changes.setWeight("web", "10.1.0.11:8080", "0");
    expect(new Set(next(4))).toEqual(new Set(["10.1.0.12"]));
    await changes.deleteServer("web", "10.1.0.11:8080");
    expect(new Set(next(4))).toEqual(new Set(["10.1.0.12"]));
    for (const [source, server] of opened) {
      const fate = lab.send(fromClient({ flags: ACK, source }));
      expect([fate.dropped, readFrame(fate.bytes).to]).toEqual([null, server]);
    }
    await changes.deleteServer("web", "10.1.0.12:8080");
    expect(next(1)).toEqual(["balancer-no-server"]);
  });

  it("a service that goes is answered for no more, and its name is free again", async () => {
    const { lab, changes, next } = running();
    next(1);
    await changes.deleteService("web");
    expect(next(1)).toEqual(["balancer-no-service"]);
    const old = lab.send(fromClient({ flags: ACK, source: 40_000 }));
    expect([old.dropped, readFrame(old.bytes).to]).toEqual([null, "10.1.0.11"]);
    const again = "{ name: web, address: 10.0.0.80, port: 80, servers: [{ address: 10.1.0.12 }] }";
    await changes.addService(again);
    expect(next(2)).toEqual(["10.1.0.12", "10.1.0.12"]);
    // The old one has a connection, so its place is not taken.
    expect(changes.services.map(({ isGone = false }) => isGone)).toEqual([true, false]);
  });

  it("a place without connections is taken again: the lists do not grow for ever", async () => {
    const { changes, next } = running();
    for (let i = 0; i < 70; i++) {
      await changes.addServer("web", "{ address: 10.1.0.13 }");
      await changes.deleteServer("web", "10.1.0.13:80");
      const text = "{ name: x, address: 10.0.0.81, port: 80, servers: [{ address: 10.1.0.12 }] }";
      await changes.addService(text);
      await changes.deleteService("x");
    }
    expect([changes.services.length, changes.services[0]!.servers.length]).toEqual([2, 3]);
    expect(next(2).sort()).toEqual(both);
  });

  it("each gone place with a connection counts: at most 64 servers", async () => {
    const { changes, next } = running();
    await changes.deleteServer("web", "10.1.0.11:8080");
    await changes.deleteServer("web", "10.1.0.12:8080");
    for (let port = 1; port <= 64; port++) {
      await changes.addServer("web", `{ address: 10.1.0.13, port: ${port} }`);
      expect(next(1)).toEqual(["10.1.0.13"]);
      await changes.deleteServer("web", `10.1.0.13:${port}`);
    }
    await expect(changes.addServer("web", "{ address: 10.1.0.13 }")).rejects.toThrow(
      "64 servers of web, with those that still have connections; at most 64",
    );
  });

  it("the local pool's turn is not a service's: none is lost when services come", async () => {
    const { changes, next } = running();
    const text = "{ name: x, address: 10.0.0.81, port: 80, servers: [{ address: 10.1.0.12 }] }";
    next(3);
    await changes.addService(text);
    expect(next(2, "10.0.0.81")).toEqual(["10.1.0.12", "10.1.0.12"]);
  });
});

describe("what is refused, and then nothing is changed", () => {
  const rows: [string, (changes: BalancerChanges) => Promise<void>, string][] = [
    ["no map", (c) => c.addService("web"), "expected a map: { name, address, port"],
    ["a port", (c) => c.addServer("web", "{ address: 10.1.0.13, port: 70000 }"), "65535"],
    ["a key", (c) => c.addServer("web", "{ address: 10.1.0.13, wait: 1 }"), 'unknown key "wait"'],
    ["an address", (c) => c.addServer("web", "{ address: 10.1.0.99 }"), '"10.1.0.99"'],
    [
      "a service",
      (c) => c.addServer("wep", "{ address: 10.1.0.13 }"),
      'no service "wep": there is',
    ],
    ["twice", (c) => c.addServer("web", "{ address: 10.1.0.11, port: 8080 }"), "already"],
    ["a server", (c) => c.deleteServer("web", "10.1.0.13:1"), "it has 10.1.0.11:8080"],
    ["a weight", (c) => c.setWeight("web", "10.1.0.11:8080", "257"), '"257": expected a whole'],
    ["no number", (c) => c.setWeight("web", "10.1.0.11:8080", "-1"), "from 0 to 256"],
    [
      "a name",
      (c) =>
        c.addService(
          "{ name: web, address: 10.0.0.81, port: 1, servers: [{ address: 10.1.0.13 }] }",
        ),
      'service "web" is taken',
    ],
    [
      "a dialect that nobody reads",
      (c) =>
        c.addService(
          "{ name: x, address: 10.0.0.81, port: 1, toa: kind, servers: [{ address: 10.1.0.13 }] }",
        ),
      'port "web2" reads dpvs',
    ],
  ];
  it.each(rows)("%s", async (_what, change, message) => {
    const { changes, orders, next } = running();
    await expect(change(changes)).rejects.toThrow(message);
    expect(orders).toEqual([]);
    expect(next(2).sort()).toEqual(both);
  });
});
