// What FullNAT changes in TCP besides the address option: MSS, timestamps, sequence numbers,
// addresses and ports. Read back by a reader that shares no code with it.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAddress, writeAddress } from "../../../src/balancer/segment/addresses.js";
import {
  newSegment,
  openSegment,
  sealSegment,
  type Segment,
} from "../../../src/balancer/segment/segment.js";
import {
  blankTimestamps,
  lowerMss,
  shiftSequence,
  unshiftAcknowledgment,
} from "../../../src/balancer/segment/tcp-edit.js";
import { newClientAddress, toaSize } from "../../../src/wire/options/toa.js";
import { type FrameSpec, lay, type LaidFrame, v4, v6 } from "./frames.js";

const SYN = 0x02;
const SYN_ACK = 0x12;
const VNETS = ["none", "plain", "partial", "gso"] as const;

function edit(spec: FrameSpec, change: (segment: Segment) => void): LaidFrame {
  const laid = lay(spec);
  const segment = newSegment();
  expect(openSegment(segment, laid.frame, laid.floor)).toBe(0);
  change(segment);
  sealSegment(segment);
  expect(laid.isGuarded()).toBe(true);
  return laid;
}

const mssOption = (mss: number): string => `0204${mss.toString(16).padStart(4, "0")}`;

function mssAfter(options: string, by: number): number {
  const laid = edit({ flags: SYN_ACK, options }, (segment) => lowerMss(segment, by));
  const { hex } = laid.read().options.find(({ kind }) => kind === 2)!;
  return Number.parseInt(hex.slice(4), 16);
}

describe("behaviour 7: the MSS of the SYN-ACK", () => {
  it("1460 becomes 1452 for IPv4 clients and 1440 for IPv6 clients", () => {
    expect(mssAfter(mssOption(1460), toaSize(4))).toBe(1452);
    expect(mssAfter(mssOption(1460), toaSize(6))).toBe(1440);
    expect(mssAfter(`01010402${mssOption(1460)}`, 8)).toBe(1452);
  });

  it.each([
    [0, 8, 0],
    [7, 8, 7],
    [55, 8, 55],
    [56, 8, 48],
    [67, 20, 67],
    [68, 20, 48],
    [65535, 20, 65515],
  ])("%i less %i is %i: it never wraps, as it does in DPVS", (mss, by, expected) => {
    expect(mssAfter(mssOption(mss), by)).toBe(expected);
  });

  it.each([
    ["no option", "01010101"],
    ["another size", "02050000b4000000"],
    ["behind the end of the list", `00000000${mssOption(1460)}`],
    ["cut short", "01010204"],
  ])("nothing to lower: %s", (_name, options) => {
    const spec: FrameSpec = { flags: SYN_ACK, options };
    const laid = edit(spec, (segment) => expect(lowerMss(segment, 8)).toBe(false));
    expect(laid.copy()).toEqual(lay(spec).copy());
  });
});

describe("timestamps leave the SYN", () => {
  it("NOPs in their place, the other options where they were", () => {
    const options = `${mssOption(1460)}0402080a00000001000000000103030a`;
    const after = edit({ flags: SYN, options }, blankTimestamps).read();
    const kinds = after.options.map(({ kind }) => kind);
    expect(kinds).toEqual([2, 4, ...new Array<number>(10).fill(1), 1, 3]);
    expect(after.options.at(-1)!.hex).toBe("03030a");
  });

  it("of another size they are something else and stay", () => {
    const spec: FrameSpec = { flags: SYN, options: "080c00000001000000000000" };
    expect(edit(spec, blankTimestamps).copy()).toEqual(lay(spec).copy());
  });
});

