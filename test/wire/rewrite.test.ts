// Rewriting in place against building anew: the oracle is the builder, which sums every byte.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARP, buildArp } from "../../src/wire/arp.js";
import { get16, get32 } from "../../src/wire/bytes.js";
import { buildEthernet } from "../../src/wire/ethernet.js";
import { IPV4, buildIpv4, ipv4ChecksumHolds, ipv4Text } from "../../src/wire/ipv4.js";
import { IPV6, buildIpv6, ipv6Bytes } from "../../src/wire/ipv6.js";
import {
  locateHeaders,
  newHeaderPlaces,
  setArpAddress,
  setArpMac,
  setArpOperation,
  setFlowLabel,
  setIcmp,
  setIpv4Address,
  setIpv6AddressWord,
  setNdLinkAddress,
  setNdTargetWord,
  setPort,
  setTos,
  setTtl,
  type HeaderPlaces,
} from "../../src/wire/rewrite.js";
import { buildIcmp, buildSctp, buildTcp, buildUdp } from "../../src/wire/transport.js";

interface L4 {
  kind: "tcp" | "udp" | "sctp" | "icmp";
  source: number;
  destination: number;
  payload: Uint8Array;
}

const PROTOCOL = { tcp: 6, udp: 17, sctp: 132, icmp: 1 } as const;

function transport(l4: L4): Uint8Array {
  if (l4.kind === "tcp") return buildTcp(l4);
  if (l4.kind === "udp") return buildUdp(l4);
  if (l4.kind === "sctp") return buildSctp(l4);
  const rest = new Uint8Array(4 + l4.payload.length);
  rest.set(l4.payload, 4);
  return buildIcmp({ type: l4.source & 0xff, code: l4.destination & 0xff, rest });
}

interface Spec {
  l4: L4;
  source: number;
  destination: number;
  tos: number;
  ttl: number;
  mode: "full" | "partial";
}

function ipv4Frame(spec: Spec): Uint8Array {
  const payload = buildIpv4({
    source: ipv4Text(spec.source),
    destination: ipv4Text(spec.destination),
    protocol: PROTOCOL[spec.l4.kind],
    payload: transport(spec.l4),
    tos: spec.tos,
    ttl: spec.ttl,
    transportChecksum: spec.mode,
  });
  return buildEthernet({ type: 0x0800, payload });
}

const specs = fc.record({
  l4: fc.record({
    kind: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const, "icmp" as const),
    source: fc.nat(0xffff),
    destination: fc.nat(0xffff),
    payload: fc.uint8Array({ maxLength: 33 }),
  }),
  source: fc.integer({ min: 0, max: 0xffffffff }),
  destination: fc.integer({ min: 0, max: 0xffffffff }),
  tos: fc.nat(255),
  ttl: fc.nat(255),
  mode: fc.constantFrom("full" as const, "partial" as const),
});

function locate(bytes: Uint8Array): HeaderPlaces {
  const places = newHeaderPlaces();
  locateHeaders(bytes, 0, bytes.length, places);
  return places;
}

/** Checksums of 0 and 0xffff mean the same; UDP's "none" aside, which builders never write. */
function normalized(bytes: Uint8Array, places: HeaderPlaces): number[] {
  const copy = Array.from(bytes);
  const offsets: Record<number, number> = { 6: 16, 17: 6, 1: 2, 58: 2 };
  const place = offsets[places.protocol];
  const fields = place === undefined ? [] : [places.transport + place];
  if (places.kind === 4) fields.push(places.network + IPV4.checksum);
  for (const at of fields) {
    if (get16(bytes, at) === 0xffff) copy[at] = copy[at + 1] = 0;
  }
  return copy;
}

