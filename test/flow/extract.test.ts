// The key against frames built field by field, and against bytes that mean nothing.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DROP } from "../../src/base/drop-reasons.js";
import { extractKey } from "../../src/flow/extract.js";
import { fieldByName, getField, getFieldWords } from "../../src/flow/fields.js";
import { KEY_WORDS, WORD, flowHash, identityWords, newKey } from "../../src/flow/key.js";
import { buildArp } from "../../src/wire/arp.js";
import { buildEthernet, macBytes } from "../../src/wire/ethernet.js";
import { buildIpv4, ipv4Number } from "../../src/wire/ipv4.js";
import { buildIpv6, ipv6Bytes } from "../../src/wire/ipv6.js";
import { buildIcmp, buildSctp, buildTcp, buildUdp } from "../../src/wire/transport.js";

function keyOf(frame: Uint8Array, inPort = 3): Uint32Array {
  const key = newKey().fill(0xdeadbeef);
  // As an IPv6 frame may have left it: with something in every word.
  key[WORD.typeVlan] = 0x86dd0000;
  expect(extractKey(frame, 0, frame.length, inPort, key)).toBe(0);
  return key;
}

function read(key: Uint32Array, name: string): number {
  return getField(key, fieldByName(name)!);
}

function readHex(key: Uint32Array, name: string): string {
  const field = fieldByName(name)!;
  const words = new Uint32Array(field.words);
  getFieldWords(key, field, words);
  return Array.from(words, (w) => w.toString(16).padStart(8, "0")).join("");
}

const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

const ends = { source: "10.1.2.3", destination: "192.168.255.254" };

