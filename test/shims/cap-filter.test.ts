// The filters of the cap shim: same verdicts as libpcap's own compiler (asked through tcpdump
// -ddd), frame by frame, and refusals by name.
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BpfInstruction, compileFilter } from "../../native-free-shims/cap/index.js";

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ""), "hex");

/** Runs a classic BPF program as the kernel does: a load beyond the end is a refusal. */
function run(program: readonly BpfInstruction[], frame: Buffer): boolean {
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < program.length;) {
    const { code, jt, jf, k } = program[pc]!;
    const size = { 0x00: 4, 0x08: 2, 0x10: 1 }[code & 0x18] ?? 0;
    const indexed = (code & 0xe0) === 0x40;
    pc++;
    if (code === 0x06) return k !== 0;
    if (code === 0x80) a = frame.length;
    else if (code === 0xb1) {
      if (k >= frame.length) return false;
      x = (frame[k]! & 0xf) * 4;
    } else if ((code & 0x07) === 0) {
      const at = indexed ? x + k : k;
      if (at + size > frame.length) return false;
      a = frame.readUIntBE(at, size);
    } else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) pc += k;
    else {
      const yes = { 0x15: a === k, 0x25: a > k, 0x35: a >= k, 0x45: (a & k) !== 0 }[code];
      if (yes === undefined) throw new Error(`instruction ${code.toString(16)}`);
      pc += yes ? jt : jf;
    }
  }
  throw new Error("the program ran off its end");
}

/** libpcap's program for a filter: "code jt jf k" per line after the count. */
function libpcap(filter: string, linkType: string): BpfInstruction[] | null {
  const result = spawnSync("tcpdump", ["-ddd", "-y", linkType, filter], { encoding: "utf8" });
  if (result.status !== 0) return null;
  return result.stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [code, jt, jf, k] = line.split(" ").map(Number) as [number, number, number, number];
      return { code, jt, jf, k };
    });
}

const FILTERS = [
  "arp",
  "rarp",
  "ip",
  "ip6",
  "tcp",
  "udp",
  "sctp",
  "icmp",
  "icmp6",
  "ether proto 0x88cc",
  "ip proto 47",
  "host 10.0.0.2",
  "src host 10.0.0.1",
  "dst host fd00::1:2",
  "host ::ffff:10.0.0.1",
  "port 53",
  "tcp port 80",
  "udp src port 8080",
  "sctp dst port 7",
  "greater 60",
  "less 60",
  "not arp",
  "arp or ip and not icmp",
  "tcp or udp and host 10.0.0.2",
  "! (tcp port 80 || udp port 53) && ip",
  "not (ip6 or arp) and (host 10.0.0.1 or port 7)",
];
const ETHERNET_FILTERS = [
  ...FILTERS,
  "ether src 02:00:00:00:00:01",
  "ether dst host 2:0:0:0:0:2",
  "ether host ff:ff:ff:ff:ff:ff and not udp",
];

const IP4 = "4500 0028 0001 0000 40";
const PORTS = "1f90 0035 0007 0050 0000 0000 0000 0000 0000 0000";
const PACKETS = [
  hex(`${IP4} 06 0000 0a000001 0a000002 ${PORTS}`),
  hex(`${IP4} 11 0000 0a000002 0a000009 ${PORTS}`),
  hex(`${IP4} 01 0000 0a000001 0a000002 ${PORTS}`),
  hex(`${IP4} 84 0000 0a000001 0a000002 0050 0007 ${PORTS}`),
  hex(`4600 002c 0001 0000 40 11 0000 0a000001 0a000002 01010101 ${PORTS}`),
  hex(`4500 0028 0001 2001 40 11 0000 0a000001 0a000002 ${PORTS}`),
  hex(`4500 0028 0001 2005 40 06 0000 0a000001 0a000002 ${PORTS}`),
  hex(`60000000 0014 11 40 fd00000000000000000000000000 0001 fd000000000000000000000000010002
    ${PORTS}`),
  hex(`60000000 0014 2c 40 fd000000000000000000000000000001 fd000000000000000000000000010002
    3a00 0000 00000001 ${PORTS}`),
  hex(`60000000 0014 3a 40 fd000000000000000000000000000001 00000000000000000000ffff0a000001
    ${PORTS}`),
];
const ARP = "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002";
const FRAMES = [
  ...PACKETS.map((packet) =>
    Buffer.concat([
      hex("020000000002 020000000001"),
      hex(packet[0]! >> 4 === 6 ? "86dd" : "0800"),
      packet,
    ]),
  ),
  hex(`ffffffffffff 020000000001 0806 ${ARP}`),
  hex(`ffffffffffff 020000000003 8035 ${ARP}`),
  hex(`020000000002 020000000001 8100 0007 0800 ${IP4} 06 0000 0a000001 0a000002 ${PORTS}`),
  hex(`0180c200000e 020000000001 88cc ${"00".repeat(60)}`),
];