describe("rewriting IPv4 in place equals building the packet anew (RFC 1624)", () => {
  it("addresses, TOS, TTL and ports, full and partial checksums", () => {
    fc.assert(
      fc.property(specs, specs, (from, to) => {
        const target: Spec = {
          ...to,
          mode: from.mode,
          l4: { ...from.l4, source: to.l4.source, destination: to.l4.destination },
        };
        const bytes = ipv4Frame(from);
        const places = locate(bytes);
        const partial = from.mode === "partial";
        setIpv4Address(bytes, places, IPV4.source, target.source, partial);
        setIpv4Address(bytes, places, IPV4.destination, target.destination, partial);
        setTos(bytes, places, target.tos);
        setTtl(bytes, places, target.ttl);
        if (from.l4.kind === "icmp") {
          setIcmp(bytes, places, to.l4.source, to.l4.destination, false);
        } else {
          // SCTP has no partial form in the builder.
          const keep = partial && from.l4.kind !== "sctp";
          setPort(bytes, places, 0, to.l4.source, keep);
          setPort(bytes, places, 2, to.l4.destination, keep);
        }
        if (from.l4.kind === "icmp" && partial) return;
        expect(normalized(bytes, places)).toEqual(normalized(ipv4Frame(target), places));
        expect(ipv4ChecksumHolds(bytes, places.network)).toBe(true);
      }),
      { numRuns: 600 },
    );
  });

  it("a UDP packet without a checksum stays without one (RFC 768)", () => {
    const payload = buildIpv4({
      source: "10.0.0.1",
      destination: "10.0.0.2",
      protocol: 17,
      payload: buildUdp({ source: 1, destination: 2 }),
      transportChecksum: "keep",
    });
    const bytes = buildEthernet({ type: 0x0800, payload });
    const places = locate(bytes);
    setIpv4Address(bytes, places, IPV4.source, 0x01020304, false);
    setPort(bytes, places, 2, 4711, false);
    expect(get16(bytes, places.transport + 6)).toBe(0);
    expect(get16(bytes, places.transport + 2)).toBe(4711);
  });

  it("a UDP checksum that becomes 0 is written as 0xffff", () => {
    const bytes = buildEthernet({
      type: 0x0800,
      payload: buildIpv4({
        source: "10.0.0.1",
        destination: "10.0.0.2",
        protocol: 17,
        payload: buildUdp({ source: 1, destination: 2 }),
      }),
    });
    const places = locate(bytes);
    let seen = 0;
    for (let port = 0; port < 0x10000; port++) {
      setPort(bytes, places, 0, port, false);
      expect(get16(bytes, places.transport + 6)).not.toBe(0);
      if (get16(bytes, places.transport + 6) === 0xffff) seen++;
    }
    expect(seen).toBe(1);
  });

  it("a later fragment's payload is not taken for ports", () => {
    const bytes = buildEthernet({
      type: 0x0800,
      payload: buildIpv4({
        source: "10.0.0.1",
        destination: "10.0.0.2",
        protocol: 17,
        payload: new Uint8Array(16),
        fragment: 5,
        transportChecksum: "keep",
      }),
    });
    const places = locate(bytes);
    expect(places.transport).toBe(-1);
    const before = bytes.slice(34);
    setPort(bytes, places, 0, 99, false);
    setIpv4Address(bytes, places, IPV4.source, 1, false);
    expect(bytes.slice(34)).toEqual(before);
    expect(ipv4ChecksumHolds(bytes, places.network)).toBe(true);
  });
});