describe("extractKey", () => {
  it("IPv4 TCP: every field where the registry says it is", () => {
    const payload = buildIpv4({
      ...ends,
      protocol: 6,
      tos: 0xb9,
      ttl: 17,
      options: new Uint8Array(8),
      payload: buildTcp({ source: 4711, destination: 80, flags: 0x812 }),
    });
    const key = keyOf(buildEthernet({ type: 0x0800, payload }));
    expect(read(key, "in_port")).toBe(3);
    expect(readHex(key, "dl_dst")).toBe("0000020000000002");
    expect(readHex(key, "dl_src")).toBe("0000020000000001");
    expect(read(key, "dl_type")).toBe(0x0800);
    expect(read(key, "vlan_tci")).toBe(0);
    expect(read(key, "nw_src")).toBe(ipv4Number(ends.source));
    expect(read(key, "nw_dst")).toBe(ipv4Number(ends.destination));
    expect(read(key, "nw_proto")).toBe(6);
    expect(read(key, "nw_tos")).toBe(0xb9);
    expect(read(key, "ip_dscp")).toBe(0xb9 >> 2);
    expect(read(key, "nw_ecn")).toBe(1);
    expect(read(key, "nw_ttl")).toBe(17);
    expect(read(key, "nw_frag")).toBe(0);
    expect(read(key, "tcp_src")).toBe(4711);
    expect(read(key, "tcp_dst")).toBe(80);
    expect(read(key, "tcp_flags")).toBe(0x812);
    expect(identityWords(key)).toBe(12);
  });

  it("the metadata part of the key is left alone", () => {
    expect(read(keyOf(buildEthernet({ type: 0x9999 })), "reg7")).toBe(0xdeadbeef);
  });

  it("tags: the outer TCI, the type behind two tags, and TPIDs", () => {
    const payload = buildIpv4({ ...ends, protocol: 17, payload: new Uint8Array(8) });
    const tags = [{ tpid: 0x88a8, tci: 0x6005 }, { tci: 0x0007 }];
    const key = keyOf(buildEthernet({ type: 0x0800, tags, payload }));
    expect(read(key, "vlan_tci")).toBe(0x7005);
    expect(read(key, "dl_vlan")).toBe(5);
    expect(read(key, "dl_vlan_pcp")).toBe(3);
    expect(read(key, "dl_type")).toBe(0x0800);
    expect(key[WORD.outerTpid]! >>> 16).toBe(0x88a8);
    expect(key[WORD.innerVlan]).toBe(0x81001007);
    expect(read(key, "nw_proto")).toBe(17);
  });

  it("fragments: first has ports, later has none", () => {
    const l4 = buildUdp({ source: 5, destination: 6 });
    const build = (fragment: number): Uint8Array =>
      buildEthernet({
        type: 0x0800,
        payload: buildIpv4({ ...ends, protocol: 17, payload: l4, fragment }),
      });
    const first = keyOf(build(0x2000));
    expect([read(first, "nw_frag"), read(first, "udp_src")]).toEqual([1, 5]);
    const later = keyOf(build(0x0010));
    expect([read(later, "nw_frag"), read(later, "udp_src")]).toEqual([3, 0]);
    expect(read(later, "nw_proto")).toBe(17);
    expect(read(keyOf(build(0x4000)), "nw_frag")).toBe(0);
    expect(flowHash(first)).toBe(flowHash(later));
  });

  it("ICMP and SCTP", () => {
    const icmp = buildIpv4({
      ...ends,
      protocol: 1,
      payload: buildIcmp({ type: 3, code: 4, rest: new Uint8Array(8) }),
    });
    const a = keyOf(buildEthernet({ type: 0x0800, payload: icmp }));
    expect([read(a, "icmp_type"), read(a, "icmp_code")]).toEqual([3, 4]);
    const sctp = buildIpv4({
      ...ends,
      protocol: 132,
      payload: buildSctp({ source: 7, destination: 8 }),
    });
    const b = keyOf(buildEthernet({ type: 0x0800, payload: sctp }));
    expect([read(b, "sctp_src"), read(b, "sctp_dst")]).toEqual([7, 8]);
  });

  it("ARP: addresses of both kinds and the operation", () => {
    const payload = buildArp({
      operation: 2,
      senderMac: "02:aa:bb:cc:dd:01",
      senderIp: ipv4Number("10.0.0.1"),
      targetMac: "02:aa:bb:cc:dd:02",
      targetIp: ipv4Number("10.0.0.2"),
    });
    const key = keyOf(buildEthernet({ type: 0x0806, payload }));
    expect(read(key, "arp_op")).toBe(2);
    expect(read(key, "arp_spa")).toBe(ipv4Number("10.0.0.1"));
    expect(read(key, "arp_tpa")).toBe(ipv4Number("10.0.0.2"));
    expect(readHex(key, "arp_sha")).toBe("000002aabbccdd01");
    expect(readHex(key, "arp_tha")).toBe("000002aabbccdd02");
    expect(identityWords(key)).toBe(32);
  });

  it("IPv6 with extension headers, label, class, and ports behind them", () => {
    const bytes = new Uint8Array(8 + 16);
    bytes[0] = 60;
    bytes[8] = 6;
    bytes[9] = 1;
    const payload = buildIpv6({
      source: "2001:db8::1",
      destination: "fe80::1234",
      protocol: 6,
      payload: buildTcp({ source: 1, destination: 443 }),
      trafficClass: 0x2e,
      label: 0xabcde,
      hopLimit: 9,
      extensions: { nextHeader: 0, bytes },
    });
    const key = keyOf(buildEthernet({ type: 0x86dd, payload }));
    expect(readHex(key, "ipv6_src")).toBe(hexOf(ipv6Bytes("2001:db8::1")));
    expect(readHex(key, "ipv6_dst")).toBe(hexOf(ipv6Bytes("fe80::1234")));
    expect(read(key, "ipv6_label")).toBe(0xabcde);
    expect(read(key, "nw_tos")).toBe(0x2e);
    expect(read(key, "nw_ttl")).toBe(9);
    expect(read(key, "nw_proto")).toBe(6);
    expect(read(key, "tcp_dst")).toBe(443);
  });

  it("IPv6 fragments: the later one has protocol 44 (lib/flow.c parse_ipv6_ext_hdrs)", () => {
    const build = (offset: number): Uint8Array => {
      const bytes = new Uint8Array(8);
      bytes[0] = 17;
      bytes[2] = offset >> 8;
      bytes[3] = offset & 255;
      const payload = buildUdp({ source: 5, destination: 6 });
      return buildEthernet({
        type: 0x86dd,
        payload: buildIpv6({
          source: "::1",
          destination: "::2",
          protocol: 17,
          payload,
          extensions: { nextHeader: 44, bytes },
        }),
      });
    };
    const [first, later, atomic] = [keyOf(build(1)), keyOf(build(8)), keyOf(build(0))];
    expect([read(first, "nw_frag"), read(first, "nw_proto"), read(first, "udp_src")]).toEqual([
      1, 17, 5,
    ]);
    expect([read(later, "nw_frag"), read(later, "nw_proto"), read(later, "udp_src")]).toEqual([
      3, 44, 0,
    ]);
    expect([read(atomic, "nw_frag"), read(atomic, "nw_proto")]).toEqual([0, 17]);
  });

  it.each([
    [135, 1, "nd_sll"],
    [136, 2, "nd_tll"],
  ])("neighbor discovery type %i, option %i is %s", (type, option, name) => {
    const rest = new Uint8Array(4 + 16 + 8);
    rest.set(ipv6Bytes("fe80::99"), 4);
    rest.set([option, 1, ...macBytes("02:11:22:33:44:55")], 20);
    const payload = buildIpv6({
      source: "fe80::1",
      destination: "fe80::2",
      protocol: 58,
      payload: buildIcmp({ type, rest }),
    });
    const key = keyOf(buildEthernet({ type: 0x86dd, payload }));
    expect(read(key, "icmpv6_type")).toBe(type);
    expect(readHex(key, "nd_target")).toBe(hexOf(ipv6Bytes("fe80::99")));
    expect(readHex(key, name)).toBe("0000021122334455");
    expect(readHex(key, name === "nd_sll" ? "nd_tll" : "nd_sll")).toBe("0".repeat(16));
  });

  it("802.3: SNAP carries an ethertype, plain LLC is 0x05ff", () => {
    const snap = Uint8Array.from([0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x06]);
    expect(read(keyOf(buildEthernet({ type: 8, payload: snap })), "dl_type")).toBe(0x0806);
    expect(read(keyOf(buildEthernet({ type: 3, payload: snap.fill(0x42) })), "dl_type")).toBe(
      0x5ff,
    );
  });

  it("a header that lies about its length leaves its layer at 0, the lower ones stay", () => {
    const payload = buildIpv4({ ...ends, protocol: 17, payload: new Uint8Array(8) });
    const frame = buildEthernet({ type: 0x0800, payload });
    for (const [at, value] of [
      [14, 0x4f],
      [14, 0x44],
      [17, 200],
      [17, 19],
    ] as const) {
      const key = keyOf(Uint8Array.from(frame).fill(value, at, at + 1));
      expect(read(key, "dl_type")).toBe(0x0800);
      expect([read(key, "nw_src"), read(key, "nw_proto")]).toEqual([0, 0]);
    }
  });

  it("frames shorter than 14 bytes are runts", () => {
    for (let length = 0; length < 14; length++) {
      expect(extractKey(new Uint8Array(20), 0, length, 1, newKey())).toBe(DROP.runt);
    }
  });

  it("no content throws, or depends on what lies behind the frame or was in the key", () => {
    const b = newKey();
    const types = fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 8);
    const contents = fc.uint8Array({ minLength: 14, maxLength: 140, size: "max" });
    fc.assert(
      fc.property(contents, types, (content, type) => {
        content.set([type >>> 8, type & 255], 12);
        if (content.length > 14 && type === 0x0800) content[14] = 0x45;
        if (content.length > 20 && type === 0x86dd)
          content.set([0x60, 0, 0, 0, 0, content.length - 54], 14);
        const a = newKey();
        const roomA = new Uint8Array(content.length + 64);
        const roomB = new Uint8Array(content.length + 64).fill(0xff);
        roomA.set(content, 8);
        roomB.set(content, 8);
        expect(extractKey(roomA, 8, content.length, 1, a)).toBe(0);
        expect(extractKey(roomB, 8, content.length, 1, b)).toBe(0);
        expect(a).toEqual(b);
        if (identityWords(a) === 12) {
          expect(a.subarray(12, KEY_WORDS).every((w) => w === 0)).toBe(true);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe("flowHash", () => {
  it("is the same for both directions and differs between flows", () => {
    const frame = (a: string, b: string, s: number, d: number): Uint8Array =>
      buildEthernet({
        type: 0x0800,
        payload: buildIpv4({
          source: a,
          destination: b,
          protocol: 6,
          payload: buildTcp({ source: s, destination: d }),
        }),
      });
    const seen = new Set<number>();
    for (let port = 1000; port < 2000; port++) {
      const there = flowHash(keyOf(frame("10.0.0.1", "10.0.0.2", port, 80)));
      expect(flowHash(keyOf(frame("10.0.0.2", "10.0.0.1", 80, port)))).toBe(there);
      seen.add(there);
    }
    expect(seen.size).toBe(1000);
    const buckets = new Array<number>(8).fill(0);
    for (const hash of seen) buckets[hash >>> 29]!++;
    expect(Math.min(...buckets)).toBeGreaterThan(80);
  });

  it("an echo reply hashes as its request", () => {
    const icmp = (a: string, b: string, type: number): Uint32Array => {
      const payload = buildIcmp({ type, rest: new Uint8Array(8) });
      return keyOf(
        buildEthernet({
          type: 0x0800,
          payload: buildIpv4({ source: a, destination: b, protocol: 1, payload }),
        }),
      );
    };
    expect(flowHash(icmp("1.1.1.1", "2.2.2.2", 8))).toBe(flowHash(icmp("2.2.2.2", "1.1.1.1", 0)));
  });
});
