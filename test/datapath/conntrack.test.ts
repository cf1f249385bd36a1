// Connection tracking end to end: flows in ofctl text, frames through the datapath, what comes out.
// States, zones, marks, time-outs, translation with right checksums, and what is invalid.
import { describe, expect, it } from "vitest";
import { Conntrack } from "../../src/datapath/conntrack/conntrack.js";
import { get16, get32 } from "../../src/wire/bytes.js";
import { checksum, pseudoSumIpv4 } from "../../src/wire/checksum.js";
import { buildEthernet } from "../../src/wire/ethernet.js";
import { buildIpv4, ipv4Text } from "../../src/wire/ipv4.js";
import { buildIcmp, buildTcp, buildUdp, TCP_FLAG } from "../../src/wire/transport.js";
import { putVnetHeader, VNET_GSO } from "../../src/wire/vnet-header.js";
import { ends, mac, textLab, udp, type Fate } from "../pipeline/fixtures.js";

const { syn, ack, fin, rst } = TCP_FLAG;

interface Segment {
  readonly from?: string;
  readonly to?: string;
  readonly ports?: readonly [number, number];
  readonly flags?: number;
  readonly partial?: boolean;
}

function tcp(segment: Segment = {}): Uint8Array {
  const [source, destination] = segment.ports ?? [1000, 80];
  const payload = new Uint8Array(11).fill(3);
  return frame(
    segment,
    6,
    buildTcp({ source, destination, flags: segment.flags ?? syn, payload }),
    segment.partial === true ? "partial" : "full",
  );
}

function datagram(segment: Segment = {}): Uint8Array {
  const [source, destination] = segment.ports ?? [1000, 80];
  return frame(segment, 17, buildUdp({ source, destination, payload: new Uint8Array(9) }), "full");
}

function frame(
  { from = "10.0.0.1", to = "10.0.0.2" }: Segment,
  protocol: number,
  payload: Uint8Array,
  transportChecksum: "full" | "partial" | "keep",
): Uint8Array {
  return buildEthernet({
    destination: mac(2),
    source: mac(1),
    type: 0x0800,
    payload: buildIpv4({ source: from, destination: to, protocol, payload, transportChecksum }),
  });
}

/** Addresses and ports of a frame, as text, and whether its sums are right. */
function seen({ bytes }: Fate): string {
  const protocol = bytes[23]!;
  const length = get16(bytes, 16) - 20;
  const pseudo = protocol === 1 ? 0 : pseudoSumIpv4(bytes, 14, protocol, length);
  const good = checksum(bytes, 14, 20) === 0 && checksum(bytes, 34, length, pseudo) === 0;
  const ports = protocol === 1 ? ["", ""] : [`:${get16(bytes, 34)}`, `:${get16(bytes, 36)}`];
  const [from, to] = [26, 30].map((at) => ipv4Text(get32(bytes, at)));
  const text = `${from}${ports[0]} > ${to}${ports[1]}`;
  return good ? text : `${text} with a wrong checksum`;
}

/** A port for each state, so that a test sees the state. */
const STATES = [
  "table=1,ct_state=+trk+new-inv actions=output:12",
  "table=1,ct_state=+trk+est-rpl actions=output:13",
  "table=1,ct_state=+trk+est+rpl actions=output:14",
  "table=1,ct_state=+trk+inv actions=output:15",
  "table=1,ct_state=+trk+rel actions=output:16",
];

function states(first: readonly string[], more: readonly string[] = []) {
  const lab = textLab([...first, ...STATES, ...more]);
  for (const port of [12, 13, 14, 15, 16]) lab.ports.add(port);
  return lab;
}

