// Goal: the captures of many workers become one file that Wireshark's programs accept.
// Method: write captures with the data plane's writer, merge, read back; tshark and capinfos where
// they are installed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mergeCaptures } from "../../src/report/pcapng.js";
import {
  LINKTYPE_ETHERNET,
  packetInfo,
  pcapngBuffer,
  setPacketTime,
  writeInterface,
  writePacketBlock,
  writeSectionHeader,
} from "../../src/wire/pcapng.js";
import { readCapture } from "../wire/pcapng-reader.js";

const SECONDS = 1_795_226_535;
const hasTshark = spawnSync("tshark", ["--version"]).status === 0;
const hasCapinfos = spawnSync("capinfos", ["--version"]).status === 0;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "packetpath-pcapng-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Frame {
  readonly ns: number;
  readonly bytes: number;
  readonly comment?: string;
}

/** A UDP frame from 10.0.0.1:worker to 10.0.0.2:9, without a UDP checksum. */
function udpFrame(bytes: number, worker: number): Uint8Array {
  const frame = new Uint8Array(Math.max(bytes, 42));
  const view = new DataView(frame.buffer);
  frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45]);
  view.setUint16(16, frame.length - 14);
  frame.set([64, 17], 22);
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  view.setUint16(34, 40_000 + worker);
  view.setUint16(36, 9);
  view.setUint16(38, frame.length - 34);
  return frame;
}

function writeCapture(path: string, port: string, worker: number, frames: readonly Frame[]): void {
  const out = pcapngBuffer(new ArrayBuffer(8 * 1024 * 1024));
  const pool = pcapngBuffer(new SharedArrayBuffer(70_000));
  let at = writeSectionHeader(out, 0, "packetpath");
  const name = {
    name: port,
    description: `worker ${worker}`,
    linkType: LINKTYPE_ETHERNET,
    snapLengthBytes: 0,
  };
  at += writeInterface(out, at, name);
  const info = packetInfo();
  for (const frame of frames) {
    const bytes = udpFrame(frame.bytes, worker);
    pool.bytes.set(bytes, 12);
    setPacketTime(info, SECONDS, frame.ns);
    info.capturedBytes = info.originalBytes = bytes.length;
    info.queue = worker;
    info.packetIdLow = frame.ns >>> 0;
    info.direction = 1;
    info.comment = frame.comment === undefined ? null : new TextEncoder().encode(frame.comment);
    at += writePacketBlock(out, at, info, pool, 12);
  }
  writeFileSync(path, out.bytes.subarray(0, at));
}

describe("merging captures", () => {
  it("packets of all workers appear once each, in the order of time, on one interface", () => {
    const times = fc.array(fc.nat(1e9), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(times, { minLength: 1, maxLength: 5 }), (workers) => {
        const paths = workers.map((list, worker) => {
          const path = join(folder, `w${worker}.pcapng`);
          const sorted = [...list].sort((a, b) => a - b);
          writeCapture(
            path,
            "server",
            worker,
            sorted.map((ns) => ({ ns, bytes: 60 })),
          );
          return path;
        });
        const output = join(folder, "merged.pcapng");
        const total = workers.flat().length;
        expect(mergeCaptures(paths, output)).toEqual({ packets: total, truncated: [] });
        const capture = readCapture(readFileSync(output));
        expect(capture.interfaces).toEqual([{ name: "server", linkType: 1 }]);
        const base = BigInt(SECONDS) * 1_000_000_000n;
        const expected = workers.flat().sort((a, b) => a - b);
        expect(capture.packets.map((p) => Number(p.time - base))).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it("inputs larger than the read buffer, with 64 KB super-frames, are merged whole", () => {
    const paths = [0, 1].map((worker) => {
      const path = join(folder, `big${worker}.pcapng`);
      const frames = Array.from({ length: 60 }, (_, i) => ({
        ns: i * 2000 + worker * 1000,
        bytes: i % 3 === 0 ? 65_000 : 1514,
      }));
      writeCapture(path, `port${worker}`, worker, frames);
      return path;
    });
    const output = join(folder, "big.pcapng");
    expect(mergeCaptures(paths, output).packets).toBe(120);
    const capture = readCapture(readFileSync(output));
    expect(capture.interfaces.map((one) => one.name)).toEqual(["port0", "port1"]);
    expect(capture.packets.map((p) => p.interfaceId).slice(0, 4)).toEqual([0, 1, 0, 1]);
    expect(capture.packets.filter((p) => p.data.length === 65_000).length).toBe(40);
  });

  it("a capture cut off in its last block loses that block only, and is named", () => {
    const path = join(folder, "cut.pcapng");
    writeCapture(path, "server", 0, [
      { ns: 1, bytes: 60 },
      { ns: 2, bytes: 60 },
    ]);
    truncateSync(path, readFileSync(path).length - 5);
    const result = mergeCaptures([path], join(folder, "cut-merged.pcapng"));
    expect(result).toEqual({ packets: 1, truncated: [path] });
  });

  it("files that are not such captures are refused by name", () => {
    const path = join(folder, "text.pcapng");
    writeFileSync(path, "this is not a capture at all, whatever its name says");
    const output = join(folder, "refused.pcapng");
    expect(() => mergeCaptures([path], output)).toThrow(/text\.pcapng/);
    expect(() => mergeCaptures([join(folder, "absent")], output)).toThrow(/absent/);
  });

  it.skipIf(!hasTshark || !hasCapinfos)(
    "tshark and capinfos read names, times, queues and comments (needs tshark, capinfos)",
    () => {
      const paths = [0, 1].map((worker) => join(folder, `t${worker}.pcapng`));
      writeCapture(paths[0]!, "server", 0, [{ ns: 111, bytes: 60, comment: "drop: noop-qdisc" }]);
      writeCapture(paths[1]!, "server", 1, [{ ns: 999_999_999, bytes: 1514 }]);
      const output = join(folder, "t.pcapng");
      mergeCaptures(paths, output);
      const fields = ["frame.time_epoch", "frame.interface_name", "udp.srcport", "frame.len"];
      fields.push("frame.comment", "frame.packet_id");
      const args = ["-r", output, "-T", "fields", ...fields.flatMap((field) => ["-e", field])];
      const tshark = spawnSync("tshark", args, { encoding: "utf8" });
      expect(tshark.stdout.trim().split("\n")).toEqual([
        `${SECONDS}.000000111\tserver\t40000\t60\tdrop: noop-qdisc\t111`,
        `${SECONDS}.999999999\tserver\t40001\t1514\t\t999999999`,
      ]);
      const capinfos = spawnSync("capinfos", ["-M", output], { encoding: "utf8" });
      expect(capinfos.status).toBe(0);
      expect(capinfos.stdout).toMatch(/Number of packets:\s+2/);
      expect(capinfos.stdout).toMatch(/Strict time order:\s+True/);
      expect(capinfos.stdout).toMatch(/Name = server/);
    },
  );
});
