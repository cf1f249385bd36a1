// The tables of OpenFlow flows: add, modify, delete, timeouts and statistics, on a stepped clock.
import { describe, expect, it } from "vitest";
import { SteppedClock } from "../../src/base/clock.js";
import {
  createFlowRecords,
  FlowTables,
  sumFlowStats,
  type FlowChange,
} from "../../src/pipeline/flow-tables.js";
import type { Action, Flow } from "../../src/flow/types.js";
import { allGroup, decTtl, ends, flow, lab, match, output, resubmit, udp } from "./fixtures.js";

const clock = new SteppedClock(1000);

function priorities(tables: FlowTables): number[] {
  return tables.entries().map((entry) => entry.priority);
}

function filled(...flows: readonly Flow[]): FlowTables {
  const tables = new FlowTables({ clock });
  tables.add(...flows);
  return tables;
}

describe("flow tables", () => {
  const web = flow({ eth_type: 0x0800, nw_proto: 6, tcp_dst: 80 }, [output(2)], { priority: 1 });
  const tcp = flow({ eth_type: 0x0800, nw_proto: 6 }, [output(3)], { priority: 2 });
  const any = flow({}, [decTtl, output(2)], { priority: 3 });

  it("deletes loosely: every flow at least as specific", () => {
    const tables = filled(web, tcp, any);
    tables.delete({ match: match({ eth_type: 0x0800, nw_proto: 6 }) });
    expect(priorities(tables)).toEqual([3]);
  });

  it("deletes strictly: this match and this priority", () => {
    const tables = filled(web, tcp, any);
    tables.delete({ match: tcp.match, strict: true, priority: 1 });
    expect(tables.size).toBe(3);
    tables.delete({ match: tcp.match, strict: true, priority: 2 });
    expect(priorities(tables)).toEqual([1, 3]);
  });

  it("selects by table, cookie and output port", () => {
    const tables = filled(web, tcp, { ...any, table: 4, cookie: 0x12n });
    expect(tables.entries({ table: 4 })).toHaveLength(1);
    expect(tables.entries({ table: 255 })).toHaveLength(3);
    expect(tables.entries({ cookie: 0x10n, cookieMask: 0xf0n })).toHaveLength(1);
    expect(tables.entries({ cookie: 0x10n })).toHaveLength(0);
    expect(tables.entries({ outPort: 2 })).toHaveLength(2);
  });

  it("an added flow with the same match and priority replaces, and takes over its counters", () => {
    const { tables, send } = lab([flow({}, [output(2)])]);
    send(udp(), 1);
    const [before] = tables.entries();
    expect(sumFlowStats(before!, [tables.records]).packets).toBe(1);
    tables.add(flow({}, [output(3)]));
    expect(tables.size).toBe(1);
    const [after] = tables.entries();
    expect(sumFlowStats(after!, [tables.records])).toMatchObject({ packets: 1, usedMs: 1_000_000 });
    expect(ends(send(udp(), 1))).toEqual([3]);
  });

  it("a full table refuses with the numbers, and changes nothing", () => {
    const tables = new FlowTables({ clock, records: createFlowRecords(2) });
    tables.add(web);
    expect(() => tables.add(tcp, any)).toThrow("2 flows do not fit: the tables hold 2 flows");
    expect(tables.size).toBe(1);
    tables.add(tcp);
    for (let i = 0; i < 5; i++) {
      tables.delete({});
      tables.add(web, tcp);
    }
    expect(tables.size).toBe(2);
  });

  it("refuses a table that does not exist", () => {
    expect(() => filled({ ...web, table: 254 })).toThrow("table 254: not between 0 and 253");
  });

  it("idle and hard time-outs", () => {
    const {
      tables,
      send,
      clock: stepped,
      datapath,
    } = lab([
      flow({}, [output(2)], { idleTimeout: 10, priority: 1 }),
      flow({ in_port: 9 }, [output(2)], { hardTimeout: 15, priority: 2 }),
    ]);
    const expired = () =>
      tables.expired((entry) => sumFlowStats(entry, [tables.records])).map((each) => each.priority);
    stepped.step(9_000);
    datapath.beginBurst();
    send(udp(), 1);
    stepped.step(5_000);
    expect(expired()).toEqual([]);
    stepped.step(1_000);
    expect(expired()).toEqual([2]);
    stepped.step(5_000);
    expect(expired()).toEqual([1, 2]);
  });
});

