// The options that tell a client's address (TOA in TCP, UOA beside UDP): literal bytes of the three
// known captures, both dialects, and lists that are broken in every way.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ipv4Number, ipv4Text } from "../../src/wire/ipv4.js";
import { ipv6Bytes } from "../../src/wire/ipv6.js";
import { findOption, optionSize } from "../../src/wire/options/tcp-options.js";
import {
  type ClientAddress,
  newClientAddress,
  newToaReading,
  putToa,
  readToa,
  setIpv4Client,
  setIpv6Client,
  type ToaProfile,
  toaSize,
} from "../../src/wire/options/toa.js";
import {
  putUoa,
  putUoaHeader,
  readUoaHeader,
  readUoaOption,
  uoaHeaderLength,
} from "../../src/wire/options/uoa.js";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replace(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const bytesText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function v4(address: string, port: number): ClientAddress {
  const client = newClientAddress();
  setIpv4Client(client, ipv4Number(address), port);
  return client;
}

function v6(address: string, port: number): ClientAddress {
  const client = newClientAddress();
  setIpv6Client(client, ipv6Bytes(address), 0, port);
  return client;
}

function encoded(client: ClientAddress, profile: ToaProfile): string {
  const bytes = new Uint8Array(toaSize(client.family));
  putToa(bytes, 0, client, profile);
  return bytesText(bytes);
}

function read(text: string, profile: ToaProfile): string {
  const bytes = hex(text);
  const out = newToaReading();
  if (!readToa(bytes, 0, bytes.length, profile, out)) return "none";
  const { client, service } = out;
  const words = [...client.words].map((word) => word.toString(16)).join(":");
  const vip = service.port === 0 ? "" : ` vip ${ipv4Text(service.words[3]!)}:${service.port}`;
  const network = out.network === 0 ? "" : ` network ${out.network.toString(16)}`;
  return client.family === 4
    ? `${ipv4Text(client.words[3]!)}:${client.port}${network}${vip}`
    : `[${words}]:${client.port}${network}${vip}`;
}

const V4 = "fe08 d431 c000020a";
const V6_DPVS = "fe14 01bb 20010db8000000000000000000000010";
const V6_KIND = "fd14 01bb 20010db8000000000000000000000010";
const V6_TEXT = "[20010db8:0:0:10]:443";

describe("behaviour 3: the bytes of TOA", () => {
  it("IPv4: 192.0.2.10:54321, the same in both dialects", () => {
    const bytes = bytesText(hex(V4));
    expect(encoded(v4("192.0.2.10", 54321), "dpvs")).toBe(bytes);
    expect(encoded(v4("192.0.2.10", 54321), "kind")).toBe(bytes);
    expect(read(V4, "dpvs")).toBe("192.0.2.10:54321");
    expect(read(V4, "kind")).toBe("192.0.2.10:54321");
  });

  it("IPv6: [2001:db8::10]:443, told by length or by kind", () => {
    expect(encoded(v6("2001:db8::10", 443), "dpvs")).toBe(bytesText(hex(V6_DPVS)));
    expect(encoded(v6("2001:db8::10", 443), "kind")).toBe(bytesText(hex(V6_KIND)));
    expect(read(V6_DPVS, "dpvs")).toBe(V6_TEXT);
    expect(read(V6_KIND, "kind")).toBe(V6_TEXT);
  });

  it("VTOA, as it was captured", () => {
    const captured = "fc14 a85e 0a0a0538 4fa82c00 0a0a08d0 0cea 0101";
    expect(read(captured, "kind")).toBe("10.10.5.56:43102 network 4fa82c00 vip 10.10.8.208:3306");
    expect(read(captured, "dpvs")).toBe("none");
  });

  it("V6VTOA fills all of the 40 bytes", () => {
    const client = "20010db8000000000000000000000010";
    const vip = "20010db80000000000000000000000ff";
    const bytes = hex(`f928 01bb ${client} 00abcd 00 ${vip}`);
    const out = newToaReading();
    expect(readToa(bytes, 0, bytes.length, "kind", out)).toBe(true);
    expect(bytes.length).toBe(40);
    expect(out.client).toEqual(v6("2001:db8::10", 443));
    expect(out.service.words).toEqual(v6("2001:db8::ff", 0).words);
    expect(out.network).toBe(0xabcd);
    expect(readToa(bytes, 0, bytes.length, "dpvs", out)).toBe(false);
  });

  it("the service's address directly behind a v4 option", () => {
    const vip = "fa08 0050 0a000001";
    expect(read(V4 + vip, "kind")).toBe("192.0.2.10:54321 vip 10.0.0.1:80");
    expect(read(V4 + "01" + vip, "kind")).toBe("192.0.2.10:54321");
    expect(read(V4 + vip, "dpvs")).toBe("192.0.2.10:54321");
    expect(read(vip, "kind")).toBe("none");
  });
});

describe("behaviour 10: each dialect refuses the other's IPv6 option", () => {
  it("254 of 20 bytes, 253 of 20 bytes, and what else has been seen under 254", () => {
    expect(read(V6_DPVS, "kind")).toBe("none");
    expect(read(V6_KIND, "dpvs")).toBe("none");
    const sixteen = "fe10 d431 c000020a 0000 000000000000";
    expect(read(sixteen, "dpvs")).toBe("none");
    expect(read(sixteen, "kind")).toBe("none");
    expect(read("fd08 d431 c000020a", "kind")).toBe("none");
  });
});

describe("behaviour 11: broken lists", () => {
  it.each([
    ["kind 0 ends the list", "00" + V4, "none"],
    ["kind 1 is one byte", "0101" + V4, "192.0.2.10:54321"],
    ["length 0", "0500" + V4, "none"],
    ["length 1", "0501" + V4, "none"],
    ["a length beyond the end", "0540" + V4, "none"],
    ["a kind without a length", "fe", "none"],
    ["an option cut short", "fe08d431c00002", "none"],
    ["an empty list", "", "none"],
    ["other options in front, no kind 0 behind", "0402 0303 07 01" + V4, "192.0.2.10:54321"],
    ["the first of two wins", V4 + "fe08 0001 01010101", "192.0.2.10:54321"],
  ])("%s", (_name, text, expected) => {
    expect(read(text, "dpvs")).toBe(expected);
    expect(read(text, "kind")).toBe(expected);
  });

  it("a kind whose length would lie behind the list is no option", () => {
    expect(optionSize(hex("fe"), 0, 1)).toBe(0);
    expect(optionSize(hex("fe02"), 0, 1)).toBe(0);
    expect(optionSize(hex("fe02"), 0, 2)).toBe(2);
  });

  it("a walk ends within the list, whatever the bytes; found options lie wholly in it", () => {
    const lists = fc.uint8Array({ maxLength: 44 });
    fc.assert(
      fc.property(lists, fc.nat(44), fc.nat(255), (bytes, limit, kind) => {
        const end = Math.min(limit, bytes.length);
        let at = 0;
        let steps = 0;
        for (let size = 0; (size = optionSize(bytes, at, end)) > 0; at += size) steps++;
        expect(at).toBeLessThanOrEqual(end);
        expect(steps).toBeLessThanOrEqual(end);
        const found = findOption(bytes, 0, end, kind, 0);
        if (found >= 0) {
          expect(bytes[found]).toBe(kind);
          expect(found + optionSize(bytes, found, end)).toBeLessThanOrEqual(end);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("UOA", () => {
  it("the IPv4 option: 31, 8, port, address", () => {
    const header = new Uint8Array(28);
    header[0] = 0x47;
    expect(putUoa(header, 20, v4("192.0.2.10", 54321))).toBe(8);
    expect(bytesText(header.subarray(20))).toBe("1f08d431c000020a");
    const out = newClientAddress();
    expect(readUoaOption(header, 0, out)).toBe(true);
    expect(out).toEqual(v4("192.0.2.10", 54321));
    header[20] = 0;
    expect(readUoaOption(header, 0, out)).toBe(false);
  });

  it.each([
    ["v4", v4("192.0.2.10", 54321), "1011000c 1f08d431c000020a"],
    ["v6", v6("2001:db8::10", 443), "20110018 1f1401bb20010db8000000000000000000000010"],
  ] as const)("the header of protocol 248: %s", (_name, client, text) => {
    const bytes = new Uint8Array(hex(text).length);
    const length = putUoaHeader(bytes, 0, client);
    expect(length).toBe(bytes.length);
    expect(bytesText(bytes)).toBe(bytesText(hex(text)));
    expect(uoaHeaderLength(bytes, 0, bytes.length)).toBe(length);
    const out = newClientAddress();
    expect(readUoaHeader(bytes, 0, length, out)).toBe(true);
    expect(out).toEqual(client);
  });

  it.each([
    ["too short", "101100"],
    ["a version that is not known", "3011000c 1f08d431c000020a"],
    ["another protocol than UDP", "1006000c 1f08d431c000020a"],
    ["a length below the header's", "10110003 1f08d431c000020a"],
    ["a length beyond the packet", "1011000d 1f08d431c000020a"],
  ])("no header of protocol 248: %s", (_name, text) => {
    const bytes = hex(text);
    expect(uoaHeaderLength(bytes, 0, bytes.length)).toBe(0);
  });

  it("an address of the other version's length is not taken", () => {
    const out = newClientAddress();
    expect(readUoaHeader(hex("2011000c 1f08d431c000020a"), 0, 12, out)).toBe(false);
    expect(readUoaHeader(hex("10110004"), 0, 4, out)).toBe(false);
  });
});
