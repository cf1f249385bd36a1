// The client's address in TCP segments: where it lies, what becomes of lengths and checksums
// (by a reader that shares no code), when it is refused, and that a refused segment is untouched.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { insertToa, wantsToa } from "../../../src/balancer/segment/insert-toa.js";
import { REFUSAL, REFUSALS, refusalName } from "../../../src/balancer/segment/refusals.js";
import { newSegment, openSegment, sealSegment } from "../../../src/balancer/segment/segment.js";
import { blankToas } from "../../../src/balancer/segment/tcp-edit.js";
import type { ClientAddress, ToaProfile } from "../../../src/wire/options/toa.js";
import { type FrameSpec, lay, type LaidFrame, v4, v6 } from "./frames.js";
import { readVnet } from "./verify.js";

const MTU = 1500;
const TS = "0101080a0000000100000002";
/** Two NOPs, then SACK blocks, as Linux writes them. */
const sack = (blocks: number): string =>
  `010105${(2 + 8 * blocks).toString(16).padStart(2, "0")}${"0102030405060708".repeat(blocks)}`;
/** Hop-by-hop options of 8 bytes, destination options of 16; TCP follows. */
const OPTIONS_V6 = `3c00010400000000${"0601010c"}${"00".repeat(12)}`;
/** A fragment header with this offset and flags, other headers in front of it. */
const fragment = (offset: string, before = "") => ({
  nextHeader: before === "" ? 44 : 0,
  hex: `${before.replace("0601010c", "2c01010c")}0600${offset}00000001`,
});
const V4_OPTION = "fe08d431c000020a";
const V6_OPTION = "fe1401bb20010db8000000000000000000000010";

interface Outcome {
  readonly refusal: string;
  readonly laid: LaidFrame;
}

function insert(
  spec: FrameSpec | LaidFrame,
  client: ClientAddress = v4(),
  { mtu = MTU, profile = "dpvs" as ToaProfile } = {},
): Outcome {
  const laid = "frame" in spec ? spec : lay(spec);
  const segment = newSegment();
  expect(refusalName(openSegment(segment, laid.frame, laid.floor))).toBe("none");
  const refusal = refusalName(insertToa(segment, client, profile, mtu));
  if (refusal === "none") sealSegment(segment);
  expect(laid.isGuarded()).toBe(true);
  return { refusal, laid };
}

