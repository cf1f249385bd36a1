// Goal: what the pcapng writer writes is what a reader reads, for every length, alignment and time.
// Method: fast-check round trips through a strict little reader; fixed cases at the edges.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  LINKTYPE_ETHERNET,
  packetBlockBytes,
  packetInfo,
  pcapngBuffer,
  setPacketTime,
  writeInterface,
  writePacketBlock,
  writeSectionHeader,
} from "../../src/wire/pcapng.js";
import { readCapture } from "./pcapng-reader.js";

const INTERFACE = {
  name: "server",
  description: "port 2",
  linkType: LINKTYPE_ETHERNET,
  snapLengthBytes: 0,
};

function begin(sizeBytes: number) {
  const out = pcapngBuffer(new ArrayBuffer(sizeBytes));
  const section = writeSectionHeader(out, 0, "packetpath");
  const used = section + writeInterface(out, section, INTERFACE);
  return { out, used };
}

describe("pcapng writer", () => {
  it("frames come back with bytes, time, lengths and options", () => {
    const frame = fc.record({
      data: fc.uint8Array({ maxLength: 200 }),
      source: fc.nat(13),
      extra: fc.nat(70_000),
      seconds: fc.nat(2 ** 31 - 1),
      nanoseconds: fc.maxSafeNat().map((n) => n % (2 ** 53 - 2 ** 46)),
      queue: fc.nat(255),
      high: fc.nat(0xffffffff),
      low: fc.nat(0xffffffff),
      direction: fc.nat(2),
      comment: fc.option(fc.string({ minLength: 1, maxLength: 30 }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const { out, used } = begin(16_384);
        const pool = pcapngBuffer(new SharedArrayBuffer(256));
        const info = packetInfo();
        let at = used;
        for (const one of frames) {
          pool.bytes.set(one.data, one.source);
          setPacketTime(info, one.seconds, one.nanoseconds);
          info.capturedBytes = one.data.length;
          info.originalBytes = one.data.length + one.extra;
          info.queue = one.queue;
          info.packetIdHigh = one.high;
          info.packetIdLow = one.low;
          info.direction = one.direction;
          info.comment = one.comment === null ? null : new TextEncoder().encode(one.comment);
          const wrote = writePacketBlock(out, at, info, pool, one.source);
          expect(wrote).toBe(packetBlockBytes(one.data.length, info.comment?.length ?? 0));
          at += wrote;
        }
        const capture = readCapture(out.bytes.slice(0, at));
        expect(capture.interfaces).toEqual([{ name: "server", linkType: 1 }]);
        expect(capture.packets.length).toBe(frames.length);
        frames.forEach((one, i) => {
          const packet = capture.packets[i]!;
          expect(packet.data).toEqual([...one.data]);
          expect(packet.time).toBe(BigInt(one.seconds) * 1_000_000_000n + BigInt(one.nanoseconds));
          expect(packet.originalBytes).toBe(one.data.length + one.extra);
          const value = (code: number) =>
            packet.options.find((option) => option.code === code)?.value;
          expect(value(6)?.[0]).toBe(one.queue);
          expect(value(2)?.[0]).toBe(one.direction);
          const id = Uint32Array.from([one.low, one.high]);
          expect(value(5)).toEqual([...new Uint8Array(id.buffer)]);
          const text = value(1);
          expect(text === undefined ? null : new TextDecoder().decode(Uint8Array.from(text))).toBe(
            one.comment,
          );
        });
      }),
      { numRuns: 200 },
    );
  });

  it("nanoseconds since 1970 are exact where a double is not", () => {
    const info = packetInfo();
    setPacketTime(info, 1_795_226_535, 123_456_789);
    const time = (BigInt(info.timeHigh) << 32n) | BigInt(info.timeLow);
    expect(time).toBe(1_795_226_535_123_456_789n);
    expect(BigInt(1_795_226_535 * 1e9 + 123_456_789)).not.toBe(time);
  });

  it("a block that does not fit writes nothing and says 0", () => {
    const need = packetBlockBytes(60, 0);
    const out = pcapngBuffer(new ArrayBuffer(need));
    const pool = pcapngBuffer(new ArrayBuffer(64));
    const info = packetInfo();
    info.capturedBytes = 60;
    expect(writePacketBlock(out, 4, info, pool, 0)).toBe(0);
    expect(out.bytes.every((byte) => byte === 0)).toBe(true);
    expect(writePacketBlock(out, 0, info, pool, 0)).toBe(need);
    expect(writeSectionHeader(out, need - 8, "packetpath")).toBe(0);
    expect(writeInterface(out, need - 8, INTERFACE)).toBe(0);
  });

  it("padding never shows bytes of an earlier frame", () => {
    const { out, used } = begin(1024);
    out.bytes.fill(0xee, used);
    const pool = pcapngBuffer(new ArrayBuffer(64));
    const info = packetInfo();
    info.capturedBytes = 61;
    writePacketBlock(out, used, info, pool, 0);
    expect([...out.bytes.slice(used + 28, used + 92)].every((byte) => byte === 0)).toBe(true);
  });
});