describe("behaviour 14: a constant between the client's numbers and the server's", () => {
  const sackBlock = (left: number, right: number): string =>
    [left, right].map((edge) => (edge >>> 0).toString(16).padStart(8, "0")).join("");

  it("sequence numbers, acknowledgments and all edges of SACK blocks wrap together", () => {
    const delta = 0xffff_ff00;
    const toServer = edit({ sequence: 0x200 }, (segment) => shiftSequence(segment, delta)).read();
    expect(toServer.sequence).toBe(0x100);
    expect(toServer.acknowledgment).toBe(2000);
    const blocks = sackBlock(0x100, 0x180) + sackBlock(-16, 16) + sackBlock(0xfffffff0, 0);
    const options = `0101051a${blocks}`;
    const back = edit({ acknowledgment: 0x100, options }, (segment) => {
      unshiftAcknowledgment(segment, delta);
    }).read();
    expect(back.acknowledgment).toBe(0x200);
    expect(back.sequence).toBe(1000);
    const wanted = sackBlock(0x200, 0x280) + sackBlock(0xf0, 0x110) + sackBlock(0xf0, 0x100);
    expect(back.options.at(-1)!.hex).toBe(`051a${wanted}`);
  });

  it("what acknowledges nothing, and SACK blocks of half a size, stay as they are", () => {
    const reset: FrameSpec = { flags: 0x04, acknowledgment: 5 };
    expect(edit(reset, (s) => unshiftAcknowledgment(s, 9)).copy()).toEqual(lay(reset).copy());
    const half: FrameSpec = { options: "01010506 00000001 0000 0000" };
    expect(
      edit(half, (s) => unshiftAcknowledgment(s, 1))
        .read()
        .options.at(-1)!.hex,
    ).toBe("050600000001");
  });

  it("a whole stream that crosses the wrap: what the server gets is what the client sent", () => {
    const streams = fc.record({
      isn: fc.integer({ min: 0xffff_f000, max: 0xffff_ffff }),
      delta: fc.integer({ min: 0, max: 0xffff_ffff }),
      pieces: fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), {
        minLength: 1,
        maxLength: 30,
      }),
      vnet: fc.constantFrom(...VNETS),
    });
    fc.assert(
      fc.property(streams, ({ isn, delta, pieces, vnet }) => {
        const base = (isn + delta) >>> 0;
        let sent = 1;
        let got = "";
        for (const payload of pieces) {
          const spec: FrameSpec = { sequence: (isn + sent) >>> 0, payload, vnet };
          const arrived = edit(spec, (segment) => shiftSequence(segment, delta)).read();
          // The server puts the bytes where their number says.
          const place = ((arrived.sequence - base) >>> 0) - 1;
          expect(place * 2).toBe(got.length);
          got += arrived.payload;
          sent += payload.length;
          // It acknowledges them in its own numbers; the client hears its own.
          const acknowledgment = (base + sent) >>> 0;
          const options = `0101050a${sackBlock(base + 1, base + sent)}`;
          const heard = edit({ acknowledgment, options }, (segment) => {
            unshiftAcknowledgment(segment, delta);
          }).read();
          expect(heard.acknowledgment).toBe((isn + sent) >>> 0);
          expect(heard.options.at(-1)!.hex).toBe(`050a${sackBlock(isn + 1, isn + sent)}`);
        }
        expect(got).toBe(Buffer.concat(pieces).toString("hex"));
      }),
      { numRuns: 100 },
    );
  });
});

describe("addresses and ports", () => {
  const shapes = VNETS.flatMap((vnet) =>
    (["tcp", "udp"] as const).flatMap((protocol) =>
      ([4, 6] as const).map((version) => ({
        version,
        protocol,
        vnet,
        payload: 3001,
        gsoSize: 1000,
      })),
    ),
  );

  it.each(shapes)("IPv$version $protocol, vnet header: $vnet", (spec) => {
    const before = lay(spec).read();
    const source = spec.version === 4 ? v4("10.9.8.7", 1025) : v6("2001:db8:9::7", 1025);
    const target = spec.version === 4 ? v4("10.1.1.1", 8080) : v6("fd00::1", 8080);
    const after = edit(spec, (segment) => {
      writeAddress(segment, "source", source.words, 0, source.port);
      writeAddress(segment, "destination", Int32Array.from(target.words), 0, target.port);
      const read = newClientAddress();
      readAddress(segment, "source", read);
      expect(read).toEqual(source);
      readAddress(segment, "destination", read);
      expect(read).toEqual(target);
    }).read();
    expect(after).toEqual({
      ...before,
      source: spec.version === 4 ? "10.9.8.7" : "20010db8000900000000000000000007",
      destination: spec.version === 4 ? "10.1.1.1" : "fd000000000000000000000000000001",
      sourcePort: 1025,
      destinationPort: 8080,
    });
  });

  it("UDP without a checksum stays without one; one that becomes 0 is written as ffff", () => {
    const udp: FrameSpec = { protocol: "udp", payload: 2 };
    const laid = lay(udp);
    const at = laid.frame.offset + 14 + 20 + 6;
    laid.frame.bytes.fill(0, at, at + 2);
    const segment = newSegment();
    openSegment(segment, laid.frame, laid.floor);
    writeAddress(segment, "source", v4("10.9.8.7", 7).words, 0, 7);
    sealSegment(segment);
    expect([...laid.frame.bytes.subarray(at, at + 2)]).toEqual([0, 0]);
    laid.read();
    const stored = (port: number): number => {
      const words = v4("10.9.8.7").words;
      const { frame } = edit(udp, (each) => writeAddress(each, "source", words, 0, port));
      return (frame.bytes[at]! << 8) | frame.bytes[at + 1]!;
    };
    // The port that makes the sum of all else whole is the checksum without it.
    expect(stored(stored(0))).toBe(0xffff);
  });
});