describe("statistics", () => {
  it("every flow on the way counts every frame, fast path or slow, with its bytes", () => {
    const { tables, send } = lab([
      flow({}, [resubmit(1), resubmit(1)]),
      flow({}, [output(2)], { table: 1 }),
    ]);
    const frame = udp();
    for (let i = 0; i < 5; i++) send(frame, 1);
    const stats = tables.entries().map((entry) => sumFlowStats(entry, [tables.records]));
    expect(stats.map(({ packets, bytes }) => [packets, bytes])).toEqual([
      [5, 5 * frame.length],
      [10, 10 * frame.length],
    ]);
    expect(stats[0]!.usedMs).toBe(1_000_000);
  });

  it("replicas that got the same changes agree, and a late one lends nobody its counters", () => {
    const changes: FlowChange[][] = [
      [{ type: "add", flow: flow({}, [output(2)]) }],
      [
        { type: "delete", selector: {} },
        { type: "add", flow: flow({ in_port: 1 }, [output(3)]) },
      ],
    ];
    const worker = lab([]);
    const late = lab([]);
    const dump = new FlowTables({ clock });
    dump.replace([]);
    const apply = (tables: FlowTables, n: number) => tables.apply(changes[n]!);
    for (const tables of [worker.tables, late.tables, dump]) apply(tables, 0);
    for (const each of [worker, late]) each.send(udp(), 1);
    const records = [worker.tables.records, late.tables.records];
    expect(sumFlowStats(dump.entries()[0]!, records).packets).toBe(2);
    for (const tables of [worker.tables, dump]) apply(tables, 1);
    worker.send(udp(), 1);
    late.send(udp(), 1);
    expect(sumFlowStats(dump.entries()[0]!, records).packets).toBe(1);
  });
});

describe("modify", () => {
  it("changes actions and cookie, keeps age, time-outs and counters, restarts the hard age", () => {
    const { tables, clock, send } = lab([
      { ...flow({ in_port: 1 }, [output(2)], { idleTimeout: 7 }), cookie: 5n },
      flow({ in_port: 2 }, [output(3)]),
    ]);
    send(udp(), 1);
    clock.step(5000);
    const [before] = tables.entries({ cookie: 5n });
    const change = { ...flow({}, [output(4)], { idleTimeout: 70 }), cookie: 9n };
    tables.apply([{ type: "modify", selector: { match: before!.match }, flow: change }]);
    const [after, other] = tables.entries();
    expect(after!.flow).toMatchObject({ actions: [output(4)], cookie: 9n, idleTimeout: 7 });
    expect(after).toMatchObject({ id: before!.id, addedMs: 1_000_000, modifiedMs: 1_005_000 });
    expect(sumFlowStats(after!, [tables.records]).packets).toBe(1);
    expect(other!.flow.actions).toEqual([output(3)]);
    expect(send(udp(), 1).map((fate) => fate.port)).toEqual([4]);
  });

  it("without a flow to modify the flow is added, if that is wanted", () => {
    const { tables } = lab([]);
    const change = { type: "modify", selector: {}, flow: flow({}, [output(2)]) } as const;
    tables.apply([change]);
    expect(tables.size).toBe(0);
    tables.apply([{ ...change, orAdd: true }]);
    expect(tables.size).toBe(1);
    const other = { ...flow({}, [output(3)]), cookie: 7n };
    tables.apply([{ ...change, flow: other, orAdd: true, keepCookie: true }]);
    expect(tables.entries().map((entry) => entry.flow.cookie)).toEqual([0n]);
  });

  it("a hard time-out counts from the last modification, as OVS counts it", () => {
    const { tables, clock } = lab([flow({}, [output(2)], { hardTimeout: 10 })]);
    clock.step(6000);
    tables.apply([{ type: "modify", selector: {}, flow: flow({}, [output(3)]) }]);
    clock.step(6000);
    const none = { packets: 0, bytes: 0, usedMs: 0 };
    expect(tables.expired(() => none)).toEqual([]);
    clock.step(4000);
    expect(tables.expired(() => none)).toHaveLength(1);
  });

  it("a flow added again keeps its counters, unless it says reset_counts", () => {
    const { tables, send } = lab([flow({}, [output(2)])]);
    send(udp(), 1);
    const packets = () => sumFlowStats(tables.entries()[0]!, [tables.records]).packets;
    tables.add(flow({}, [output(3)]));
    expect(packets()).toBe(1);
    tables.add({ ...flow({}, [output(3)]), flags: ["reset_counts"] });
    expect(packets()).toBe(0);
  });

  it("reset_counts sets the counters to 0, and an output to a group is found for deletion", () => {
    const group: Action = { type: "write-actions", actions: [{ type: "group", group: 7 }] };
    const { tables, send } = lab([flow({}, [output(2)])]);
    send(udp(), 1);
    tables.apply([{ type: "set-group", group: allGroup(7, [[output(2)]]) }]);
    const change: Flow = { ...flow({}, [group]), flags: ["reset_counts"] };
    tables.apply([{ type: "modify", selector: {}, flow: change }]);
    expect(sumFlowStats(tables.entries()[0]!, [tables.records]).packets).toBe(0);
    tables.delete({ outGroup: 8 });
    expect(tables.size).toBe(1);
    tables.delete({ outGroup: 7 });
    expect(tables.size).toBe(0);
  });
});