describe("rewriting IPv6 in place equals building the packet anew", () => {
  const words = fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 4, maxLength: 4 });
  const text = (address: number[]): string =>
    address.map((w) => `${(w >>> 16).toString(16)}:${(w & 0xffff).toString(16)}`).join(":");
  it("addresses, class, label, hop limit and ports", () => {
    fc.assert(
      fc.property(
        fc.record({ s: words, d: words, s2: words, d2: words }),
        fc.boolean(),
        fc.boolean(),
        fc.nat(0xffff),
        (a, udp, partial, port) => {
          const build = (s: number[], d: number[], p: number, fresh: boolean): Uint8Array => {
            const l4 = { source: p, destination: 80, payload: new Uint8Array([1, 2, 3]) };
            return buildEthernet({
              type: 0x86dd,
              tags: [{ tci: 5 }],
              payload: buildIpv6({
                source: text(s),
                destination: text(d),
                protocol: udp ? 17 : 6,
                payload: udp ? buildUdp(l4) : buildTcp(l4),
                hopLimit: fresh ? 7 : 64,
                trafficClass: fresh ? 0xab : 0,
                label: fresh ? 0x12345 : 0xfffff,
                transportChecksum: partial ? "partial" : "full",
              }),
            });
          };
          const bytes = build(a.s, a.d, 1, false);
          const places = locate(bytes);
          for (let i = 0; i < 4; i++) {
            setIpv6AddressWord(bytes, places, IPV6.source + 4 * i, a.s2[i]!, partial);
            setIpv6AddressWord(bytes, places, IPV6.destination + 4 * i, a.d2[i]!, partial);
          }
          setPort(bytes, places, 0, port, partial);
          setTos(bytes, places, 0xab);
          setTtl(bytes, places, 7);
          setFlowLabel(bytes, places, 0x12345);
          const target = normalized(build(a.s2, a.d2, port, true), places);
          expect(normalized(bytes, places)).toEqual(target);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("neighbor discovery: target and link-layer option, checksum following", () => {
    const build = (target: string, mac: number[]): Uint8Array => {
      const rest = new Uint8Array(4 + 16 + 8);
      rest.set(ipv6Bytes(target), 4);
      rest.set([1, 1, ...mac], 20);
      return buildEthernet({
        type: 0x86dd,
        payload: buildIpv6({
          source: "fe80::1",
          destination: "ff02::1:ff00:2",
          protocol: 58,
          payload: buildIcmp({ type: 135, rest }),
        }),
      });
    };
    const bytes = build("fe80::2", [2, 0, 0, 0, 0, 1]);
    const places = locate(bytes);
    const target = ipv6Bytes("2001:db8::7");
    for (let i = 0; i < 4; i++) setNdTargetWord(bytes, places, i, get32(target, 4 * i), false);
    setNdLinkAddress(bytes, places, { kind: 1, high: 0xaabb, low: 0xccddeeff }, false);
    expect(bytes).toEqual(build("2001:db8::7", [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]));
  });

  it("extension headers are passed over; a broken chain leaves no transport", () => {
    const extension = new Uint8Array(8);
    extension[0] = 17;
    const payload = buildIpv6({
      source: "::1",
      destination: "::2",
      protocol: 17,
      payload: buildUdp({ source: 1, destination: 2 }),
      extensions: { nextHeader: 0, bytes: extension },
    });
    const bytes = buildEthernet({ type: 0x86dd, payload });
    expect(locate(bytes).transport).toBe(14 + 40 + 8);
    bytes[14 + 40 + 1] = 200;
    expect(locate(bytes).transport).toBe(-1);
  });
});

it("ARP fields are set without touching others", () => {
  const base = { operation: 1, senderMac: "02:00:00:00:00:01", senderIp: 1, targetIp: 2 };
  const bytes = buildEthernet({ type: 0x0806, payload: buildArp(base) });
  const places = locate(bytes);
  setArpOperation(bytes, places, 2);
  setArpAddress(bytes, places, ARP.senderIp, 0x0a000001);
  setArpMac(bytes, places, ARP.targetMac, { high: 0x0300, low: 0x00000009 });
  const wanted = buildArp({
    operation: 2,
    senderMac: "02:00:00:00:00:01",
    senderIp: 0x0a000001,
    targetMac: "03:00:00:00:00:09",
    targetIp: 2,
  });
  expect(bytes).toEqual(buildEthernet({ type: 0x0806, payload: wanted }));
});

it("no content makes a rewrite throw or write outside its frame", () => {
  const places = newHeaderPlaces();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 120 }),
      fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100),
      fc.integer(),
      (content, type, value) => {
        const room = new Uint8Array(content.length + 32).fill(0x5a);
        room.set(content, 16);
        const length = content.length;
        if (length >= 14) room.set([type >>> 8, type & 255], 16 + 12);
        if (length >= 15) room[16 + 14] = type === 0x86dd ? 0x60 : 0x45;
        locateHeaders(room, 16, length, places);
        setIpv4Address(room, places, IPV4.source, value, false);
        setIpv6AddressWord(room, places, IPV6.source, value, false);
        setTos(room, places, value);
        setTtl(room, places, value);
        setFlowLabel(room, places, value);
        setPort(room, places, 2, value & 0xffff, false);
        setIcmp(room, places, value, value, false);
        setNdTargetWord(room, places, 3, value, false);
        setNdLinkAddress(room, places, { kind: 1, high: 1, low: value }, false);
        setArpOperation(room, places, value & 0xffff);
        setArpAddress(room, places, ARP.targetIp, value);
        expect(room.subarray(0, 16).every((b) => b === 0x5a)).toBe(true);
        expect(room.subarray(16 + length).every((b) => b === 0x5a)).toBe(true);
      },
    ),
    { numRuns: 3000 },
  );
});
