// Captures on both ends of the switch, in every combination of offloads: whatever leaves checksums
// or segmentation to somebody else, no frame has a wrong checksum, and what arrives is what was
// sent.
//
// A checksum is right, or it is partial: the sum of the pseudo-header alone, which is what a kernel
// writes when the device is to do the rest. Frames of a sender that leaves checksums to its device
// are partial on both ends, because the switch hands the vnet header on, and the receiving kernel
// takes the header's word. Frames of a sender that does not (no offloads, or `tx` off) are right.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { findProgram, runProgram, startProgram } from "../../src/host/peers/programs.js";
import type { NamespaceRef } from "../../src/host/types.js";
import { buildLab, type Lab, tearDown } from "../../src/scenario/lab.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { checksumHolds, foldSum, pseudoSumIpv4, pseudoSumIpv6 } from "../../src/wire/checksum.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";

const missing = ["tcpdump", "tshark", "ping"].filter((name) => findProgram(name) === null);
const needs = NEEDS_ROOT ? needsRoot : missing.length > 0 ? ` (needs ${missing.join(", ")})` : "";
const TRAFFIC = fileURLToPath(new URL("traffic.mjs", import.meta.url));

const ENDS = ["client", "server"] as const;
type End = (typeof ENDS)[number];
const ADDRESSES = { client: ["10.0.0.1", "fd00::1"], server: ["10.0.0.2", "fd00::2"] };
/** Which ends leave checksums to their device, in each phase; its traffic has a port of its own. */
const PHASES: readonly (readonly End[])[] = [["client", "server"], ["client"], ["server"], []];
const FIRST_PORT = 5000;
/** Bytes in front of the first frame in a file of tcpdump. */
const FILE_HEADER = 24;

function scenario(offloads: readonly End[], uso: boolean): string {
  const port = (name: End) => {
    const [ipv4, ipv6] = ADDRESSES[name];
    return [
      `  - name: ${name}`,
      `    namespace: ${name}`,
      `    offloads: ${offloads.includes(name)}`,
      `    addresses: [${ipv4}/24, "${ipv6}/64"]`,
    ];
  };
  const lines = ["name: checksums", "guard: running-carrier", `namespaces: [${ENDS.join(", ")}]`];
  return [...lines, `uso: ${uso}`, "ports:", ...ENDS.flatMap(port), ""].join("\n");
}

/** One network namespace of the lab, and programs in it. */
class Host {
  private readonly namespace: NamespaceRef;

  constructor(lab: Lab, end: End) {
    this.namespace = lab.topology.namespaces.get(end)!.ref;
  }

  run(...words: readonly string[]): Promise<string> {
    return runProgram(words, { namespace: this.namespace, timeoutMs: 300_000 });
  }

  /** Starts the server of all phases; the answer stops it. */
  async serve(): Promise<() => Promise<void>> {
    const ports = PHASES.map((_, phase) => FIRST_PORT + phase).join(",");
    const words = [process.execPath, TRAFFIC, "server", ports, ...ADDRESSES.server];
    const server = startProgram(words, { namespace: this.namespace });
    const isListening = () => server.stdout().includes("listening");
    await eventually("the server to listen", isListening, { timeoutMs: 60_000 });
    return () => server.stop();
  }

  /** Captures until the answer is called; a frame that the capture missed is an error. */
  async capture(file: string): Promise<() => Promise<void>> {
    const words = ["tcpdump", "-i", "eth0", "-U", "-B", "65536", "-w", file];
    const program = startProgram(words, { namespace: this.namespace });
    const isOpen = () => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= FILE_HEADER;
    await eventually("tcpdump to listen", isOpen, { timeoutMs: 60_000 });
    return async () => {
      process.kill(program.pid, "SIGINT");
      const { stderr } = await program.ended;
      expect(stderr).toContain("\n0 packets dropped by kernel");
    };
  }
}

async function exchange(hosts: Readonly<Record<End, Host>>, phase: number): Promise<void> {
  for (const end of ENDS) {
    const on = PHASES[phase]!.includes(end);
    if (on === PHASES[phase - 1]?.includes(end)) continue;
    await hosts[end].run(process.execPath, TRAFFIC, "tx", "eth0", on ? "1" : "0");
  }
  const words = [TRAFFIC, "client", String(FIRST_PORT + phase), ...ADDRESSES.server];
  const said = await hosts.client.run(process.execPath, ...words);
  expect(said).toBe("tcp whole\nudp whole 29\n".repeat(ADDRESSES.server.length));
  const ping = ["ping", "-c", "2", "-i", "0.2", "-s", "4000"];
  await Promise.all(ADDRESSES.server.map((address) => hosts.client.run(...ping, address)));
}

interface Judged {
  /** Frames with TCP or UDP whose checksum is partial, by phase and sender. */
  readonly partial: Map<string, number>;
  readonly right: Map<string, number>;
  readonly wrong: string[];
}

const FIELDS = ["frame.number", "ip.src", "ipv6.src", "tcp.port", "udp.port"];
const STATUS = ["ip", "tcp", "udp", "icmp", "icmpv6"].map((each) => `${each}.checksum.status`);
const BAD = "0";

