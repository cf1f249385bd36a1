// What flood and ping are made of: addresses as bytes, the pace, the neighbor table.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUnresolved, Pacer, socketAddress } from "../../src/load/datagrams.js";

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

describe("the neighbor table", () => {
  const table = [
    "IP address       HW type     Flags       HW address            Mask     Device",
    "10.0.0.2         0x1         0x2         02:00:00:00:00:02     *        eth0",
    "10.0.0.3         0x1         0x0         00:00:00:00:00:00     *        eth0",
    "10.0.0.4         0x1         0x6         02:00:00:00:00:04     *        eth0",
    "",
  ].join("\n");

  it("tells an address that is still asked for from one that has answered", () => {
    expect(isUnresolved("10.0.0.3", table)).toBe(true);
    expect(isUnresolved("10.0.0.2", table)).toBe(false);
    expect(isUnresolved("10.0.0.4", table)).toBe(false);
  });

  it("does not make anybody wait for an address that is not in it", () => {
    expect(isUnresolved("10.0.0.33", table)).toBe(false);
    expect(isUnresolved("fd00::2", table)).toBe(false);
    expect(isUnresolved("10.0.0.3", table.split("\n")[0]!)).toBe(false);
  });
});
