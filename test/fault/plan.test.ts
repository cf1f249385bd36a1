// What each kind of fault does, how it is undone, and what must be plugged in again before it can
// strike a second time. Every kind that a scenario may name is met here.
import { describe, expect, it } from "vitest";
import { type FaultPlan, type FaultSpec, planFault, type Topology } from "../../src/fault/plan.js";
import type { KindName } from "../../src/path/core/netdevice.js";
import { FAULT_KINDS, type FaultKind } from "../../src/scenario/types.js";
import type { PortSpec } from "../../src/worker/control/control-commands.js";

function port(name: string, number: number, netns: number, kind: KindName = "veth"): PortSpec {
  const rest = { queues: 8, mtu: 1500, txQueueLen: 1000, device: null, lower: null };
  return { name, number, netns, kind, ...rest };
}

const ref = (name: string, handle: number) => ({ name, handle, path: null });
const PORTS = [
  port("client", 1, 1),
  port("server", 2, 2),
  port("server-b", 3, 2),
  port("home", 4, 2, "internal"),
];
const TOPOLOGY: Topology = {
  ports: PORTS,
  namespaces: new Map([
    ["client", { number: 1, ref: ref("client", 11) }],
    ["server", { number: 2, ref: ref("server", 12) }],
  ]),
};

const NOTHING: FaultSpec = {
  kind: "",
  target: "server",
  queueCount: null,
  queueIndexes: null,
  txQueueLen: null,
  toNamespace: null,
  worker: null,
  stallMs: null,
  periodMs: null,
  count: null,
};

function planOf(kind: FaultKind, more: Partial<FaultSpec> = {}): FaultPlan {
  return planFault({ ...NOTHING, kind, ...more }, TOPOLOGY);
}

/** Steps as short texts: "set-link server up=false", "wait 25". */
function short(steps: FaultPlan["strike"]): string[] {
  return steps.map((step) => {
    if (step.do === "wait") return `wait ${step.ms}`;
    if (step.do === "stall") return `stall ${step.worker} ${step.ms}`;
    if (step.do === "outsider-delete") return `outsider-delete ${step.port}`;
    if (step.do === "outsider-netns-delete") return `outsider-netns-delete ${step.namespace}`;
    const { op, ...rest } = step.action;
    return [op, JSON.stringify(rest)].join(" ");
  });
}

describe("deletions", () => {
  it("link-delete: one device, plugged in again before the next strike", () => {
    const plan = planOf("link-delete");
    expect(short(plan.strike)).toEqual(['delete-links {"ports":["server"]}']);
    expect(plan.replug).toEqual([PORTS[1]]);
    expect(plan.affects).toEqual([2]);
    expect(plan.unregisters).toBe(true);
  });

  it("netns-delete: the namespace in one batch; internal ports come home, not replugged", () => {
    const plan = planOf("netns-delete");
    const server = { netns: 2, ref: ref("server", 12) };
    expect(short(plan.strike)).toEqual([`delete-netns ${JSON.stringify(server)}`]);
    expect(plan.replug).toEqual([PORTS[1], PORTS[2]]);
    expect(plan.affects).toEqual([2, 3]);
  });

  it("an outsider's deletions are no commands of the control thread", () => {
    expect(short(planOf("outsider-link-delete").strike)).toEqual(["outsider-delete server"]);
    const netns = planOf("outsider-netns-delete");
    expect(short(netns.strike)).toEqual(["outsider-netns-delete server"]);
    expect(netns.replug).toEqual([PORTS[1], PORTS[2]]);
  });

  it("re-plug: deleted and made again in one strike, so nothing is left to replug", () => {
    const plan = planOf("re-plug");
    expect(short(plan.strike).map((text) => text.split(" ")[0])).toEqual(["delete-links", "plug"]);
    expect(plan.replug).toEqual([]);
  });

  it("netns-move: the device leaves for the other namespace", () => {
    const plan = planOf("netns-move", { toNamespace: "client" });
    const to = { port: "server", netns: 1, ref: ref("client", 11) };
    expect(short(plan.strike)).toEqual([`move-netns ${JSON.stringify(to)}`]);
  });
});

