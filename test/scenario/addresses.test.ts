// Addresses of scenarios: parsing, whether subnets overlap, for both families, and how `up` prints
// them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Cidr,
  hostProblem,
  inSubnet,
  overlap,
  parseCidr,
} from "../../src/scenario/check/addresses.js";
import { addressesText } from "../../src/scenario/up.js";

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

describe("parseCidr", () => {
  it.each([
    ["10.0.0.1/24", 0x0a000001n],
    ["fd00::1/64", (0xfd00n << 112n) | 1n],
    ["::ffff:10.0.0.1/96", 0xffff0a000001n],
    ["1:2:3:4:5:6:7:8/128", 0x00010002000300040005000600070008n],
  ])("%s has the value of its bytes", (text, value) => {
    expect(cidr(text).value).toBe(value);
  });

  it("every IPv4 address comes back from its value", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 1, max: 32 }), (address, prefix) => {
        const { value } = cidr(`${address}/${prefix}`);
        const parts = [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn);
        expect(parts.join(".")).toBe(address);
      }),
    );
  });

  it("every text is parsed or refused with a sentence, never with an exception", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.ipV6().map((one) => `${one}/64`),
        ),
        (text) => {
          const parsed = parseCidr(text);
          expect(typeof parsed === "string" ? parsed : parsed.address).not.toBe("");
        },
      ),
    );
  });
});

describe("subnets", () => {
  it("overlap when one contains the other, and only in one family", () => {
    expect(overlap(cidr("10.0.0.1/24"), cidr("10.0.0.9/28"))).toBe(true);
    expect(overlap(cidr("10.0.0.1/24"), cidr("10.0.1.1/24"))).toBe(false);
    expect(overlap(cidr("10.0.0.1/8"), cidr("fd00::1/8"))).toBe(false);
    expect(inSubnet(cidr("10.0.0.1/24"), "10.0.0.77")).toBe(true);
    expect(inSubnet(cidr("10.0.0.1/24"), "fd00::77")).toBe(false);
  });

  it("a host may have any address of a /31 and a /32, not the first or last of a /30", () => {
    expect(hostProblem(cidr("10.0.0.0/31"))).toBeNull();
    expect(hostProblem(cidr("10.0.0.0/32"))).toBeNull();
    expect(hostProblem(cidr("10.0.0.0/30"))).toContain("network");
    expect(hostProblem(cidr("10.0.0.3/30"))).toContain("broadcast");
    expect(hostProblem(cidr("fd00::ffff/112"))).toBeNull();
    expect(hostProblem(cidr("::1/128"))).toContain("loopback");
  });
});

describe("the addresses of a port that forwards", () => {
  it("are printed, and of hundreds the first four and their number", () => {
    const all = Array.from({ length: 200 }, (_, i) => `10.0.1.${i + 1}/16`);
    expect(addressesText([])).toBe("");
    expect(addressesText(all.slice(0, 4))).toBe(all.slice(0, 4).join(" "));
    expect(addressesText(all)).toBe("10.0.1.1/16 10.0.1.2/16 10.0.1.3/16 10.0.1.4/16 and 196 more");
  });
});
