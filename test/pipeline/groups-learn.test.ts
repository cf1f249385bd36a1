// Groups, learned flows and conjunctive matches, as Open vSwitch 3.1 has them. Flows in ofctl text,
// frames through the datapath, what comes out.
import { describe, expect, it } from "vitest";
import { WORD } from "../../src/flow/key.js";
import { formatFlow } from "../../src/ofctl/format.js";
import { parseFlow } from "../../src/ofctl/parse.js";
import { apportion } from "../../src/pipeline/tables/group-table.js";
import { bucket, ends, keyOf, mac, textLab, udp } from "./fixtures.js";

describe("groups", () => {
  it("all: each bucket gets its own copy, and what follows the group the original", () => {
    const group =
      "group_id=1,type=all,bucket=mod_dl_dst:02:00:00:00:00:07,output:2,bucket=dec_ttl,output:3";
    const fates = textLab(["ip actions=group:1,output:4"], [group]).send(udp({ ttl: 9 }), 1);
    expect(ends(fates)).toEqual([2, 3, 4]);
    expect(fates[0]!.bytes).toEqual(udp({ ttl: 9, destination: mac(7) }));
    expect(fates[1]!.bytes).toEqual(udp({ ttl: 8 }));
    expect(fates[2]!.bytes).toEqual(udp({ ttl: 9 }));
  });

  it("ff: the first bucket whose port or group is live; a port's end changes that at once", () => {
    const lab = textLab(
      ["actions=group:1"],
      [
        "group_id=2,type=ff,bucket=watch_port:4,output:4",
        "group_id=1,type=ff,bucket=watch_port:3,output:3,bucket=watch_group:2,output:2",
      ],
    );
    expect(ends(lab.send(udp(), 1))).toEqual([3]);
    lab.ports.remove(3);
    expect(ends(lab.send(udp(), 1))).toEqual([2]);
    lab.ports.remove(4);
    expect(ends(lab.send(udp(), 1))).toEqual(["no-live-bucket"]);
    lab.ports.add(3);
    expect(ends(lab.send(udp(), 1))).toEqual([3]);
  });

  it("select: shares flows out by weight through a hash and a second pass; a flow stays", () => {
    const lab = textLab(
      ["actions=mod_dl_src:02:00:00:00:00:77,group:1"],
      ["group_id=1,type=select,bucket=weight:3,output:2,bucket=weight:1,output:3"],
    );
    const counts = new Map<number | string, number>();
    for (let port = 1; port <= 2000; port++) {
      const frame = udp({ ports: [port, 9] });
      const [end] = ends(lab.send(frame, 1));
      expect(ends(lab.send(frame, 1))).toEqual([end]);
      counts.set(end!, (counts.get(end!) ?? 0) + 1);
    }
    expect(counts.get(2)! / 2000).toBeGreaterThan(0.68);
    expect(counts.get(2)! / 2000).toBeLessThan(0.82);
    expect(counts.get(2)! + counts.get(3)!).toBe(2000);
    // One megaflow before, and one for each of 16 values of the hash.
    expect(lab.datapath.dump()).toHaveLength(17);
  });

  it("select by fields: only these decide, and only they are looked at", () => {
    const lab = textLab(
      ["ip actions=group:1"],
      [
        "group_id=1,type=select,selection_method=hash,fields(ip_src)," +
          "bucket=output:2,bucket=output:3,bucket=output:4",
      ],
    );
    const seen = new Set<number | string>();
    for (let from = 1; from <= 60; from++) {
      const [end] = ends(lab.send(udp({ from, ports: [1, 1] }), 1));
      expect(ends(lab.send(udp({ from, ports: [2, 5] }), 1))).toEqual([end]);
      seen.add(end!);
    }
    expect([...seen].sort()).toEqual([2, 3, 4]);
    const { mask } = lab.pipeline.translate(keyOf(udp(), 1));
    expect([mask[WORD.nwSrc], mask[WORD.nwDst], mask[WORD.ports]]).toEqual([0xffffffff, 0, 0]);
  });

  it("hash values are apportioned as Open vSwitch does", () => {
    const of = (...weights: number[]) => {
      const values = apportion(
        weights.map((weight, i) => bucket(i, [], { weight })),
        256,
      );
      return values === null
        ? null
        : weights.map((_, i) => values.filter((each) => each === i).length);
    };
    expect(of(1, 1)).toEqual([8, 8]);
    expect(of(1, 2, 3, 4)).toEqual([2, 3, 5, 6]);
    expect(of(1, 0, 1)).toEqual([8, 0, 8]);
    expect(of(1, 40)).toHaveLength(2);
    expect(of(1, 40)!.reduce((a, b) => a + b)).toBe(64);
    expect(of(1, 400)).toBeNull();
    expect(of(0, 0)).toBeNull();
  });

  it("frames are counted for the group and its bucket; deletion takes the flows with it", () => {
    const lab = textLab(
      [
        "in_port=1 actions=group:1",
        "in_port=2 actions=write_actions(group:1)",
        "in_port=3 actions=output:2",
      ],
      ["group_id=1,type=all,bucket=output:3,bucket=output:4"],
    );
    for (let i = 0; i < 5; i++) lab.send(udp(), 1);
    const entry = lab.tables.groups.get(1)!;
    const packets = [entry.record, ...entry.bucketRecords].map((at) => lab.tables.records[at + 1]);
    expect(packets).toEqual([5, 5, 5]);
    lab.tables.apply([{ type: "delete-group", group: 1 }]);
    expect(lab.tables.entries().map(({ flow }) => formatFlow(flow))).toEqual([
      "in_port=3 actions=output:2",
    ]);
    expect(ends(lab.send(udp(), 1))).toEqual(["table-miss"]);
  });

  it("a flow to a group that is not there is refused, and nothing of its batch is done", () => {
    const lab = textLab(["actions=output:2"]);
    const change = { type: "add", flow: parseFlow("in_port=1 actions=clone(group:9)") } as const;
    expect(() => lab.tables.apply([{ type: "delete", selector: {} }, change])).toThrow(
      /^OFPBAC_BAD_OUT_GROUP/,
    );
    expect(lab.tables.size).toBe(1);
  });
});

