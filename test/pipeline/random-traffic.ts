// Random flow sets and random frames over a universe so small that they meet. For property tests.
import fc from "fast-check";
import { OFPP, type Action, type Flow } from "../../src/flow/types.js";
import { buildArp } from "../../src/wire/arp.js";
import { buildEthernet } from "../../src/wire/ethernet.js";
import { buildIpv4 } from "../../src/wire/ipv4.js";
import { buildIpv6 } from "../../src/wire/ipv6.js";
import { buildIcmp, buildSctp, buildTcp, buildUdp } from "../../src/wire/transport.js";
import { decTtl, flow, mac, move, output, resubmit, set, type Fields } from "./fixtures.js";

export const PORTS = [1, 2, 3, 4] as const;

const host = fc.integer({ min: 1, max: 3 });
const transportPort = fc.constantFrom(80, 81, 443);
const tags = fc.constantFrom<{ tpid?: number; tci: number }[]>(
  [],
  [],
  [{ tci: 5 }],
  [{ tci: 5 }, { tci: 5 }],
  [{ tci: 0x6006 }],
  [{ tpid: 0x88a8, tci: 7 }, { tci: 5 }],
);

const transport = fc
  .tuple(fc.constantFrom(6, 17, 132, 1, 58, 47), transportPort, transportPort)
  .map(([protocol, source, destination]) => {
    const payload = Uint8Array.from([1, 2, 3, 4, 5]);
    const ports = { source, destination, payload };
    if (protocol === 6) return { protocol, payload: buildTcp(ports) };
    if (protocol === 17) return { protocol, payload: buildUdp(ports) };
    if (protocol === 132) return { protocol, payload: buildSctp(ports) };
    if (protocol === 1) {
      // Not all zero: the one packet whose checksum RFC 1624 cannot update.
      const rest = new Uint8Array(8).fill(1);
      return { protocol, payload: buildIcmp({ type: (source & 1) !== 0 ? 8 : 0, rest }) };
    }
    if (protocol === 58) {
      const rest = new Uint8Array(28).fill(9);
      rest.set([1, 1], 20);
      return { protocol, payload: buildIcmp({ type: destination === 80 ? 135 : 128, rest }) };
    }
    return { protocol, payload };
  });

const ipv4 = fc
  .tuple(host, host, transport, fc.constantFrom(0, 1, 2, 64), fc.constantFrom(0, 0, 0, 0x2000, 3))
  .map(([from, to, { protocol, payload }, ttl, fragment]) => ({
    type: 0x0800,
    payload: buildIpv4({
      source: `10.0.0.${from}`,
      destination: `10.0.0.${to}`,
      protocol,
      ttl,
      fragment,
      tos: from * 4,
      payload,
    }),
  }));

const ipv6 = fc
  .tuple(host, host, transport, fc.constantFrom(1, 2, 64))
  .map(([from, to, { protocol, payload }, hopLimit]) => ({
    type: 0x86dd,
    payload: buildIpv6({
      source: `fd00::${from}`,
      destination: `fd00::${to}`,
      protocol,
      hopLimit,
      label: to,
      payload,
    }),
  }));

const arp = fc.tuple(host, host, fc.constantFrom(1, 2)).map(([from, to, operation]) => ({
  type: 0x0806,
  payload: buildArp({
    operation,
    senderMac: mac(from),
    senderIp: 0x0a000000 + from,
    targetIp: 0x0a000000 + to,
  }),
}));

const other = fc.constant({ type: 0x88cc, payload: new Uint8Array(20) });

/** A frame and the port that it comes in by. */
export const randomFrame = fc
  .tuple(
    host,
    fc.oneof(host.map(mac), fc.constantFrom("ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00")),
    tags,
    fc.oneof({ weight: 4, arbitrary: ipv4 }, { weight: 3, arbitrary: ipv6 }, arp, other),
    fc.constantFrom(...PORTS),
    fc.constantFrom(0, 0, 0, 9),
  )
  .map(([from, destination, frameTags, { type, payload }, inPort, cut]) => {
    const whole = buildEthernet({ source: mac(from), destination, tags: frameTags, type, payload });
    return { bytes: whole.slice(0, whole.length - cut), inPort, isCut: cut !== 0 };
  });

