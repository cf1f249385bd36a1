// Checks, checksums, tags and the vnet header, against literal bytes and against the standards.
import { describe, expect, it } from "vitest";
import { DROP } from "../../src/base/drop-reasons.js";
import { buildArp, checkArp } from "../../src/wire/arp.js";
import {
  checksum,
  completeChecksum,
  foldSum,
  sctpChecksum,
  sumBytes,
  updateChecksum16,
} from "../../src/wire/checksum.js";
import {
  buildEthernet,
  checkEthernet,
  etherType,
  hasVlanTag,
  macText,
  popVlanTag,
  pushVlanTag,
  vlanTci,
} from "../../src/wire/ethernet.js";
import { buildIpv4, checkIpv4 } from "../../src/wire/ipv4.js";
import { buildIpv6, checkIpv6, ipv6Bytes } from "../../src/wire/ipv6.js";
import { buildTcp, buildUdp, checkTcp, checkUdp } from "../../src/wire/transport.js";
import {
  VNET,
  VNET_FLAG,
  VNET_GSO,
  checkVnetHeader,
  completeVnetChecksum,
  gsoHeaderLength,
  gsoSegments,
  needsChecksum,
  putVnetHeader,
  shiftVnetHeader,
  vnetChecksumStart,
} from "../../src/wire/vnet-header.js";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));

