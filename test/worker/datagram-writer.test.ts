// Datagrams that leave together: whatever comes in, what the kernel makes of the writes is the same
// frames in the same order, and every frame is accounted for once.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import type { Frame } from "../../src/datapath/datapath.js";
import type { QueueIo } from "../../src/host/types.js";
import { CPU } from "../../src/sync/memory.js";
import { get16, put16 } from "../../src/wire/bytes.js";
import { RUN_MAX } from "../../src/wire/datagram-run.js";
import { buildEthernet } from "../../src/wire/ethernet.js";
import { buildIpv4, ipv4ChecksumHolds } from "../../src/wire/ipv4.js";
import { buildIpv6 } from "../../src/wire/ipv6.js";
import { buildUdp } from "../../src/wire/transport.js";
import {
  completeVnetChecksum,
  isGso,
  putVnetHeader,
  VNET_FLAG,
  VNET_GSO,
  vnetGsoSize,
  vnetGsoType,
} from "../../src/wire/vnet-header.js";
import { DatagramWriter } from "../../src/worker/datagram-writer.js";
import { HEADROOM_BYTES, newPool, runSlotOffset, VNET_BYTES } from "../../src/worker/frame-pool.js";

interface Datagram {
  readonly six?: boolean;
  readonly port?: number;
  readonly length?: number;
  readonly fill?: number;
  readonly ttl?: number;
  readonly identification?: number;
  /** Flags and offset of IPv4; default: don't fragment. */
  readonly fragment?: number;
  readonly tagged?: boolean;
  /** The checksum is complete, as from a sender without offload. */
  readonly complete?: boolean;
}

/** A datagram as a TAP hands it over: vnet header, frame. */
function datagram(spec: Datagram): Uint8Array {
  const payload = new Uint8Array(spec.length ?? 10).fill(spec.fill ?? 7);
  const udp = buildUdp({ source: 4000, destination: spec.port ?? 9, payload });
  const transportChecksum = spec.complete === true ? "full" : "partial";
  const six = spec.six === true;
  const packet = six
    ? buildIpv6({
        source: "fd00::1",
        destination: "fd00::2",
        protocol: 17,
        payload: udp,
        transportChecksum,
      })
    : buildIpv4({
        ...{ source: "10.0.0.1", destination: "10.0.0.2", protocol: 17, payload: udp },
        ...{ ttl: spec.ttl ?? 64, identification: spec.identification ?? 0 },
        ...{ fragment: spec.fragment ?? 0x4000, transportChecksum },
      });
  const tags = spec.tagged === true ? [{ tci: 5 }] : [];
  const frame = buildEthernet({ type: six ? 0x86dd : 0x0800, payload: packet, tags });
  const bytes = new Uint8Array(VNET_BYTES + frame.length);
  bytes.set(frame, VNET_BYTES);
  const checksumStart = 14 + 4 * tags.length + (six ? 40 : 20);
  if (transportChecksum === "partial") {
    const flags = VNET_FLAG.needsChecksum;
    putVnetHeader(bytes, 0, { flags, checksumStart, checksumOffset: 6 });
  }
  return bytes;
}

/** What a kernel that gets the write delivers: frames with complete checksums (GSO taken apart). */
function delivered(write: Uint8Array): string[] {
  const bytes = write.slice();
  if (!isGso(bytes, 0)) return [complete(bytes)];
  expect(vnetGsoType(bytes, 0)).toBe(VNET_GSO.udpL4);
  const six = get16(bytes, VNET_BYTES + 12) === 0x86dd;
  const header = 14 + (six ? 40 : 20) + 8;
  if (!six) expect(ipv4ChecksumHolds(bytes, VNET_BYTES + 14)).toBe(true);
  const size = vnetGsoSize(bytes, 0);
  const frames: string[] = [];
  for (let at = VNET_BYTES + header; at < bytes.length; at += size) {
    const payload = bytes.slice(at, at + size);
    // As __udp_gso_segment does: the headers again, with the lengths of the part.
    frames.push(complete(rebuilt(bytes.slice(0, VNET_BYTES + header), payload, six)));
  }
  return frames;
}