describe("what this switch cannot do", () => {
  it("a helper of the connection tracker is refused by name, wherever it is", () => {
    const lab = textLab(["actions=output:2"]);
    const add = (text: string) => lab.tables.add(parseFlow(text));
    expect(() => add("tcp actions=ct(commit,alg=ftp)")).toThrow(/^ct\(alg=ftp\)/);
    expect(() => add("udp actions=clone(ct(commit,alg=tftp))")).toThrow(/^ct\(alg=tftp\)/);
    expect(lab.tables.size).toBe(1);
  });
});

describe("learn", () => {
  const MAC_LEARNING = [
    "table=0 actions=learn(table=1,hard_timeout=60,NXM_OF_VLAN_TCI[0..11]," +
      "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
    "table=1,priority=0 actions=flood",
  ];

  it("the learning switch of the manual", () => {
    const lab = textLab(MAC_LEARNING);
    expect(ends(lab.send(udp({ from: 1, to: 2 }), 1))).toEqual([2, 3, 4]);
    expect(ends(lab.send(udp({ from: 2, to: 1 }), 2))).toEqual([1]);
    expect(ends(lab.send(udp({ from: 1, to: 2 }), 1))).toEqual([2]);
    const learned = lab.tables.entries({ table: 1 }).map(({ flow }) => formatFlow(flow));
    expect(learned).toEqual([
      "table=1, priority=0 actions=FLOOD",
      "table=1, hard_timeout=60, vlan_tci=0x0000/0x0fff,dl_dst=02:00:00:00:00:01 actions=output:1",
      "table=1, hard_timeout=60, vlan_tci=0x0000/0x0fff,dl_dst=02:00:00:00:00:02 actions=output:2",
    ]);
  });

  it("what traffic teaches again does not age, and changes no generation", () => {
    const lab = textLab(MAC_LEARNING);
    lab.send(udp(), 1);
    lab.send(udp(), 1);
    const { generation } = lab.tables;
    for (let second = 0; second < 100; second++) {
      lab.clock.step(1000);
      lab.datapath.beginBurst();
      lab.send(udp(), 1);
    }
    expect(lab.tables.generation).toBe(generation);
    const stats = () => ({ packets: 0, bytes: 0, usedMs: 0 });
    expect(lab.tables.expired(stats)).toEqual([]);
    lab.clock.step(61_000);
    expect(lab.tables.expired(stats)).toHaveLength(1);
  });

  it("a learned flow is not seen by the packet that teaches it", () => {
    const flows = [
      "actions=learn(table=1,NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
      "table=1,priority=0 actions=output:4",
    ];
    const lab = textLab(flows);
    expect(ends(lab.send(udp(), 1))).toEqual([4]);
    expect(ends(lab.send(udp(), 2))).toEqual([1]);
  });

  it("a limit is kept, and result_dst says so", () => {
    const lab = textLab([
      "udp actions=learn(table=1,cookie=5,limit=2,result_dst=NXM_NX_REG0[0],eth_type=0x800," +
        "nw_proto=17,NXM_OF_UDP_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,2)",
      "table=2,reg0=1 actions=output:2",
      "table=2,reg0=0 actions=output:3",
    ]);
    const go = (port: number) => ends(lab.send(udp({ ports: [port, 9] }), 1));
    expect([go(1), go(2), go(3), go(1), go(4)]).toEqual([[2], [2], [3], [2], [3]]);
    expect(lab.tables.entries({ table: 1 })).toHaveLength(2);
  });

  it("delete_learned: what was learned goes with the last flow that taught it", () => {
    const teach = (port: number) =>
      `in_port=${port} actions=learn(table=1,cookie=5,delete_learned,NXM_OF_ETH_SRC[],` +
      "output:NXM_OF_IN_PORT[])";
    const lab = textLab([teach(1), teach(2), "table=1,cookie=6,priority=3 actions=output:4"]);
    lab.send(udp({ from: 1 }), 1);
    lab.send(udp({ from: 2 }), 2);
    lab.tables.delete({ match: parseFlow("in_port=1 actions=drop").match });
    expect(lab.tables.entries({ table: 1 })).toHaveLength(3);
    lab.tables.delete({ match: parseFlow("in_port=2 actions=drop").match });
    expect(lab.tables.entries({ table: 1 })).toHaveLength(1);
  });

  it("fin_timeout shortens the life of a flow when its connection ends", () => {
    const lab = textLab(["tcp,idle_timeout=60 actions=fin_timeout(idle_timeout=5),output:2"]);
    const segment = udp({ tcp: true });
    lab.send(segment, 1);
    expect(lab.tables.entries()[0]!.flow.idleTimeout).toBe(60);
    const last = segment.slice();
    last[47] = 0x11;
    expect(ends(lab.send(last, 1))).toEqual([2]);
    expect(lab.tables.entries()[0]!.flow.idleTimeout).toBe(5);
    expect(lab.tables.entries()[0]!.flow.hardTimeout).toBe(0);
  });

  it("a trace learns nothing", () => {
    const lab = textLab(MAC_LEARNING);
    lab.pipeline.translate(keyOf(udp(), 1), { sideEffects: false });
    expect(lab.tables.size).toBe(2);
  });
});

describe("conjunction", () => {
  const FLOWS = [
    "ip,nw_src=10.0.0.1 actions=conjunction(7,1/2)",
    "ip,nw_src=10.0.0.3 actions=conjunction(7,1/2)",
    "udp,tp_dst=2000 actions=conjunction(7,2/2)",
    "udp,tp_dst=2002 actions=conjunction(7,2/2)",
    "conj_id=7,ip actions=output:2",
    "priority=5 actions=output:3",
  ];

  it("matches all pairs and nothing else", () => {
    const lab = textLab(FLOWS);
    const go = (from: number, port: number) => ends(lab.send(udp({ from, ports: [1, port] }), 1));
    for (const round of [1, 2]) {
      expect([go(1, 2000), go(3, 2002), go(2, 2000), go(1, 2001)], `round ${round}`).toEqual([
        ...[[2], [2], [3], [3]],
      ]);
    }
  });
});
