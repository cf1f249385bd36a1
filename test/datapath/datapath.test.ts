// The fast path with a real slow path behind it: caches, revalidation, wide megaflows, loops and
// the bytes that leave.
import { describe, expect, it } from "vitest";
import { DROP } from "../../src/base/drop-reasons.js";
import { DATAPATH_COUNTER, type Frame, type Transmit } from "../../src/datapath/datapath.js";
import { OFPP, type Action } from "../../src/flow/types.js";
import { putVnetHeader, vnetChecksumStart, VNET_GSO } from "../../src/wire/vnet-header.js";
import { completeVnetChecksum } from "../../src/wire/vnet-header.js";
import {
  controller,
  decTtl,
  ends,
  flow,
  keyOf,
  lab,
  output,
  set,
  udp,
} from "../pipeline/fixtures.js";

const PUSH: Action = { type: "push-vlan", ethertype: 0x8100 };
const POP: Action = { type: "pop-vlan" };

/** The vnet header of a frame whose transport begins at `start`; the device does its checksum. */
function partialHeader(start: number, gsoSize = 0): Uint8Array {
  const header = new Uint8Array(12);
  putVnetHeader(header, 0, {
    flags: 1,
    gsoType: gsoSize === 0 ? VNET_GSO.none : VNET_GSO.tcpv4,
    headerLength: start + 20,
    gsoSize,
    checksumStart: start,
    checksumOffset: 16,
  });
  return header;
}

describe("caches", () => {
  it("the first frame of a flow misses, later ones hit the exact-match cache", () => {
    const { send, datapath } = lab([flow({}, [output(2)])]);
    for (let i = 0; i < 3; i++) send(udp(), 1);
    // Another flow of the same megaflow: nothing but in_port, type and fragment was looked at.
    send(udp({ ports: [5, 6] }), 1);
    const { counters } = datapath;
    expect(counters[DATAPATH_COUNTER.misses]).toBe(1);
    expect(counters[DATAPATH_COUNTER.exactMatchHits]).toBe(2);
    expect(counters[DATAPATH_COUNTER.megaflowHits]).toBe(1);
    expect(counters[DATAPATH_COUNTER.megaflows]).toBe(1);
    expect(counters[DATAPATH_COUNTER.masks]).toBe(1);
    expect(datapath.dump()[0]!.packets).toBe(3);
  });

  it("more flows than the cache has entries are still forwarded right", () => {
    const { send, datapath } = lab([
      flow({ eth_type: 0x0800, nw_proto: 17, udp_src: [0, 1] }, [output(2)]),
      flow({ eth_type: 0x0800, nw_proto: 17, udp_src: [1, 1] }, [output(3)]),
    ]);
    for (let round = 0; round < 2; round++) {
      for (let port = 1; port <= 12_000; port++) {
        expect(send(udp({ ports: [port, 9] }), 1)[0]!.port).toBe((port & 1) === 0 ? 2 : 3);
      }
    }
    expect(datapath.counters[DATAPATH_COUNTER.misses]).toBe(2);
  });

  it("idle megaflows are forgotten after 10 s, used ones stay", () => {
    const { send, datapath, clock } = lab([flow({}, [output(4)])]);
    send(udp(), 1);
    send(udp(), 2);
    for (let second = 0; second < 12; second++) {
      clock.step(1000);
      datapath.beginBurst();
      send(udp(), 1);
    }
    expect(datapath.dump().map((megaflow) => megaflow.key[0])).toEqual([1]);
    expect(ends(send(udp(), 2))).toEqual([4]);
  });

  it("the symmetric hash reaches the transmit path, from the cache too", () => {
    const hashes: number[] = [];
    const transmit: Transmit = {
      output: (frame: Frame) => hashes.push(frame.hash),
      drop: () => undefined,
      cloned: () => undefined,
    };
    const { send } = lab([flow({}, [output(3)])], [1, 2, 3], transmit);
    send(udp({ from: 1, to: 2, ports: [5, 6] }), 1);
    send(udp({ from: 1, to: 2, ports: [5, 6] }), 1);
    send(udp({ from: 2, to: 1, ports: [6, 5] }), 2);
    send(udp({ from: 2, to: 1, ports: [7, 5] }), 2);
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).toBe(hashes[0]);
    expect(hashes[3]).not.toBe(hashes[0]);
  });
});