describe("behaviour 6: the segment afterwards, by an independent reader", () => {
  const shapes: [string, FrameSpec][] = [
    ["IPv4", {}],
    ["IPv4 with timestamps", { options: TS }],
    ["IPv4 with IP options", { ipOptions: "94040000" }],
    ["IPv4, Ethernet padding behind it", { padding: 6 }],
    ["IPv4, odd payload", { payload: 333 }],
    ["IPv6", { version: 6, payload: 100 }],
    ["IPv6 with timestamps", { version: 6, options: TS }],
    [
      "IPv6 behind extension headers",
      { version: 6, extensions: { nextHeader: 0, hex: OPTIONS_V6 } },
    ],
    ["IPv6, an atomic fragment", { version: 6, extensions: fragment("0000") }],
    ["IPv4, an empty vnet header", { vnet: "plain", payload: 5 }],
    ["IPv4, partial checksum", { vnet: "partial", payload: 99 }],
    ["IPv6, partial checksum", { version: 6, vnet: "partial", payload: 99, options: TS }],
    ["IPv4, a super-frame", { vnet: "gso", payload: 20_000, options: TS }],
    ["IPv6, a super-frame", { version: 6, vnet: "gso", payload: 60_001 }],
  ];
  const clients: [string, ClientAddress, string][] = [
    ["v4", v4(), V4_OPTION],
    ["v6", v6(), V6_OPTION],
  ];

  it.each(shapes.flatMap(([name, spec]) => clients.map((client) => [name, spec, client] as const)))(
    "%s, %s",
    (_name, spec, [, client, option]) => {
      const before = lay(spec).read();
      const { refusal, laid } = insert(spec, client);
      expect(refusal).toBe("none");
      const after = laid.read();
      const grown = option.length / 2;
      expect(after).toEqual({
        ...before,
        packetBytes: before.packetBytes + grown,
        headerBytes: before.headerBytes + grown,
        options: [{ kind: 254, hex: option }, ...before.options],
      });
    },
  );

  it("kind 253 for IPv6 in the dialect that tells by kind", () => {
    const { laid } = insert({ version: 6 }, v6(), { profile: "kind" });
    expect(laid.read().options[0]!.hex).toBe(`fd${V6_OPTION.slice(2)}`);
  });

  it("the vnet header: longer headers, the same checksum start, the same size of segments", () => {
    const spec: FrameSpec = { vnet: "gso", payload: 20_000, gsoSize: 1392, options: TS };
    const vnetOf = ({ frame }: LaidFrame) => readVnet(frame.bytes.subarray(frame.vnetOffset));
    const before = vnetOf(lay(spec));
    const { laid } = insert(spec, v6());
    expect(vnetOf(laid)).toEqual({ ...before, headerBytes: before.headerBytes + 20 });
    expect(before.gsoSize).toBe(1392);
  });

  it("the payload stays where it is: a super-frame costs no more than any other", () => {
    const { frame } = lay({ vnet: "gso", payload: 20_000 });
    const end = frame.offset + frame.length;
    const { laid } = insert({ vnet: "gso", payload: 20_000 });
    expect(laid.frame.offset + laid.frame.length).toBe(end);
    expect(laid.frame.offset).toBe(frame.offset - 8);
  });

  it("a payload that arrived damaged leaves damaged: its checksum is not made right", () => {
    const laid = lay({ payload: 100 });
    const last = laid.frame.offset + laid.frame.length - 1;
    laid.frame.bytes[last] = laid.frame.bytes[last]! ^ 0x10;
    expect(() => laid.read()).toThrow("transport checksum");
    insert(laid);
    expect(() => laid.read()).toThrow("transport checksum");
  });
});

/** What is left of the options besides the address: `as they were`, or their kinds. */
function left(options: string, client: ClientAddress): string {
  const { refusal, laid } = insert({ options }, client);
  if (refusal !== "none") return refusal;
  const before = lay({ options }).read();
  const [toa, ...others] = laid.read().options;
  expect(toa!.kind).toBe(254);
  if (JSON.stringify(others) === JSON.stringify(before.options)) return "as they were";
  for (const other of others) expect(before.options).toContainEqual(other);
  return others.map(({ kind }) => kind).join(" ");
}

describe("room for options: 40 bytes, and what pruning leaves where they do not suffice", () => {
  it.each([
    ["timestamps", TS, 28, "as they were", "as they were"],
    ["timestamps and one SACK block", TS + sack(1), 16, "as they were", "8 5"],
    ["behaviour 9: timestamps and two SACK blocks", TS + sack(2), 8, "as they were", "8"],
    ["timestamps and three SACK blocks", TS + sack(3), 0, "8", "8"],
    ["four SACK blocks", sack(4), 4, "", ""],
    ["four SACK blocks and an older address", `${V4_OPTION}01010101${sack(3)}`, 0, "5", ""],
    ["a list broken in front", `0500${"01".repeat(38)}`, 0, "as they were", "as they were"],
    ["timestamps four times", "080a0000000100000002".repeat(4), 0, "no-room", "no-room"],
  ])("%s", (_name, options, room, withV4, withV6) => {
    expect(40 - options.length / 2).toBe(room);
    expect(left(options, v4())).toBe(withV4);
    expect(left(options, v6())).toBe(withV6);
  });

  it("what pruning leaves is padded to a word with kind 0, and the payload is the same", () => {
    const spec: FrameSpec = { options: TS + sack(3), payload: 77, vnet: "partial" };
    const { laid } = insert(spec, v6());
    const after = laid.read();
    expect(after.headerBytes).toBe(20 + 20 + 12);
    expect(after.padding).toBe("0000");
    expect(after.payload).toBe(lay(spec).read().payload);
  });
});