const randomFields: fc.Arbitrary<Fields> = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...PORTS).map((port) => ({ in_port: port })),
  host.map((n) => ({ eth_dst: 0x020000000000 + n })),
  fc.constantFrom<Fields>({ eth_dst: [0x010000000000, 0x010000000000] }),
  host.map((n) => ({ eth_type: 0x0800, ip_dst: [0x0a000000 + (n & 2), 0xfffffffe] }) as const),
  transportPort.map((port) => ({ eth_type: 0x0800, nw_proto: 17, udp_dst: port })),
  transportPort.map(
    (port) => ({ eth_type: 0x86dd, nw_proto: 6, tcp_src: [port, 0xfff1] }) as const,
  ),
  fc.constantFrom<Fields>({ dl_vlan: 5 }, { vlan_tci: 0 }, { vlan_tci: [0x1000, 0x1000] }),
  fc.constantFrom<Fields>({ eth_type: 0x0806, arp_op: 1 }, { reg0: 1 }, { reg0: [2, 2] }),
);

const sub = (
  field: "reg0" | "ip_src" | "ip_dst" | "eth_src" | "tcp_src" | "udp_dst" | "in_port",
  offset: number,
  width: number,
) => ({ field, offset, width });

const randomAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(1, 2, 3, 4, 9, OFPP.inPort, OFPP.all).map(output) },
  { weight: 2, arbitrary: fc.constantFrom(1, 2, 3).map((table) => resubmit(table)) },
  { weight: 1, arbitrary: fc.constantFrom(...PORTS).map((port) => resubmit(3, port)) },
  fc.constantFrom(
    set("eth_dst", 0x020000000003),
    set("eth_src", 0xff, 0xff),
    set("ip_src", 0x0a0000fe),
    set("ip_dst", 3, 0xff),
    set("ipv6_dst", 0x123400000002, 0xffff00000003),
    set("ipv6_label", 9),
    set("nw_tos", 0x48, 0xfc),
    set("nw_ecn", 1),
    set("nw_ttl", 2),
    set("tcp_dst", 8080),
    set("udp_src", 0, 1),
    set("sctp_dst", 7),
    set("icmp_type", 0),
    set("icmpv6_code", 0),
    set("arp_op", 2),
    set("arp_spa", 0x0a000009),
    set("arp_sha", 0x02aabbccddee),
    set("arp_tha", 0x02aabbccddee),
    set("nd_target", 0x77, 0xff),
    set("nd_sll", 0x02aabbccddee),
    set("dl_vlan", 9),
    set("dl_vlan_pcp", 3),
    set("vlan_vid", 0x1005),
    set("reg0", 1),
    set("reg0", 2, 2),
    set("in_port", 0),
  ),
  fc.constantFrom(
    move(sub("ip_src", 0, 16), sub("reg0", 16, 16)),
    move(sub("reg0", 0, 16), sub("in_port", 0, 16)),
    move(sub("ip_dst", 0, 8), sub("eth_src", 8, 8)),
    move(sub("udp_dst", 0, 16), sub("reg0", 0, 16)),
  ),
  fc.constantFrom<Action>(
    decTtl,
    { type: "pop-vlan" },
    { type: "push-vlan", ethertype: 0x8100 },
    { type: "push-vlan", ethertype: 0x88a8 },
    { type: "drop" },
  ),
);

/** Resubmits go forward only, so no limit is met; priorities differ, so the answer is defined. */
export const randomFlows: fc.Arbitrary<Flow[]> = fc
  .array(
    fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      randomFields,
      fc.array(randomAction, { minLength: 0, maxLength: 6 }),
    ),
    { minLength: 1, maxLength: 14 },
  )
  .map((rows) =>
    rows.map(([table, fields, actions], i) =>
      flow(fields, forwardOnly(actions, table), { table, priority: 1000 - i }),
    ),
  );

function forwardOnly(actions: readonly Action[], table: number): Action[] {
  return actions.filter(
    (action) => action.type !== "resubmit" || (action.table !== null && action.table > table),
  );
}