describe("faults that can be undone", () => {
  const pairs: [FaultKind, Partial<FaultSpec>, string, string][] = [
    [
      "link-down",
      {},
      'set-link {"port":"server","up":false}',
      'set-link {"port":"server","up":true}',
    ],
    [
      "link-up",
      {},
      'set-link {"port":"server","up":true}',
      'set-link {"port":"server","up":false}',
    ],
    [
      "carrier-off",
      {},
      'set-carrier {"port":"server","on":false}',
      'set-carrier {"port":"server","on":true}',
    ],
    [
      "carrier-on",
      {},
      'set-carrier {"port":"server","on":true}',
      'set-carrier {"port":"server","on":false}',
    ],
    ["del-port", {}, 'del-port {"port":"server"}', 'add-port {"port":"server"}'],
    [
      "queue-shrink",
      { queueCount: 2 },
      'set-queues {"port":"server","count":2}',
      'set-queues {"port":"server","count":8}',
    ],
    [
      "queue-grow",
      { queueCount: 6 },
      'set-queues {"port":"server","count":6}',
      'set-queues {"port":"server","count":8}',
    ],
    [
      "txqueuelen",
      { txQueueLen: 4 },
      'set-txqueuelen {"port":"server","frames":4}',
      'set-txqueuelen {"port":"server","frames":1000}',
    ],
  ];
  it.each(pairs)("%s: does it, and puts back what was", (kind, more, strike, undo) => {
    const plan = planOf(kind, more);
    expect(short(plan.strike)).toEqual([strike]);
    expect(short(plan.undo)).toEqual([undo]);
    expect(plan.replug).toEqual([]);
  });

  it.each([
    ["queue-detach", false],
    ["queue-attach", true],
  ] as const)("%s: each queue of the list, and back", (kind, attached) => {
    const plan = planOf(kind, { queueIndexes: [0, 5] });
    const step = (index: number, value: boolean) =>
      `attach-queue ${JSON.stringify({ port: "server", index, attached: value })}`;
    expect(short(plan.strike)).toEqual([step(0, attached), step(5, attached)]);
    expect(short(plan.undo)).toEqual([step(0, !attached), step(5, !attached)]);
  });
});

describe("faults that pass by themselves", () => {
  it("flap: down and up, half a period each, so many times; it ends up", () => {
    const steps = short(planOf("flap", { periodMs: 50, count: 3 }).strike);
    expect(steps.length).toBe(12);
    expect(steps.slice(0, 4)).toEqual([
      'set-link {"port":"server","up":false}',
      "wait 25",
      'set-link {"port":"server","up":true}',
      "wait 25",
    ]);
    expect(steps.at(-2)).toBe('set-link {"port":"server","up":true}');
  });

  it("worker-stall: a worker, not a port; frames of all ports may suffer", () => {
    const plan = planOf("worker-stall", { target: "worker 3", worker: 3, stallMs: 250 });
    expect(short(plan.strike)).toEqual(["stall 3 250"]);
    expect(plan.affects).toEqual([1, 2, 3, 4]);
  });
});

describe("every kind", () => {
  const fields = { queueIndexes: [1], toNamespace: "client", worker: 0, stallMs: 1, txQueueLen: 1 };

  it.each(FAULT_KINDS)("%s has a strike and says whose frames it decides about", (kind) => {
    const plan = planOf(kind, fields);
    expect(plan.strike.length).toBeGreaterThan(0);
    expect(plan.affects.length).toBeGreaterThan(0);
  });

  it("a target that is not there is an error, not an empty plan", () => {
    expect(() => planOf("link-delete", { target: "nobody" })).toThrow('no port "nobody"');
    expect(() => planOf("netns-delete", { target: "nobody" })).toThrow('no namespace "nobody"');
  });
});