describe("states of a connection", () => {
  it("is new until it is committed and answered, established then, both ways", () => {
    const { send } = states([
      "in_port=1,ip actions=ct(commit,zone=3,table=1)",
      "in_port=2,ip actions=ct(zone=3,table=1)",
    ]);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    expect(ends(send(tcp(), 1))).toEqual([12]);
    expect(ends(send(tcp(), 1))).toEqual([12]);
    expect(ends(send(tcp({ ...back, flags: syn | ack }), 2))).toEqual([14]);
    expect(ends(send(tcp({ flags: ack }), 1))).toEqual([13]);
    expect(ends(send(tcp({ ...back, flags: ack }), 2))).toEqual([14]);
  });

  it("nothing is kept without commit, and zones do not know of each other", () => {
    const { send, conntrack } = states([
      "in_port=1,ip actions=ct(zone=3,table=1)",
      "in_port=2,ip actions=ct(commit,zone=4,table=1)",
    ]);
    for (let i = 0; i < 3; i++) expect(ends(send(tcp(), 1))).toEqual([12]);
    expect(conntrack.table.size).toBe(0);
    expect(ends(send(tcp(), 2))).toEqual([12]);
    expect(ends(send(tcp({ ports: [80, 1000], from: "10.0.0.2", to: "10.0.0.1" }), 1))).toEqual([
      12,
    ]);
    expect(conntrack.table.size).toBe(1);
  });

  it("UDP is established by an answer, and forgotten after its time", () => {
    const { send, clock, datapath } = states(["ip actions=ct(commit,table=1)"]);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    expect(ends(send(datagram(), 1))).toEqual([12]);
    expect(ends(send(datagram(back), 2))).toEqual([14]);
    expect(ends(send(datagram(), 1))).toEqual([13]);
    clock.step(29_000);
    datapath.beginBurst();
    expect(ends(send(datagram(), 1))).toEqual([13]);
    clock.step(31_000);
    datapath.beginBurst();
    expect(ends(send(datagram(), 1))).toEqual([12]);
  });

  it("a SYN after both FINs begins a new connection", () => {
    const { send } = states(["ip actions=ct(commit,table=1)"]);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    send(tcp(), 1);
    send(tcp({ ...back, flags: syn | ack }), 2);
    send(tcp({ flags: ack }), 1);
    expect(ends(send(tcp({ flags: fin | ack }), 1))).toEqual([13]);
    expect(ends(send(tcp({ ...back, flags: fin | ack }), 2))).toEqual([14]);
    expect(ends(send(tcp({ flags: ack }), 1))).toEqual([13]);
    expect(ends(send(tcp({ flags: syn }), 1))).toEqual([12]);
  });

  it("is invalid: no connection for a SYN+ACK, bad flags, bad sums, fragments", () => {
    const { send } = states(["ip actions=ct(table=1)"]);
    expect(ends(send(tcp({ flags: syn | ack }), 1))).toEqual([15]);
    expect(ends(send(tcp({ flags: syn | rst }), 1))).toEqual([15]);
    expect(ends(send(tcp({ flags: 0 }), 1))).toEqual([15]);
    const broken = tcp();
    broken[50]! ^= 1;
    expect(ends(send(broken, 1))).toEqual([15]);
    const fragment = tcp();
    fragment[20] = 0x20;
    expect(ends(send(fragment, 1))).toEqual([15]);
    expect(ends(send(tcp({ flags: ack }), 1))).toEqual([12]);
  });

  it("force takes a connection away from the one who began it", () => {
    const { send } = states([
      "in_port=1,ip actions=ct(commit,table=1)",
      "in_port=2,ip actions=ct(commit,force,table=1)",
    ]);
    send(datagram(), 1);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    expect(ends(send(datagram(back), 2))).toEqual([12]);
    // What was the answer is the first packet now.
    expect(ends(send(datagram(), 1))).toEqual([14]);
  });

  it("an ICMP error is related to the connection of the packet in it", () => {
    const { send } = states(["ip actions=ct(commit,table=1)"]);
    const first = datagram();
    send(first, 1);
    const inside = first.slice(14);
    const error = buildIcmp({ type: 3, code: 3, rest: concat(new Uint8Array(4), inside) });
    expect(ends(send(frame({ from: "10.0.0.9", to: "10.0.0.1" }, 1, error, "full"), 2))).toEqual([
      16,
    ]);
    const stranger = buildIcmp({
      ...{ type: 3, code: 3 },
      rest: concat(new Uint8Array(4), datagram({ ports: [5, 6] }).slice(14)),
    });
    expect(ends(send(frame({ from: "10.0.0.9" }, 1, stranger, "full"), 2))).toEqual([15]);
  });
});

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