describe("checksums", () => {
  it("RFC 1071, section 3: the worked example sums to ddf2", () => {
    expect(foldSum(sumBytes(hex("0001f203f4f5f6f7"), 0, 8, 0))).toBe(0xddf2);
  });
  it("RFC 1624, section 4: the example that the older equation got wrong", () => {
    expect(updateChecksum16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });
  it("a real IPv4 header (from the wire) checks to 0", () => {
    expect(checksum(hex("4500003c1c4640004006b1e6ac100a63ac100a0c"), 0, 20)).toBe(0);
  });
  it("an odd length is padded with a zero byte", () => {
    expect(foldSum(sumBytes(hex("010203"), 0, 3, 0))).toBe(0x0402);
  });
  it("64 KiB of ones do not overflow the sum", () => {
    expect(checksum(new Uint8Array(65536).fill(0xff), 0, 65536)).toBe(0);
  });
  it("CRC32c of an SCTP packet (RFC 3720 B.4 vector: 32 zero bytes)", () => {
    expect(sctpChecksum(new Uint8Array(32), 0, 32)).toBe(0x8a9136aa);
  });
  it("a partial checksum that is completed equals the full one", () => {
    const fields = { source: "10.0.0.1", destination: "10.0.0.2", protocol: 6 };
    const payload = buildTcp({ source: 1, destination: 2, payload: hex("0102030405") });
    const full = buildIpv4({ ...fields, payload });
    const partial = buildIpv4({ ...fields, payload, transportChecksum: "partial" });
    expect(partial).not.toEqual(full);
    completeChecksum(partial, 20, 20 + 16, partial.length);
    expect(partial).toEqual(full);
  });
});

describe("checks refuse what does not fit", () => {
  const udp = buildUdp({ source: 1, destination: 2, payload: hex("00") });
  const ipv4 = buildIpv4({ source: "1.2.3.4", destination: "5.6.7.8", protocol: 17, payload: udp });
  const ipv6 = buildIpv6({ source: "::1", destination: "::2", protocol: 17, payload: udp });
  it("a frame of 13 bytes is a runt", () => {
    expect(checkEthernet(new Uint8Array(14), 0, 13)).toBe(DROP.runt);
    expect(checkEthernet(new Uint8Array(14), 0, 14)).toBe(0);
  });
  it("IPv4: version, header length, total length", () => {
    expect(checkIpv4(ipv4, 0, ipv4.length)).toBe(0);
    expect(checkIpv4(ipv4, 0, ipv4.length - 1)).toBe(1);
    expect(checkIpv4(ipv4, 0, 19)).toBe(1);
    expect(checkIpv4(Uint8Array.from(ipv4).fill(0x55, 0, 1), 0, ipv4.length)).toBe(1);
    expect(checkIpv4(Uint8Array.from(ipv4).fill(0x44, 0, 1), 0, ipv4.length)).toBe(1);
    expect(checkIpv4(Uint8Array.from(ipv4).fill(0x65, 0, 1), 0, ipv4.length)).toBe(1);
  });
  it("IPv6, TCP, UDP, ARP", () => {
    expect(checkIpv6(ipv6, 0, ipv6.length)).toBe(0);
    expect(checkIpv6(ipv6, 0, ipv6.length - 1)).toBe(1);
    const tcp = buildTcp({ source: 1, destination: 2 });
    expect(checkTcp(tcp, 0, 20)).toBe(0);
    expect(checkTcp(Uint8Array.from(tcp).fill(0x40, 12, 13), 0, 20)).toBe(1);
    expect(checkTcp(Uint8Array.from(tcp).fill(0x60, 12, 13), 0, 20)).toBe(1);
    expect(checkUdp(udp, 0, 9)).toBe(0);
    expect(checkUdp(udp, 0, 8)).toBe(1);
    const arp = buildArp({
      operation: 1,
      senderMac: "02:00:00:00:00:01",
      senderIp: 1,
      targetIp: 2,
    });
    expect(checkArp(arp, 0, 28)).toBe(0);
    expect(checkArp(arp, 0, 27)).toBe(1);
    expect(checkArp(Uint8Array.from(arp).fill(9, 1, 2), 0, 28)).toBe(1);
  });
});

describe("VLAN tags", () => {
  it("push then pop gives the same frame at the same place", () => {
    const frame = buildEthernet({ type: 0x0800, payload: hex("0102030405") });
    const room = new Uint8Array(frame.length + 16);
    room.set(frame, 16);
    const at = pushVlanTag(room, 16, 0x8100, 0x6005);
    expect(at).toBe(12);
    const tags = [{ tci: 0x6005 }];
    const wanted = buildEthernet({ type: 0x0800, tags, payload: hex("0102030405") });
    expect(room.subarray(at)).toEqual(wanted);
    expect(hasVlanTag(room, at, wanted.length)).toBe(true);
    expect(vlanTci(room, at)).toBe(0x6005);
    expect(popVlanTag(room, at)).toBe(16);
    expect(room.subarray(16)).toEqual(frame);
    expect(etherType(room, 16)).toBe(0x0800);
    expect(macText(room, 16)).toBe("02:00:00:00:00:02");
  });
  it("a tag that is cut off is not a tag", () => {
    expect(hasVlanTag(buildEthernet({ type: 0x8100 }), 0, 14)).toBe(false);
  });
});

describe("vnet header", () => {
  const payload = buildTcp({ source: 1, destination: 2, payload: new Uint8Array(3000) });
  const frame = buildEthernet({
    type: 0x0800,
    payload: buildIpv4({
      source: "10.0.0.1",
      destination: "10.0.0.2",
      protocol: 6,
      payload,
      transportChecksum: "partial",
    }),
  });
  const good = {
    flags: VNET_FLAG.needsChecksum,
    gsoType: VNET_GSO.tcpv4,
    gsoSize: 1448,
    checksumStart: 34,
    checksumOffset: 16,
  };
  function slot(fields: Parameters<typeof putVnetHeader>[2]): Uint8Array {
    const bytes = new Uint8Array(VNET.size + frame.length + 4);
    putVnetHeader(bytes, 4, fields);
    bytes.set(frame, 4 + VNET.size);
    return bytes;
  }
  const check = (fields: Parameters<typeof putVnetHeader>[2]): number =>
    checkVnetHeader(slot(fields), 4, 16, frame.length);

  it("a plain frame and a super-frame are accepted", () => {
    expect(check({})).toBe(0);
    expect(check(good)).toBe(0);
  });
  it("every contradiction is refused (as wireguard-go's handleVirtioRead does)", () => {
    const bad = DROP["bad-vnet-header"];
    expect(check({ ...good, gsoSize: 0 })).toBe(bad);
    expect(check({ ...good, gsoType: 9 })).toBe(bad);
    expect(check({ ...good, flags: 0 })).toBe(bad);
    expect(check({ ...good, checksumOffset: 6 })).toBe(bad);
    expect(check({ ...good, checksumStart: frame.length - 17 })).toBe(bad);
    expect(check({ flags: 1, checksumStart: frame.length - 1, checksumOffset: 0 })).toBe(bad);
    expect(check({ flags: 1, checksumStart: 0, checksumOffset: 6 })).toBe(bad);
  });
  it("hdr_len is not trusted: the whole length in it changes nothing (FORWARD path)", () => {
    const bytes = slot({ ...good, headerLength: frame.length });
    expect(checkVnetHeader(bytes, 4, 16, frame.length)).toBe(0);
    expect(gsoHeaderLength(bytes, 4, 16)).toBe(54);
    expect(gsoSegments(bytes, 4, 16, frame.length)).toBe(3);
  });
  it("a pushed tag moves csum_start along, a popped one moves it back", () => {
    const bytes = slot(good);
    expect(shiftVnetHeader(bytes, 4, 4)).toBe(0);
    pushVlanTag(bytes, 16, 0x8100, 1);
    expect(vnetChecksumStart(bytes, 0)).toBe(38);
    expect(checkVnetHeader(bytes, 0, 12, frame.length + 4)).toBe(0);
    popVlanTag(bytes, 12);
    expect(shiftVnetHeader(bytes, 0, -4)).toBe(4);
    expect(bytes.subarray(4)).toEqual(slot(good).subarray(4));
  });
  it("completing the checksum clears the flag", () => {
    const bytes = slot({ flags: 1, checksumStart: 34, checksumOffset: 16 });
    completeVnetChecksum(bytes, 4, 16, frame.length);
    expect(needsChecksum(bytes, 4)).toBe(false);
    const full = buildIpv4({ source: "10.0.0.1", destination: "10.0.0.2", protocol: 6, payload });
    expect(bytes.subarray(30, 30 + full.length)).toEqual(full);
  });
});

it("IPv6 texts", () => {
  expect(Array.from(ipv6Bytes("::")).every((b) => b === 0)).toBe(true);
  expect(ipv6Bytes("1::2")).toEqual(hex("00010000000000000000000000000002"));
  expect(ipv6Bytes("1:2:3:4:5:6:7:8")).toEqual(hex("00010002000300040005000600070008"));
});