/** What tshark says of each frame's checksums, and whether those it calls bad are partial. */
async function judge(file: string): Promise<Judged> {
  const checks = ["ip", "tcp", "udp"].flatMap((each) => ["-o", `${each}.check_checksum:TRUE`]);
  const shown = [...FIELDS, ...STATUS].flatMap((each) => ["-e", each]);
  const text = await runProgram(["tshark", "-r", file, ...checks, "-T", "fields", ...shown]);
  const frames = readPcap(file);
  const judged: Judged = { partial: new Map(), right: new Map(), wrong: [] };
  for (const line of text.trimEnd().split("\n")) {
    const [number, ipv4, ipv6, tcp, udp, ...status] = line.split("\t");
    const sender = ENDS.find((end) => ADDRESSES[end].includes((ipv4 || ipv6)!));
    const ports = `${tcp},${udp}`.split(",").map(Number);
    const phase = PHASES.findIndex((_, i) => ports.includes(FIRST_PORT + i));
    const name = `${phase} ${sender}`;
    const bad = STATUS.filter((_, i) => status[i]?.split(",").includes(BAD));
    const is = bad.length === 1 ? transportChecksum(frames[Number(number) - 1]!) : "wrong";
    if (bad.length > 0 && is === "wrong") judged.wrong.push(`frame ${line}: ${bad.join(", ")}`);
    else if (bad.length > 0 && is === "partial") count(judged.partial, name);
    else if (phase >= 0) count(judged.right, name);
  }
  return judged;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** The frames of a file of tcpdump, in the byte order of this machine. */
function readPcap(file: string): Uint8Array[] {
  const bytes = readFileSync(file);
  const frames: Uint8Array[] = [];
  for (let at = FILE_HEADER; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 8);
    frames.push(bytes.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return frames;
}

/**
 * What the TCP or UDP checksum of a whole packet is. Partial: the sum of its pseudo-header. One's
 * complement has two zeros, and the kernel writes 0xffff for either, TCP too (skb_checksum_help,
 * CSUM_MANGLED_0): right, though tshark wants 0, in one frame of 65,536.
 */
function transportChecksum(frame: Uint8Array): "partial" | "right" | "wrong" {
  const ip = 14;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const isIpv4 = view.getUint16(12) === 0x0800;
  const protocol = frame[ip + (isIpv4 ? 9 : 6)]!;
  const header = isIpv4 ? (frame[ip]! & 15) * 4 : 40;
  const length = isIpv4 ? view.getUint16(ip + 2) - header : view.getUint16(ip + 4);
  if (isIpv4 && (view.getUint16(ip + 6) & 0x3fff) !== 0) return "wrong";
  if (protocol !== 6 && protocol !== 17) return "wrong";
  const start = ip + header;
  const sum = (isIpv4 ? pseudoSumIpv4 : pseudoSumIpv6)(frame, ip, protocol, length);
  if (view.getUint16(start + (protocol === 6 ? 16 : 6)) === foldSum(sum)) return "partial";
  return checksumHolds(frame, start, start + length, sum) ? "right" : "wrong";
}

describe.skipIf(needs !== "")(`checksums on both ends${needs}`, () => {
  const both: readonly End[] = ENDS;
  const offloads = [both, ["client"], ["server"], []] as const;
  const cases = offloads.flatMap((each) => [true, false].map((uso) => [each, uso] as const));

  it.each(cases)("offloads of [%s], uso %s: right, or partial where they may", async (own, uso) => {
    const folder = mkdtempSync(join(tmpdir(), "packetpath-checksums-"));
    const lab = await buildLab(parseScenario(scenario(own, uso), "checksums.yaml"), {
      ...{ backend: "linux", guard: "running-carrier", guardModule: null, seed: 1 },
      ...{ named: false, captureFolder: null, onControl: () => undefined },
    });
    try {
      const hosts = { client: new Host(lab, "client"), server: new Host(lab, "server") };
      const stops = await Promise.all(ENDS.map((end) => hosts[end].capture(join(folder, end))));
      const stopServer = await hosts.server.serve();
      for (let phase = 0; phase < PHASES.length; phase++) await exchange(hosts, phase);
      for (const stop of [stopServer, ...stops]) await stop();
      const judged = await Promise.all(ENDS.map((end) => judge(join(folder, end))));
      for (const one of judged) expectRight(one, own);
    } finally {
      await tearDown(lab, new Set());
      rmSync(folder, { recursive: true });
    }
  });
});

function expectRight({ partial, right, wrong }: Judged, offloads: readonly End[]): void {
  expect(wrong).toEqual([]);
  for (const [phase, txOn] of PHASES.entries()) {
    for (const sender of ENDS) {
      const name = `${phase} ${sender}`;
      const mayBePartial = offloads.includes(sender) && txOn.includes(sender);
      expect([name, (partial.get(name) ?? 0) > 0]).toEqual([name, mayBePartial]);
      // Fragments are never left to a device, so there are right ones of everybody.
      expect([name, (right.get(name) ?? 0) > 0]).toEqual([name, true]);
    }
  }
}