describe("what a connection carries", () => {
  it("mark and label, masked, for all its packets; zone from a register", () => {
    const { send, ports } = textLab([
      "in_port=1,ip actions=load:7->NXM_NX_REG0[],ct(commit,zone=NXM_NX_REG0[0..15]," +
        "exec(load:0x15->NXM_NX_CT_MARK[0..7],load:1->NXM_NX_CT_LABEL[100]))",
      "in_port=2,ip actions=ct(zone=7,table=1)",
      "table=1,ct_zone=7,ct_mark=0x15/0xff,ct_label=0x10000000000000000000000000/" +
        "0x10000000000000000000000000 actions=output:4",
      "table=1,ct_state=+trk,priority=1 actions=output:3",
    ]);
    ports.add(5);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    expect(ends(send(datagram(back), 2))).toEqual([3]);
    send(datagram(), 1);
    expect(ends(send(datagram(back), 2))).toEqual([4]);
    expect(ends(send(datagram(back), 2))).toEqual([4]);
  });

  it("ct_nw_* are those of the first packet; resubmit(,T,ct) looks a table up with them", () => {
    const { send } = textLab([
      "in_port=1,ip actions=ct(commit,table=1)",
      "in_port=2,ip actions=ct(table=1)",
      "table=1,in_port=1 actions=output:2",
      "table=1,in_port=2,ip,ct_state=+trk+est actions=resubmit(,2,ct)",
      "table=2,ip,nw_src=10.0.0.1,nw_dst=10.0.0.2 actions=output:3",
      "table=2,ip,nw_src=10.0.0.2 actions=output:4",
    ]);
    send(datagram(), 1);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    expect(ends(send(datagram(back), 2))).toEqual([3]);
  });

  it("the original goes on without ct_*; ct_clear takes them from the copy", () => {
    const { send } = textLab([
      "ip actions=ct(commit,table=1),resubmit(,2)",
      "table=1,ct_state=+trk actions=ct_clear,resubmit(,2)",
      "table=2,ct_state=+trk actions=output:4",
      "table=2,ct_state=-trk actions=output:3",
    ]);
    expect(ends(send(datagram(), 1))).toEqual([3, 3]);
  });

  it("another frame on the same worker carries nothing of it", () => {
    const { send } = textLab([
      "udp actions=set_queue:3,ct(commit,table=1)",
      "table=1 actions=output:2",
      "tcp actions=resubmit(,3)",
      "table=3,ct_state=+trk actions=output:4",
      "table=3,priority=1 actions=output:3",
    ]);
    for (let i = 0; i < 3; i++) {
      expect(ends(send(datagram(), 1))).toEqual([2]);
      expect(ends(send(tcp(), 1))).toEqual([3]);
    }
  });
});

