// The slow path's walk: outputs and drops, tables and resubmit, rewriting, and what it unwildcards.
import { describe, expect, it } from "vitest";
import { OFPP } from "../../src/flow/types.js";
import { WORD } from "../../src/flow/key.js";
import { RESUBMITS_MAX, DEPTH_MAX } from "../../src/pipeline/walk/walk.js";
import {
  controller,
  decTtl,
  ends,
  flow,
  keyOf,
  lab,
  move,
  output,
  resubmit,
  set,
  udp,
} from "./fixtures.js";

const OTHER_PORT = { type: "output", port: 2 } as const;

describe("outputs and drops", () => {
  it("output to the input port is suppressed; IN_PORT sends back", () => {
    expect(ends(lab([flow({}, [output(1)])]).send(udp(), 1))).toEqual(["in-port"]);
    expect(ends(lab([flow({}, [output(OFPP.inPort)])]).send(udp(), 1))).toEqual([1]);
    expect(ends(lab([flow({}, [output(1), output(2)])]).send(udp(), 1))).toEqual([2]);
  });

  it("load:0->in_port makes the own port an ordinary one", () => {
    const actions = [set("in_port", 0), output(1), output(2)];
    expect(ends(lab([flow({}, actions)]).send(udp(), 1))).toEqual([1, 2]);
  });

  it("names each way of not being sent", () => {
    expect(ends(lab([]).send(udp(), 1))).toEqual(["table-miss"]);
    expect(ends(lab([flow({}, [])]).send(udp(), 1))).toEqual(["action-drop"]);
    expect(ends(lab([flow({}, [{ type: "drop" }])]).send(udp(), 1))).toEqual(["action-drop"]);
    expect(ends(lab([flow({}, [set("reg0", 1)])]).send(udp(), 1))).toEqual(["no-output"]);
    expect(ends(lab([flow({}, [controller])]).send(udp(), 1))).toEqual(["to-controller"]);
    expect(ends(lab([flow({}, [resubmit(7)])]).send(udp(), 1))).toEqual(["table-miss"]);
    expect(ends(lab([]).send(udp().slice(0, 13), 1))).toEqual(["runt"]);
  });

  it("ALL reaches ports that FLOOD leaves out", () => {
    const all = lab([flow({}, [output(OFPP.all)])]);
    const flood = lab([flow({}, [output(OFPP.flood)])]);
    for (const each of [all, flood]) each.ports.add(3, 1);
    expect(ends(all.send(udp(), 1))).toEqual([2, 3, 4]);
    expect(ends(flood.send(udp(), 1))).toEqual([2, 4]);
  });

  it("LOCAL is port 65534", () => {
    const flows = [flow({}, [output(OFPP.local)])];
    expect(ends(lab(flows, [1, 65534]).send(udp(), 1))).toEqual([65534]);
    expect(ends(lab(flows, [1]).send(udp(), 1))).toEqual(["no-vport"]);
  });

  it("output:reg0[0..15] goes to the port in the register", () => {
    const source = { field: "reg0", offset: 0, width: 16 } as const;
    const actions = [set("reg0", 0x50003), { type: "output-field", source } as const];
    expect(ends(lab([flow({}, actions)]).send(udp(), 1))).toEqual([3]);
  });
});

describe("tables", () => {
  it("resubmit comes back, and the port it names counts for the lookup only", () => {
    const { send } = lab([
      flow({ in_port: 1 }, [resubmit(null, 9), output(3)]),
      // output:1 is suppressed here, because in_port is 1 again for the actions.
      flow({ in_port: 9 }, [output(1), output(2)]),
    ]);
    expect(ends(send(udp(), 1))).toEqual([2, 3]);
  });

  it("goto_table sees fields as the first table set them", () => {
    const { send } = lab([
      flow({}, [set("reg1", 5), set("eth_dst", 0x0200000000aa), { type: "goto-table", table: 1 }]),
      flow({ reg1: 5, eth_dst: 0x0200000000aa }, [output(2)], { table: 1 }),
      flow({}, [output(3)], { table: 1, priority: 1 }),
    ]);
    expect(ends(send(udp(), 1))).toEqual([2]);
  });

  it(`gives up at ${DEPTH_MAX} nested backward resubmits and discards everything`, () => {
    const { send } = lab([flow({}, [output(2), resubmit(0)])]);
    expect(ends(send(udp(), 1))).toEqual(["translation-limit"]);
  });

  it(`gives up after ${RESUBMITS_MAX} resubmits, however they are nested`, () => {
    const seven = Array.from({ length: 7 }, () => resubmit(1));
    const flows = (fan: number) => [
      flow({}, [output(2), ...Array.from({ length: fan }, () => resubmit(1))]),
      ...[1, 2, 3].map((table) =>
        flow({}, table === 3 ? [output(3)] : seven.map(() => resubmit(table + 1)), { table }),
      ),
    ];
    // fan * (1 + 7 + 49) resubmits
    expect(ends(lab(flows(10)).send(udp(), 1))).toHaveLength(1 + 10 * 49);
    expect(ends(lab(flows(72)).send(udp(), 1))).toEqual(["translation-limit"]);
  });

  it("a deep chain of forward tables is no recursion", () => {
    const chain = Array.from({ length: 253 }, (_, table) =>
      flow({}, [resubmit(table + 1)], { table }),
    );
    const { send } = lab([...chain, flow({}, [output(2)], { table: 253 })]);
    expect(ends(send(udp(), 1))).toEqual([2]);
  });
});