/** Frames with a few bytes changed to values that the filters ask for, and cut somewhere. */
function near(frames: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const value = fc.constantFrom(0, 1, 2, 6, 8, 10, 17, 0x2c, 0x35, 0x40, 0x50, 0x60, 0x84, 0xff);
  return fc
    .tuple(
      fc.constantFrom(...frames),
      fc.array(fc.tuple(fc.nat(80), value), { maxLength: 4 }),
      fc.nat(100),
    )
    .map(([frame, changes, keep]) => {
      const copy = Buffer.from(frame);
      for (const [at, byte] of changes) copy[at % copy.length] = byte;
      return keep < 70 ? copy.subarray(0, Math.max(14, keep)) : copy;
    });
}

const probe = libpcap("arp", "EN10MB");
const why = probe === null ? " (needs tcpdump, which is not here)" : "";

function sameVerdicts(filter: string, frames: readonly Buffer[], raw: boolean): void {
  const theirs = libpcap(filter, raw ? "RAW" : "EN10MB");
  const ours = compileFilter(filter, raw ? "RAW" : "ETHERNET");
  expect(theirs, `libpcap takes "${filter}"`).not.toBeNull();
  expect(ours, filter).not.toBeNull();
  for (const frame of frames) {
    const where = `"${filter}" on ${frame.toString("hex")}`;
    expect(run(ours!, frame), where).toBe(run(theirs!, frame));
  }
  fc.assert(
    fc.property(near(frames), (frame) => run(ours!, frame) === run(theirs!, frame)),
    { numRuns: 300 },
  );
}

describe("cap filters", () => {
  it("the empty filter needs no program", () => {
    expect(compileFilter("")).toBeNull();
    expect(compileFilter("  ")).toBeNull();
  });

  it("passes and refuses what it says", () => {
    const passes = (filter: string) => FRAMES.map((frame) => run(compileFilter(filter)!, frame));
    expect(passes("arp").lastIndexOf(true)).toBe(10);
    expect(passes("arp").filter(Boolean)).toHaveLength(1);
    expect(passes("greater 1").every(Boolean)).toBe(true);
    expect(passes("not greater 1").some(Boolean)).toBe(false);
  });

  it("ports are not looked for in later fragments", () => {
    const fragments = FRAMES.slice(5, 7);
    const program = compileFilter("port 53 or port 80")!;
    expect(fragments.map((frame) => run(program, frame))).toEqual([false, false]);
    expect(run(program, FRAMES[1]!)).toBe(true);
  });

  it("and and or bind equally strongly, to the left, as in libpcap", () => {
    const arp = FRAMES[10]!;
    expect(run(compileFilter("arp or ip and ip6")!, arp)).toBe(false);
    expect(run(compileFilter("arp or (ip and ip6)")!, arp)).toBe(true);
  });

  it("on a TUN device ARP never passes and everything passes its negation", () => {
    expect(run(compileFilter("arp", "RAW")!, PACKETS[0]!)).toBe(false);
    expect(run(compileFilter("not arp", "RAW")!, PACKETS[0]!)).toBe(true);
  });

  it.skipIf(probe === null)(`Ethernet filters decide as libpcap's do${why}`, () => {
    for (const filter of ETHERNET_FILTERS) sameVerdicts(filter, FRAMES, false);
  });

  it.skipIf(probe === null)(`filters on bare IP decide as libpcap's do${why}`, () => {
    // libpcap refuses ARP on raw IP instead of never matching.
    const taken = FILTERS.filter((filter) => libpcap(filter, "RAW") !== null);
    expect(taken.length).toBeGreaterThan(15);
    for (const filter of taken) sameVerdicts(filter, PACKETS, true);
  });

  it("refuses text outside its language, naming the word", () => {
    const refused: [string, RegExp][] = [
      ["tcp[13] & 2 != 0", /at "tcp\[13\]"/],
      ["port http", /at "http".*number/],
      ["port 65536", /65536 is above 65535/],
      ["host example.org", /at "example.org".*address/],
      ["arp and", /at its end/],
      ["(arp", /"\)" is wanted/],
      ["arp ip", /at "ip"/],
      ["net 10.0.0.0/8", /at "net"/],
      ["ether proto 0x42", /below 0x600/],
      ["x".repeat(3_000), /3000 characters/],
    ];
    for (const [filter, reason] of refused) expect(() => compileFilter(filter)).toThrow(reason);
  });

  it("any text compiles or is refused with a sentence", () => {
    const words = fc.constantFrom(...FILTERS.flatMap((f) => f.split(" ")), "(", ")", "or", "12");
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), (list) => {
        try {
          compileFilter(list.join(" "));
        } catch (error) {
          expect((error as Error).message).toMatch(/^filter "/);
        }
      }),
    );
  });

  it("a filter whose jumps would be too long is refused, not miscompiled", () => {
    const many = Array.from({ length: 70 }, (_, i) => `port ${i}`).join(" or ");
    expect(() => compileFilter(many)).toThrow(/too long/);
  });
});
