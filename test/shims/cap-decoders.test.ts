// The decoders of the cap shim against those of cap 0.2.1 itself, on golden, truncated and mangled
// frames; without the real package, against results written down here.
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decoders } from "../../native-free-shims/cap/index.js";

type Decoders = typeof decoders;

function loadReal(): Decoders | null {
  try {
    const real = createRequire(import.meta.url)("cap") as { decoders: Decoders };
    return real.decoders;
  } catch {
    return null;
  }
}

const real = loadReal();
const why = real === null ? " (needs the optional package cap, which is not built here)" : "";

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ""), "hex");

/** A frame of each kind, from the destination address on. */
const GOLDEN: Record<string, Buffer> = {
  arp: hex(`ffffffffffff 020000000001 0806 0001 0800 06 04 0001
    020000000001 0a000001 000000000000 0a000002`),
  icmp: hex(`020000000002 020000000001 0800 4500 0054 1c46 4000 40 01 0a5b 0a000001 0a000002
    0800 f7ff 0001 0002 ${"61".repeat(56)}`),
  tcp: hex(`020000000002 020000000001 0800 4500 0028 0001 4000 40 06 66cd 0a000001 0a000002
    d431 0050 00000001 00000002 5010 7210 0000 0000`),
  tcpUrgent: hex(`020000000002 020000000001 0800 4548 0000 0001 2001 40 06 66cd 0a000001 0a000002
    d431 0050 00000001 00000002 5121 7210 0000 0007`),
  udp: hex(`020000000002 020000000001 8100 6007 0800 4500 0020 0001 4000 40 11 66ca
    0a000001 0a000002 1f90 0035 000c 0000 01020304`),
  udp6: hex(`020000000002 020000000001 86dd 6a30 0003 000c 11 40
    20010db8000000000000000000000001 20010db8000000000000000000000002
    1f90 0035 000c 0000 01020304`),
  extensions6: hex(`020000000002 020000000001 86dd 6000 0000 0034 00 40
    fe800000000000000000000000000001 ff020000000000000000000000000001
    3c00 0502 0000 0100 2b00 0104 00000000 2c00 0000 00000000 3300 0001 00000001
    1101 0000 00000001 00000002 1f90 0035 000c 0000 01020304`),
  length8023: hex(`0180c2000000 020000000001 0026 4242 03 ${"00".repeat(35)}`),
};

/** Every decoder at the places where a tool would call it. */
function decodeAll(from: Decoders, frame: Buffer): unknown {
  const at = 14;
  const call = (decode: () => unknown): unknown => {
    try {
      return decode();
    } catch {
      return "throws";
    }
  };
  return {
    ethernet: call(() => from.Ethernet(frame)),
    arp: call(() => from.ARP(frame, at)),
    ip4: call(() => from.IPV4(frame, at)),
    ip4Tagged: call(() => from.IPV4(frame, at + 4)),
    ip6: call(() => from.IPV6(frame, at)),
    icmp: call(() => from.ICMPV4(frame, frame.length, at + 20)),
    tcp: call(() => from.TCP(frame, at + 20)),
    udp: call(() => from.UDP(frame, at + 20)),
    udpTagged: call(() => from.UDP(frame, at + 24)),
    sctp: call(() => from.SCTP(frame, frame.length, at + 20)),
  };
}

const PROTOCOL_ESP = 50;

/** cap 0.2.1 never returns from an IPv6 packet that holds an ESP header. */
function realWouldHang(frame: Buffer): boolean {
  try {
    return decoders.IPV6(frame, 14).info.protocol === PROTOCOL_ESP;
  } catch {
    return false;
  }
}

describe("cap decoders", () => {
  it("reads the fields of a tagged UDP frame", () => {
    const ethernet = decoders.Ethernet(GOLDEN["udp"]!);
    expect(ethernet.info.vlan).toEqual({ priority: 0, CFI: false, VID: 7 });
    expect(ethernet.info.type).toBe(decoders.PROTOCOL.ETHERNET["IPV4"]);
    const ip = decoders.IPV4(GOLDEN["udp"]!, ethernet.offset);
    expect([ip.info.srcaddr, ip.info.dstaddr, ip.info.protocol]).toEqual([
      "10.0.0.1",
      "10.0.0.2",
      17,
    ]);
    const udp = decoders.UDP(GOLDEN["udp"]!, ip.offset);
    expect(udp.info).toEqual({ srcport: 8080, dstport: 53, length: 4, checksum: 0 });
  });

  it("finds UDP behind four IPv6 extension headers", () => {
    const ip = decoders.IPV6(GOLDEN["extensions6"]!, 14);
    expect(ip.info.protocol).toBe(17);
  });

  it("an ESP header ends the walk over IPv6 headers (cap 0.2.1 never returns)", () => {
    const frame = Buffer.from(GOLDEN["udp6"]!);
    frame[20] = PROTOCOL_ESP;
    expect(decoders.IPV6(frame, 14)).toMatchObject({
      info: { protocol: PROTOCOL_ESP },
      offset: 54,
    });
  });

  it("a frame cut inside its addresses is a RangeError", () => {
    expect(() => decoders.Ethernet(GOLDEN["tcp"]!.subarray(0, 9))).toThrow(RangeError);
  });

  it.skipIf(real === null)(`both protocol tables equal cap's${why}`, () => {
    expect(decoders.PROTOCOL).toEqual(real!.PROTOCOL);
    expect(Object.keys(decoders).sort()).toEqual(Object.keys(real!).sort());
  });

  it.skipIf(real === null)(`golden frames decode as cap decodes them${why}`, () => {
    for (const [name, frame] of Object.entries(GOLDEN)) {
      expect(decodeAll(decoders, frame), name).toEqual(decodeAll(real!, frame));
    }
  });

  it.skipIf(real === null)(`every ICMP type decodes as cap decodes it${why}`, () => {
    for (let type = 0; type < 256; type++) {
      for (const code of [0, 4]) {
        const frame = Buffer.from(GOLDEN["icmp"]!);
        frame.set([type, code, 0, 0, 3, 2], 34);
        const ours = decoders.ICMPV4(frame, frame.length, 34);
        expect(ours, `type ${type}`).toEqual(real!.ICMPV4(frame, frame.length, 34));
      }
    }
  });

  it.skipIf(real === null)(`golden frames cut anywhere decode or throw as in cap${why}`, () => {
    for (const [name, frame] of Object.entries(GOLDEN)) {
      for (let length = 0; length < frame.length; length++) {
        const cut = Buffer.from(frame.subarray(0, length));
        expect(decodeAll(decoders, cut), `${name} cut to ${length}`).toEqual(decodeAll(real!, cut));
      }
    }
  });

  it.skipIf(real === null)(`mangled frames decode or throw as in cap${why}`, () => {
    const mangled = fc
      .tuple(
        fc.constantFrom(...Object.values(GOLDEN)),
        fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 12 }),
        fc.nat(120),
      )
      .map(([frame, changes, keep]) => {
        const copy = Buffer.from(frame);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return Buffer.from(copy.subarray(0, Math.max(keep, 1)));
      });
    fc.assert(
      fc.property(mangled, (frame) => {
        fc.pre(!realWouldHang(frame));
        expect(decodeAll(decoders, frame)).toEqual(decodeAll(real!, frame));
      }),
      { numRuns: 2_000 },
    );
  });
});