describe("the rx hint", () => {
  it("F22: a frame that went through the slow path carries none, the next one does", () => {
    const { send } = lab([flow({}, [output(2)])]);
    expect(send(udp(), 1, { queueMapping: 7 })[0]!.queueMapping).toBe(0);
    expect(send(udp(), 1, { queueMapping: 7 })[0]!.queueMapping).toBe(7);
  });

  it("F21, F25: every clone carries it, though each transmit overwrites it", () => {
    const { send, recorder } = lab([flow({}, [output(OFPP.all)])]);
    send(udp(), 1);
    recorder.clones = 0;
    const fates = send(udp(), 1, { queueMapping: 7 });
    expect(fates.map((fate) => fate.queueMapping)).toEqual([7, 7, 7]);
    expect(fates.map((fate) => fate.last)).toEqual([false, false, true]);
    expect(recorder.clones).toBe(2);
  });

  it("a changed flow table is no upcall: the hint stays", () => {
    const { send, tables } = lab([flow({}, [output(2)])]);
    send(udp(), 1);
    tables.replace([flow({}, [output(3)])]);
    const [fate] = send(udp(), 1, { queueMapping: 7 });
    expect(fate).toMatchObject({ port: 3, queueMapping: 7 });
  });
});

describe("changes under traffic", () => {
  it("no frame meets a half-applied change", () => {
    // Two tables that only make sense together: the mark of one is matched by the other.
    const version = (n: number) => [
      flow({}, [set("reg0", n), { type: "goto-table", table: 1 }]),
      flow({ reg0: n }, [output(2), output(3)], { table: 1 }),
      flow({}, [output(4)], { table: 1, priority: 1 }),
    ];
    const { send, tables } = lab(version(1));
    for (let n = 2; n < 50; n++) {
      expect(ends(send(udp({ ports: [n, n] }), 1))).toEqual([2, 3]);
      tables.apply([
        { type: "delete", selector: { table: 0 } },
        ...version(n).map((each) => ({ type: "add", flow: each }) as const),
        { type: "delete", selector: { table: 1, match: version(n - 1)[1]!.match, strict: true } },
      ]);
      expect(ends(send(udp({ ports: [1, 1] }), 1))).toEqual([2, 3]);
    }
  });

  it("a cached frame follows add, delete and a port change at once", () => {
    const { send, tables, ports } = lab([flow({}, [output(OFPP.all)], { priority: 1 })]);
    expect(ends(send(udp(), 1))).toEqual([2, 3, 4]);
    ports.remove(3);
    expect(ends(send(udp(), 1))).toEqual([2, 4]);
    tables.add(flow({ eth_type: 0x0800 }, [output(9)], { priority: 5 }));
    expect(ends(send(udp(), 1))).toEqual(["no-vport"]);
    ports.add(9);
    expect(ends(send(udp(), 1))).toEqual([9]);
    tables.delete({ outPort: 9 });
    ports.remove(9);
    expect(ends(send(udp(), 1))).toEqual([2, 4]);
    tables.delete({});
    expect(ends(send(udp(), 1))).toEqual(["table-miss"]);
  });
});

describe("a megaflow that has become too wide", () => {
  it("is not kept with the answer of one of its flows", () => {
    const { send, tables } = lab([flow({}, [output(2)], { priority: 1 })]);
    for (const port of [80, 81, 80, 81]) send(udp({ ports: [9, port] }), 1);
    const web = flow({ eth_type: 0x0800, nw_proto: 17, udp_dst: 80 }, [output(3)]);
    tables.add(web);
    expect(ends(send(udp({ ports: [9, 80] }), 1))).toEqual([3]);
    expect(ends(send(udp({ ports: [9, 81] }), 1))).toEqual([2]);
    expect(ends(send(udp({ ports: [9, 80] }), 1))).toEqual([3]);
  });
});

