// What flood and ping are made of: addresses as bytes, the pace, the neighbor table.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { neighborState, Pacer, socketAddress } from "../../src/load/datagrams.js";

function bytesOf(text: string, port: number): string {
  return Buffer.from(socketAddress(text, port)).toString("hex");
}

describe("socket addresses", () => {
  it("are struct sockaddr_in for IPv4: family, port in network order, address", () => {
    expect(bytesOf("10.1.2.255", 0x1234)).toBe("02001234" + "0a0102ff" + "0000000000000000");
  });

  it("are struct sockaddr_in6 for IPv6, whatever way the address is written", () => {
    const rest = (address: string): string => "0a000050" + "00000000" + address + "00000000";
    expect(bytesOf("fd00::2", 80)).toBe(rest("fd00" + "00".repeat(13) + "02"));
    expect(bytesOf("::", 80)).toBe(rest("00".repeat(16)));
    expect(bytesOf("::1", 80)).toBe(rest("00".repeat(15) + "01"));
    expect(bytesOf("1:2:3:4:5:6:7:8", 80)).toBe(rest("00010002000300040005000600070008"));
    expect(bytesOf("fe80::", 80)).toBe(rest("fe80" + "00".repeat(14)));
    expect(bytesOf("::ffff:10.0.0.1", 80)).toBe(rest("00".repeat(10) + "ffff0a000001"));
  });

  it("refuse what is not an address, naming it", () => {
    for (const text of ["", "server", "10.0.0", "10.0.0.256", "fd00:::1", "10.0.0.1/24"]) {
      expect(() => socketAddress(text, 1)).toThrowError(`"${text}" is not an IPv4 or IPv6 address`);
    }
  });
});

describe("the pace", () => {
  it("gives exactly the rate over time, however the calls fall", () => {
    const stepsUs = fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 500 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500_000 }), stepsUs, (rate, steps) => {
        const pacer = new Pacer(rate, 1e9);
        let now = 1e9;
        let taken = 0;
        for (const step of steps) {
          now += step * 1000;
          taken += pacer.take(now);
        }
        const expected = ((now - 1e9) * rate) / 1e9;
        expect(Math.abs(taken - expected)).toBeLessThan(1.001);
      }),
    );
  });

  it("makes up at most 10 ms after a sender was held up, and then keeps the rate again", () => {
    const pacer = new Pacer(100_000, 0);
    expect(pacer.take(1e9)).toBe(1000);
    expect(pacer.take(1e9)).toBe(0);
    expect(pacer.take(1e9 + 1e6)).toBe(100);
  });
});

/** One RTM_NEWNEIGH as the kernel writes it: nlmsghdr, ndmsg, NDA_DST, NDA_LLADDR. */
function neighbor(address: string, state: number): Buffer {
  const sockaddr = socketAddress(address, 0);
  const bytes = sockaddr.length === 28 ? sockaddr.subarray(8, 24) : sockaddr.subarray(4, 8);
  const head = Buffer.alloc(28);
  head.writeUInt32LE(28 + 4 + bytes.length + 12, 0);
  head.writeUInt16LE(28, 4);
  head.writeUInt16LE(state, 24);
  const dst = Buffer.from([4 + bytes.length, 0, 1, 0, ...bytes]);
  return Buffer.concat([head, dst, Buffer.from("0a000200020000000001" + "0000", "hex")]);
}

const DONE = Buffer.from("1400000003000200" + "00".repeat(12), "hex");

describe("a dump of the neighbor table", () => {
  const state = (part: Buffer, address: string): number => {
    const bytes = socketAddress(address, 0);
    const wanted = bytes.length === 28 ? bytes.subarray(8, 24) : bytes.subarray(4, 8);
    return neighborState(part, part.length, wanted);
  };
  const four = [neighbor("10.0.0.2", 0x02), neighbor("10.0.0.3", 0x01)];
  const six = [neighbor("fd00::2", 0x20), neighbor("fd00::3", 0x08)];

  it("gives the state of the address that is looked for", () => {
    const part = Buffer.concat([...four, DONE]);
    expect(state(part, "10.0.0.2")).toBe(0x02);
    expect(state(part, "10.0.0.3")).toBe(0x01);
    expect(state(Buffer.concat(six), "fd00::2")).toBe(0x20);
    expect(state(Buffer.concat(six), "fd00::3")).toBe(0x08);
  });

  it("ends with DONE, and says when more parts follow", () => {
    expect(state(Buffer.concat([...four, DONE]), "10.0.0.33")).toBe(0);
    expect(state(Buffer.concat(four), "10.0.0.33")).toBe(-1);
    expect(state(Buffer.concat(six), "10.0.0.3")).toBe(-1);
  });

  it("is read to its end whatever bytes it has", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = state(Buffer.from(bytes), "10.0.0.2");
        expect(Number.isInteger(found)).toBe(true);
      }),
    );
  });
});