describe("behaviour 8: the MTU", () => {
  const payload = (length: number): number => length - 40;

  it.each([
    ["v4", v4(), 8],
    ["v6", v6(), 20],
  ] as const)(
    "a packet of MTU minus the option takes a %s, one byte more does not",
    (_n, client, size) => {
      expect(insert({ payload: payload(MTU - size) }, client).refusal).toBe("none");
      expect(insert({ payload: payload(MTU - size + 1) }, client).refusal).toBe("needs-fragment");
    },
  );

  it("of a super-frame the packets count that it will be cut into", () => {
    const gso = (gsoSize: number): FrameSpec => ({ vnet: "gso", payload: 30_000, gsoSize });
    expect(insert(gso(1500 - 8 - 40)).refusal).toBe("none");
    expect(insert(gso(1500 - 7 - 40)).refusal).toBe("needs-fragment");
    const single: FrameSpec = { vnet: "gso", payload: 500, gsoSize: 9000 };
    expect(insert(single).refusal).toBe("none");
  });

  it("an IP length ends at 65535", () => {
    const gso = (length: number): FrameSpec => ({ vnet: "gso", payload: payload(length) });
    expect(insert(gso(65_535 - 8)).refusal).toBe("none");
    expect(insert(gso(65_535 - 7)).refusal).toBe("needs-fragment");
  });

  it("pruning is tried here too", () => {
    const spec: FrameSpec = { options: "01".repeat(8), payload: MTU - 20 - 28 };
    const { refusal, laid } = insert(spec);
    expect(refusal).toBe("none");
    expect(laid.read().packetBytes).toBe(MTU);
    expect(laid.read().options).toEqual([{ kind: 254, hex: V4_OPTION }]);
  });
});

describe("refusals", () => {
  const full = "080a0000000100000002".repeat(4);
  const long: FrameSpec = { payload: 2000, options: full, headroom: 0 };

  it.each([
    ["unknown-mtu", long, 0],
    ["needs-fragment", long, MTU],
    ["no-room", { ...long, payload: 10 }, MTU],
    ["no-buffer", { headroom: 7 }, MTU],
    ["none", { headroom: 8 }, MTU],
    ["signed", { ...long, options: "13120102030405060708090a0b0c0d0e0f100000" }, 0],
    ["signed", { options: "1d04000101010101" }, MTU],
    ["syn-or-rst", { flags: 0x02 }, MTU],
    ["syn-or-rst", { flags: 0x12 }, MTU],
    ["syn-or-rst", { flags: 0x14 }, MTU],
    ["not-tcp-or-udp", { protocol: "udp" as const }, MTU],
  ])("in the order that DPVS asks: %s", (refusal, spec: FrameSpec, mtu) => {
    const laid = lay(spec);
    const before = laid.copy();
    expect(insert(laid, v4(), { mtu }).refusal).toBe(refusal);
    if (refusal !== "none") expect(laid.copy()).toEqual(before);
  });

  it("DPVS prunes and then looks; a refused segment is untouched here", () => {
    const laid = lay({ payload: 1480, options: TS + sack(3), headroom: 64 });
    const before = laid.copy();
    expect(insert(laid, v6()).refusal).toBe("needs-fragment");
    expect(laid.copy()).toEqual(before);
  });

  it.each([
    ["not-ip", lay({}), (bytes: Uint8Array) => bytes.set([0x88, 0xb5], 12)],
    ["fragment", lay({ fragment: 0x2000 }), () => undefined],
    ["fragment", lay({ fragment: 0x0001 }), () => undefined],
    ["fragment", lay({ version: 6, extensions: fragment("0001") }), () => undefined],
    ["fragment", lay({ version: 6, extensions: fragment("0008") }), () => undefined],
    ["fragment", lay({ version: 6, extensions: fragment("0001", OPTIONS_V6) }), () => undefined],
    ["not-tcp-or-udp", lay({}), (bytes: Uint8Array) => bytes.set([132], 23)],
    ["truncated", lay({}), (bytes: Uint8Array) => bytes.set([0x60], 46)],
    ["truncated", lay({}), (bytes: Uint8Array) => bytes.set([0x40], 46)],
    [
      "bad-vnet-header",
      lay({ vnet: "partial" }),
      (_bytes: Uint8Array, vnet: Uint8Array) => vnet.set([35], 6),
    ],
    [
      "bad-vnet-header",
      lay({ vnet: "partial" }),
      (_bytes: Uint8Array, vnet: Uint8Array) => vnet.set([6], 8),
    ],
  ] as const)("no segment at all: %s", (refusal, laid, damage) => {
    const { bytes, offset, vnetOffset } = laid.frame;
    damage(bytes.subarray(offset), bytes.subarray(Math.max(vnetOffset, 0)));
    const before = laid.copy();
    expect(refusalName(openSegment(newSegment(), laid.frame, laid.floor))).toBe(refusal);
    expect(laid.copy()).toEqual(before);
  });

  it("each reason has a name, and only one", () => {
    expect(new Set(REFUSALS.map(([name]) => name)).size).toBe(REFUSALS.length);
    expect(REFUSAL.none).toBe(0);
  });
});