describe("loops", () => {
  it("F26: the sixth nested action list is dropped by name", () => {
    let drops: number[] = [];
    let nested = 0;
    const holder: { receive: ((frame: Frame) => void) | null } = { receive: null };
    const transmit: Transmit = {
      output: (frame) => {
        nested++;
        holder.receive?.(frame);
      },
      drop: (_frame, reason) => drops.push(reason),
      cloned: () => undefined,
    };
    const { send, datapath } = lab([flow({}, [output(2)])], [1, 2], transmit);
    holder.receive = (frame) => datapath.receive(frame);
    send(udp(), 1);
    expect(nested).toBe(5);
    expect(drops).toEqual([DROP["loop-limit"]]);
    drops = [];
    holder.receive = null;
    send(udp(), 1);
    expect(drops).toEqual([]);
  });
});

describe("bytes", () => {
  it("pushes and pops tags; the vnet header moves along and points at the same checksum", () => {
    const frame = udp({ tcp: true, transportChecksum: "partial" });
    const { send } = lab([flow({}, [PUSH, set("dl_vlan", 5), output(2), POP, output(3)])]);
    for (let i = 0; i < 2; i++) {
      const [tagged, untagged] = send(frame, 1, { vnet: partialHeader(34) });
      expect([...tagged!.bytes.subarray(12, 18)]).toEqual([0x81, 0, 0, 5, 8, 0]);
      expect(tagged!.bytes.length).toBe(frame.length + 4);
      expect(vnetChecksumStart(tagged!.vnet!, 0)).toBe(38);
      expect(untagged!.bytes).toEqual(frame);
      expect(untagged!.vnet).toEqual(partialHeader(34));
    }
  });

  it("a partial checksum stays partial and completes to the right one after a rewrite", () => {
    const actions = [set("ip_src", 0x0a000063), set("tcp_dst", 8080), decTtl, output(2)];
    const complete = lab([flow({}, actions)]).send(udp({ tcp: true }), 1)[0]!.bytes;
    const partial = udp({ tcp: true, transportChecksum: "partial" });
    const fate = lab([flow({}, actions)]).send(partial, 1, { vnet: partialHeader(34) })[0]!;
    const whole = new Uint8Array(12 + fate.bytes.length);
    whole.set(fate.vnet!);
    whole.set(fate.bytes, 12);
    completeVnetChecksum(whole, 0, 12, fate.bytes.length);
    expect(whole.subarray(12)).toEqual(complete);
  });

  it("a super-frame passes whole, its vnet header untouched", () => {
    const payload = new Uint8Array(60_000).fill(3);
    const big = udp({ tcp: true, payload, transportChecksum: "partial" });
    const header = partialHeader(34, 1448);
    const [fate] = lab([flow({}, [output(2)])]).send(big, 1, { vnet: header });
    expect(fate!.bytes).toEqual(big);
    expect(fate!.vnet).toEqual(header);
  });

  it("output(max_len) cuts its own copy only, offloads included", () => {
    const actions: Action[] = [{ type: "output-truncated", port: 2, maxBytes: 40 }, output(3)];
    const frame = udp({ tcp: true, transportChecksum: "partial" });
    const [cut, whole] = lab([flow({}, actions)]).send(frame, 1, { vnet: partialHeader(34, 5) });
    expect(cut!.bytes).toEqual(frame.subarray(0, 40));
    expect([cut!.vnet![0], cut!.vnet![1]]).toEqual([0, 0]);
    expect(whole!.bytes).toEqual(frame);
    expect(whole!.vnet).toEqual(partialHeader(34, 5));
  });

  it("a rewrite after an output does not show in it, and is kept for the next", () => {
    const actions = [output(2), set("eth_dst", 0x0200000000ee), output(3)];
    const frame = udp();
    const [first, second] = lab([flow({}, actions)]).send(frame, 1);
    expect(first!.bytes).toEqual(frame);
    expect(keyOf(second!.bytes, 1)[1]).toBe(0x02000000);
    expect(second!.bytes[5]).toBe(0xee);
  });

  it("a packet-in beside an output is counted and is not a copy", () => {
    const { send, datapath, recorder } = lab([flow({}, [controller, output(2)])]);
    expect(ends(send(udp(), 1))).toEqual([2]);
    expect(recorder.clones).toBe(0);
    expect(datapath.counters[DATAPATH_COUNTER.packetIns]).toBe(1);
  });
});