describe("rewriting", () => {
  it("dec_ttl at 1 ends its own list, counts a packet-in, and the caller goes on", () => {
    const { send, datapath } = lab([
      flow({}, [resubmit(1), output(3)]),
      flow({}, [decTtl, output(2)], { table: 1 }),
    ]);
    expect(ends(send(udp({ ttl: 2 }), 1))).toEqual([2, 3]);
    expect(ends(send(udp({ ttl: 1 }), 1))).toEqual([3]);
    expect(datapath.counters[6]).toBe(1);
    const alone = lab([flow({}, [decTtl, output(2)])]);
    expect(ends(alone.send(udp({ ttl: 1 }), 1))).toEqual(["ttl-expired"]);
    expect(ends(alone.send(udp({ ttl: 0 }), 1))).toEqual(["ttl-expired"]);
  });

  it("dec_ttl looks at nw_ttl, a set to what is there emits nothing", () => {
    const { pipeline } = lab([flow({}, [set("eth_dst", 0x020000000002), decTtl, output(2)])]);
    const megaflow = pipeline.translate(keyOf(udp({ to: 2 }), 1));
    expect(megaflow.mask[WORD.ip]! & 0xff00).toBe(0xff00);
    expect(megaflow.mask[WORD.ethDst]).toBe(0xffffffff);
    // One set (the TTL) of four words, one output of two.
    expect(megaflow.actions).toHaveLength(6);
  });

  it("changes that nobody sees cost nothing (lazy commit)", () => {
    const { pipeline } = lab([flow({}, [output(2), set("eth_src", 5), decTtl])]);
    expect([...pipeline.translate(keyOf(udp(), 1)).actions]).toEqual([1, 2]);
  });

  it("an action on a field that the packet does not have does nothing", () => {
    const { send } = lab([flow({}, [set("tcp_dst", 9), set("arp_op", 2), output(2)])]);
    const frame = udp();
    expect(send(frame, 1)[0]!.bytes).toEqual(frame);
  });

  it("a third tag takes the place of the innermost, as in Open vSwitch", () => {
    const { send } = lab([flow({}, [{ type: "push-vlan", ethertype: 0x88a8 }, OTHER_PORT])]);
    const [one] = send(udp({ tags: [{ tci: 5 }] }), 1);
    expect(one!.bytes).toEqual(udp({ tags: [{ tpid: 0x88a8, tci: 0 }, { tci: 5 }] }));
    const [two] = send(udp({ tags: [{ tci: 5 }, { tci: 6 }] }), 1);
    expect(two!.bytes).toEqual(udp({ tags: [{ tpid: 0x88a8, tci: 0 }, { tci: 5 }] }));
  });

  it("move copies between fields of different places", () => {
    const from = { field: "ip_src", offset: 0, width: 16 } as const;
    const to = { field: "eth_dst", offset: 8, width: 16 } as const;
    const { send } = lab([flow({}, [move(from, to), output(2)])]);
    const [fate] = send(udp({ from: 7, to: 2 }), 1);
    expect([...fate!.bytes.subarray(0, 6)]).toEqual([2, 0, 0, 0, 7, 2]);
  });

  it("the sides of a megaflow: no set touches a bit that was not looked at", () => {
    const { pipeline } = lab([flow({}, [set("ip_dst", 0x0a0000ff, 0xff), output(2)])]);
    const { mask, actions } = pipeline.translate(keyOf(udp(), 1));
    expect(actions[1]).toBe(WORD.nwDst);
    expect(actions[2]! & ~mask[WORD.nwDst]!).toBe(0);
    expect(mask[WORD.nwDst]).toBe(0xff);
  });
});