function rebuilt(headers: Uint8Array, payload: Uint8Array, six: boolean): Uint8Array {
  const port = get16(headers, headers.length - 6);
  const spec = { six, port, length: payload.length, ttl: six ? 64 : headers[VNET_BYTES + 22]! };
  const bytes = datagram(spec);
  bytes.set(payload, headers.length);
  return bytes;
}

/** Identification 0, checksums complete, as text. */
function complete(bytes: Uint8Array): string {
  const frame = bytes.slice();
  completeVnetChecksum(frame, 0, VNET_BYTES, frame.length - VNET_BYTES);
  if (get16(frame, VNET_BYTES + 12) === 0x0800) {
    put16(frame, VNET_BYTES + 18, 0);
    put16(frame, VNET_BYTES + 24, 0);
  }
  return Buffer.from(frame.subarray(VNET_BYTES)).toString("hex");
}

/** Nothing but `write` is called. */
const NO_IO: QueueIo = {
  usePool: () => undefined,
  read: () => -ERRNO.EAGAIN,
  write: () => -ERRNO.EBADFD,
  wait: () => 0,
  stopHandle: -1,
  close: () => undefined,
};

class Writes {
  readonly writes: { handle: number; bytes: Uint8Array }[] = [];
  readonly ends: { frames: number; bytes: number; errno: number }[] = [];
  refuseGso = false;
  errno = 0;
  private readonly pool = newPool(1);
  private readonly bytes = new Uint8Array(this.pool);
  readonly m = new Int32Array(new SharedArrayBuffer(256));
  readonly writer: DatagramWriter;

  constructor() {
    const write = (handle: number, offset: number, length: number): number => {
      if (this.errno !== 0) return -this.errno;
      if (this.refuseGso && isGso(this.bytes, offset)) return -ERRNO.EINVAL;
      this.writes.push({ handle, bytes: this.bytes.slice(offset, offset + length) });
      return length;
    };
    const place = { m: this.m, block: 0, pool: this.pool, slot: runSlotOffset(0) };
    this.writer = new DatagramWriter({ ...NO_IO, write }, place, {
      written: (_in, _out, frames, bytes, errno) => this.ends.push({ frames, bytes, errno }),
    });
  }

  /** As the transmit path does it. */
  send(bytes: Uint8Array, handle = 3, inPort = 1): void {
    const at = HEADROOM_BYTES;
    this.bytes.set(bytes, at);
    const frame: Frame = {
      ...{ bytes: this.bytes, offset: at + VNET_BYTES, length: bytes.length - VNET_BYTES },
      ...{ vnetOffset: at, inPort, queueMapping: 0, hash: 0 },
    };
    if (this.writer.take(frame, handle, 2)) return;
    this.writer.flush();
    this.writes.push({ handle, bytes: bytes.slice() });
    this.ends.push({ frames: 1, bytes: frame.length, errno: 0 });
  }

  frames(): number {
    return this.ends.reduce((sum, end) => sum + end.frames, 0);
  }
}

function afterAll(specs: readonly Datagram[], prepare?: (writes: Writes) => void): Writes {
  const writes = new Writes();
  prepare?.(writes);
  for (const spec of specs) writes.send(datagram(spec));
  writes.writer.flush();
  return writes;
}