describe("which segments tell the address", () => {
  it.each([
    ["the handshake's ACK", 0x10, 2000, true],
    ["data", 0x18, 2000, true],
    ["a FIN", 0x11, 2000, true],
    ["data after the client has seen an answer", 0x18, 2001, false],
    ["a SYN", 0x02, 0, false],
    ["a SYN with the same number", 0x12, 2000, false],
    ["a RST", 0x14, 2000, false],
    ["no acknowledgment at all", 0x08, 2000, false],
  ])("%s", (_name, flags, acknowledgment, expected) => {
    const laid = lay({ flags, acknowledgment });
    const segment = newSegment();
    openSegment(segment, laid.frame, laid.floor);
    expect(wantsToa(segment, 2000)).toBe(expected);
  });

  it("the number is compared modulo 2^32, signed words or not", () => {
    const laid = lay({ acknowledgment: 0xffff_fff0 });
    const segment = newSegment();
    openSegment(segment, laid.frame, laid.floor);
    expect(wantsToa(segment, 0xffff_fff0 | 0)).toBe(true);
  });

  it("an address that the client wrote itself is blanked", () => {
    const laid = lay({ options: `${V4_OPTION}${TS}` });
    const segment = newSegment();
    openSegment(segment, laid.frame, laid.floor);
    blankToas(segment);
    sealSegment(segment);
    const kinds = laid.read().options.map(({ kind }) => kind);
    expect(kinds).toEqual([...new Array<number>(10).fill(1), 8]);
  });
});

describe("any segment", () => {
  it("keeps ports, numbers, payload and what it had of options that pruning spares", () => {
    const specs = fc.record({
      version: fc.constantFrom(4 as const, 6 as const),
      vnet: fc.constantFrom("none" as const, "plain" as const, "partial" as const, "gso" as const),
      options: fc.uint8Array({ maxLength: 10 }).map((bytes) => {
        const words = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
        return words.map((word) => word.repeat(4)).join("");
      }),
      payload: fc.nat(1500),
      headroom: fc.nat(40),
    });
    fc.assert(
      fc.property(specs, fc.boolean(), (spec, isV4) => {
        const laid = lay(spec);
        const before = laid.read();
        const bytes = laid.copy();
        const { refusal } = insert(laid, isV4 ? v4() : v6());
        if (refusal !== "none") {
          expect(laid.copy()).toEqual(bytes);
          return;
        }
        const after = laid.read();
        expect(after.options[0]!.hex).toBe(isV4 ? V4_OPTION : V6_OPTION);
        for (const one of after.options.slice(1)) expect(before.options).toContainEqual(one);
        const same = ({
          options: _o,
          padding: _p,
          headerBytes: _h,
          packetBytes: _b,
          ...rest
        }: typeof after) => rest;
        expect(same(after)).toEqual(same(before));
      }),
      { numRuns: 1000 },
    );
  });
});
