// Goal: a foreign reader finds in our segments the bytes that a client's address demands, and no
// fault in lengths and checksums. Method: a capture file of edited frames, read by tshark.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { insertToa } from "../../../src/balancer/segment/insert-toa.js";
import { newSegment, openSegment, sealSegment } from "../../../src/balancer/segment/segment.js";
import { insertUoa, type UoaForm } from "../../../src/balancer/segment/uoa.js";
import type { ClientAddress, ToaProfile } from "../../../src/wire/options/toa.js";
import { type FrameSpec, lay, v4, v6 } from "./frames.js";

const hasTshark = spawnSync("tshark", ["--version"]).status === 0;

const TS = "0101080a0000000100000002";
const SACK = "0101051a010203040506070801020304050607080102030405060708";

/** A capture file as libpcap writes it (magic d4c3b2a1, link type Ethernet). */
function pcap(frames: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, Buffer.from(frame)];
  });
  return Buffer.concat([head, ...records]);
}

/** What tshark prints of these frames. */
function tshark(frames: readonly Uint8Array[], output: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-toa-"));
  try {
    const file = join(folder, "toa.pcap");
    writeFileSync(file, pcap(frames));
    const checks = ["ip", "tcp", "udp"].flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);
    return spawnSync("tshark", ["-r", file, ...checks, ...output], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The values of these fields, one list for each frame. */
function valuesOf(frames: readonly Uint8Array[], fields: readonly string[]): string[][] {
  const text = tshark(frames, ["-T", "fields", ...fields.flatMap((field) => ["-e", field])]);
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => line.split("\t"));
}

function withToa(spec: FrameSpec, client: ClientAddress, profile: ToaProfile): Uint8Array {
  const laid = lay(spec);
  const segment = newSegment();
  openSegment(segment, laid.frame, laid.floor);
  expect(insertToa(segment, client, profile, 1500)).toBe(0);
  sealSegment(segment);
  return laid.copy();
}

function withUoa(spec: FrameSpec, client: ClientAddress, form: UoaForm): Uint8Array {
  const laid = lay({ protocol: "udp", ...spec });
  const segment = newSegment();
  openSegment(segment, laid.frame, laid.floor);
  expect(insertUoa(segment, client, form, 1500)).toBe(0);
  sealSegment(segment);
  return laid.copy();
}

/** How tshark says that a checksum is right. */
const GOOD = "1";

describe("tshark agrees byte for byte", () => {
  it.skipIf(!hasTshark)("on the options of TCP, lengths and checksums (needs tshark)", () => {
    const [V4, V6] = ["fe08d431c000020a", "1401bb20010db8000000000000000000000010"];
    const rows: [FrameSpec, ClientAddress, ToaProfile, string][] = [
      [{ payload: 10 }, v4(), "dpvs", V4],
      [{ payload: 11, options: TS }, v4(), "kind", V4 + TS],
      [{ payload: 12, options: TS }, v6(), "dpvs", `fe${V6}${TS}`],
      [{ payload: 13 }, v6(), "kind", `fd${V6}`],
      [{ payload: 14, options: TS + SACK }, v4(), "dpvs", `${V4}${TS.slice(4)}0000`],
      [{ payload: 15, version: 6, options: TS }, v6(), "kind", `fd${V6}${TS}`],
    ];
    const frames = rows.map(([spec, client, profile]) => withToa(spec, client, profile));
    const fields = ["tcp.options", "tcp.hdr_len", "tcp.len", "tcp.checksum.status"];
    expect(valuesOf(frames, fields)).toEqual(
      rows.map(([spec, , , options]) => {
        return [options, String(20 + options.length / 2), String(spec.payload), GOOD];
      }),
    );
    const v4Frames = frames.slice(0, 5);
    const lengths = v4Frames.map((frame) => [String(frame.length - 14), GOOD]);
    expect(valuesOf(v4Frames, ["ip.len", "ip.checksum.status"])).toEqual(lengths);
  });

  it.skipIf(!hasTshark)("on UDP behind an IPv4 option and protocol 248 (needs tshark)", () => {
    const option = withUoa({ payload: 21 }, v4(), "option");
    const fields = ["ip.hdr_len", "udp.length", "udp.checksum.status", "ip.checksum.status"];
    expect(valuesOf([option], fields)).toEqual([["28", "29", GOOD, GOOD]]);
    // An option that it has no name for, by its bytes.
    expect(tshark([option], ["-T", "pdml"])).toMatch(/Unknown \(0x1f\).*value="1f08d431c000020a"/);
    const protocol = withUoa({ payload: 22 }, v4(), "protocol");
    const [[number, length, data, status]] = valuesOf(
      [protocol],
      ["ip.proto", "ip.len", "data.data", "ip.checksum.status"],
    ) as [string[]];
    expect([number, length, status]).toEqual(["248", "62", GOOD]);
    expect(data!.startsWith("1011000c1f08d431c000020a9c400050001e")).toBe(true);
  });
});