describe("address translation", () => {
  const SNAT = [
    "in_port=1,ip actions=ct(commit,zone=1,nat(src=192.0.2.1-192.0.2.4:5000-5009),table=1)",
    "in_port=2,ip actions=ct(zone=1,nat,table=1)",
    "table=1,in_port=1,ct_state=+snat actions=output:2",
    "table=1,in_port=2,ct_state=+dnat+est+rpl actions=output:1",
  ];

  it("of the source: both ways, with right sums, the same for every packet", () => {
    const { send } = textLab(SNAT);
    const [out] = send(datagram(), 1);
    expect(seen(out!)).toMatch(/^192\.0\.2\.[1-4]:500\d > 10\.0\.0\.2:80$/);
    const [from] = seen(out!).split(" ");
    const [address, port] = from!.split(":");
    const back = { from: "10.0.0.2", to: address!, ports: [80, Number(port)] as const };
    expect(seen(send(datagram(back), 2)[0]!)).toBe("10.0.0.2:80 > 10.0.0.1:1000");
    expect(seen(send(datagram(), 1)[0]!)).toBe(seen(out!));
  });

  it("forty senders get all forty addresses and ports, the next one none", () => {
    const { send, ports } = textLab([...SNAT, "table=1,ct_state=+inv actions=output:5"]);
    ports.add(5);
    const taken = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const [fate] = send(datagram({ ports: [2000 + i, 80] }), 1);
      taken.add(seen(fate!).split(" ")[0]!);
    }
    expect(taken.size).toBe(40);
    expect(ends(send(datagram({ ports: [3000, 80] }), 1))).toEqual([5]);
  });

  it("of the destination, with a port; the sender of the answer is translated back", () => {
    const { send } = textLab([
      "in_port=1,tcp actions=ct(commit,nat(dst=10.0.0.7:8080),table=1)",
      "in_port=2,tcp actions=ct(nat,table=1)",
      "table=1,in_port=1,ct_state=+dnat actions=output:2",
      "table=1,in_port=2,ct_state=+snat actions=output:1",
    ]);
    expect(seen(send(tcp(), 1)[0]!)).toBe("10.0.0.1:1000 > 10.0.0.7:8080");
    const back = { from: "10.0.0.7", to: "10.0.0.1", ports: [8080, 1000] as const };
    expect(seen(send(tcp({ ...back, flags: syn | ack }), 2)[0]!)).toBe(
      "10.0.0.2:80 > 10.0.0.1:1000",
    );
  });

  it("the port stays if it can, and changes if somebody has it", () => {
    const { send } = textLab([
      "in_port=1,ip actions=ct(commit,nat(src=192.0.2.1),table=1)",
      "table=1 actions=output:2",
    ]);
    expect(seen(send(datagram(), 1)[0]!)).toBe("192.0.2.1:1000 > 10.0.0.2:80");
    const other = seen(send(datagram({ from: "10.0.0.3" }), 1)[0]!);
    expect(other).toMatch(/^192\.0\.2\.1:\d+ > 10\.0\.0\.2:80$/);
    expect(other).not.toBe("192.0.2.1:1000 > 10.0.0.2:80");
  });

  it("a partial checksum stays one, over the new addresses, also in a super-frame", () => {
    const { send } = textLab([
      "in_port=1,ip actions=ct(commit,nat(src=192.0.2.1:7000-7000),table=1)",
      "table=1 actions=output:2",
    ]);
    const vnet = new Uint8Array(12);
    putVnetHeader(vnet, 0, {
      ...{ flags: 1, gsoType: VNET_GSO.tcpv4, headerLength: 54, gsoSize: 4 },
      ...{ checksumStart: 34, checksumOffset: 16 },
    });
    const [fate] = send(tcp({ partial: true }), 1, { vnet });
    const same = tcp({ from: "192.0.2.1", ports: [7000, 80], partial: true });
    expect(fate!.bytes).toEqual(same);
    expect(fate!.vnet).toEqual(vnet);
  });

  it("an ICMP error about a translated packet comes back as if nothing was", () => {
    const { send } = textLab([
      "in_port=1,ip actions=ct(commit,nat(src=192.0.2.1:7000-7000),table=1)",
      "in_port=2,ip actions=ct(nat,table=1)",
      "table=1,in_port=1 actions=output:2",
      "table=1,in_port=2,ct_state=+rel actions=output:1",
    ]);
    const original = datagram();
    const [out] = send(original, 1);
    const rest = concat(new Uint8Array(4), out!.bytes.slice(14));
    const error = buildIcmp({ type: 3, code: 3, rest });
    const [back] = send(frame({ from: "10.0.0.9", to: "192.0.2.1" }, 1, error, "full"), 2);
    expect(seen(back!)).toBe("10.0.0.9 > 10.0.0.1");
    // The packet inside is the one that the sender sent, with its own IP checksum.
    expect(back!.bytes.slice(42, 42 + 24)).toEqual(original.slice(14, 14 + 24));
  });
});

describe("the table of connections", () => {
  it("is bounded: what does not fit is new for ever, and old ones make room", () => {
    const { send, clock, datapath, conntrack } = states(["ip actions=ct(commit,table=1)"]);
    for (let port = 1; port <= 1100; port++) send(datagram({ ports: [port, 80] }), 1);
    expect(conntrack.table.size).toBe(1024);
    const back = (port: number) => {
      const way = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, port] as const };
      return ends(send(datagram(way), 2));
    };
    expect(back(1024)).toEqual([14]);
    expect(back(1025)).toEqual([12]);
    clock.step(61_000);
    datapath.beginBurst();
    expect(ends(send(datagram({ ports: [1099, 80] }), 1))).toEqual([12]);
    expect(conntrack.table.size).toBeLessThan(1024);
    expect(back(1099)).toEqual([14]);
  });

  it("a second view of the same memory finds what the first committed", () => {
    const { send, conntrack, clock } = states(["ip actions=ct(commit,table=1)"]);
    send(datagram(), 1);
    const other = new Conntrack(conntrack.table.buffer);
    expect(other.table.size).toBe(1);
    other.table.flush(1);
    expect(other.table.size).toBe(1);
    other.table.flush(0);
    expect(conntrack.table.size).toBe(0);
    clock.step(1000);
    const back = { from: "10.0.0.2", to: "10.0.0.1", ports: [80, 1000] as const };
    expect(ends(send(datagram(back), 2))).toEqual([12]);
  });

  it("a packet goes round at most 8 times", () => {
    const { send } = textLab(["ip actions=ct(table=0)", "priority=1 actions=output:2"]);
    expect(ends(send(udp(), 1))).toEqual(["recirculation-limit"]);
  });
});