describe("datagrams that leave together", () => {
  it("equal ones become one write of the kernel's UDP segmentation offload", () => {
    for (const six of [false, true]) {
      const { writes, ends, m } = afterAll([1, 2, 3].map((fill) => ({ six, fill })));
      expect(writes.length).toBe(1);
      expect(vnetGsoSize(writes[0]!.bytes, 0)).toBe(10);
      const header = six ? 62 : 42;
      expect(ends).toEqual([{ frames: 3, bytes: 3 * (header + 10), errno: 0 }]);
      expect(m[CPU.heldFrames]).toBe(0);
    }
  });

  it("one alone is written as it came", () => {
    const { writes } = afterAll([{}]);
    expect(writes[0]!.bytes).toEqual(datagram({}));
  });

  it("a shorter one is the last, a longer one begins anew", () => {
    const lengths = (list: number[]) =>
      afterAll(list.map((length) => ({ length }))).writes.map((one) => delivered(one.bytes).length);
    expect(lengths([10, 10, 4, 10])).toEqual([3, 1]);
    expect(lengths([4, 10, 10])).toEqual([1, 2]);
    expect(lengths(new Array<number>(RUN_MAX + 1).fill(1))).toEqual([RUN_MAX, 1]);
  });

  it("no IP packet grows beyond its length field", () => {
    const { writes } = afterAll(new Array<Datagram>(60).fill({ length: 1472 }));
    expect(Math.max(...writes.map((one) => one.bytes.length - VNET_BYTES - 14))).toBeLessThan(
      65_536,
    );
    expect(writes.length).toBe(2);
  });

  it("what is not a plain datagram with a partial checksum is left alone", () => {
    const strange: Datagram[] = [
      { complete: true },
      { tagged: true },
      { fragment: 0 },
      { fragment: 0x2000 },
      { length: 0 },
    ];
    for (const spec of strange) {
      const writes = new Writes();
      writes.send(datagram(spec));
      writes.send(datagram(spec));
      expect(writes.writes.length, JSON.stringify(spec)).toBe(2);
    }
  });

  it("frames of another queue or another port do not join", () => {
    const writes = new Writes();
    writes.send(datagram({}), 3, 1);
    writes.send(datagram({}), 4, 1);
    writes.send(datagram({}), 4, 5);
    writes.writer.flush();
    expect(writes.writes.map((one) => one.handle)).toEqual([3, 4, 4]);
  });

  it("held frames are known to whoever closes the books", () => {
    const writes = new Writes();
    writes.send(datagram({}), 3, 6);
    writes.send(datagram({}), 3, 6);
    expect([writes.m[CPU.heldFrames], writes.m[CPU.heldPort]]).toEqual([2, 6]);
  });

  it("a refused write ends all its frames under its errno", () => {
    const { ends } = afterAll([{}, {}], (writes) => (writes.errno = ERRNO.EBADFD));
    expect(ends).toEqual([{ frames: 2, bytes: 104, errno: ERRNO.EBADFD }]);
  });

  it("a kernel without the offload gets each by itself, then and from then on", () => {
    const specs = [{ fill: 1 }, { fill: 2 }, { fill: 3, length: 5 }];
    const { writes, ends, writer } = afterAll(specs, (one) => (one.refuseGso = true));
    expect(writes.flatMap((one) => delivered(one.bytes))).toEqual(
      specs.flatMap((spec) => delivered(datagram(spec))),
    );
    expect(ends.map((end) => end.frames)).toEqual([1, 1, 1]);
    expect(writer.take({ vnetOffset: 0 } as Frame, 3, 2)).toBe(false);
  });

  it("any mixture is delivered as if each had been written by itself", () => {
    const spec = fc.record({
      six: fc.boolean(),
      port: fc.constantFrom(9, 10),
      length: fc.constantFrom(1, 9, 10, 11),
      fill: fc.nat(255),
      ttl: fc.constantFrom(63, 64),
      identification: fc.nat(65_535),
    });
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 40 }), fc.boolean(), (specs, refuseGso) => {
        const writes = afterAll(specs, (one) => (one.refuseGso = refuseGso));
        expect(writes.writes.flatMap((one) => delivered(one.bytes))).toEqual(
          specs.flatMap((one) => delivered(datagram(one))),
        );
        expect(writes.frames()).toBe(specs.length);
      }),
      { seed: 20260101, numRuns: 300 },
    );
  });
});
