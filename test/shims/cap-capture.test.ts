// The cap shim on devices of a fresh namespace, beside cap itself where it is built: the same
// frames, the same link types, the same answers to wrong arguments; and what cap cannot do: worker
// threads, time stamps, statistics, the removal of the device.
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import * as libc from "@packetpath/libc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { Cap, type Device } from "../../native-free-shims/cap/index.js";

type CapClass = typeof Cap;

function loadReal(): CapClass | null {
  try {
    return (createRequire(import.meta.url)("cap") as { Cap: CapClass }).Cap;
  } catch {
    return null;
  }
}

const RealCap = loadReal();
const root = process.getuid?.() === 0;
const needsRoot = root ? "" : " (needs root)";
const needsReal = RealCap === null ? " (needs the optional package cap, not built here)" : "";
const withReal = !root || RealCap === null;
const BUFFER = 16 * 1_048_576;

let home = -1;

/** Runs a test of this file inside a namespace of its own, with veth0 <-> veth1 up. */
beforeEach(async () => {
  if (!root) return;
  home = libc.open("/proc/thread-self/ns/net", libc.C.O_RDONLY | libc.C.O_CLOEXEC);
  expect(libc.unshare(libc.C.CLONE_NEWNET)).toBe(0);
  ip("link add veth0 type veth peer name veth1");
  for (const [name, last] of [
    ["veth0", 1],
    ["veth1", 2],
  ]) {
    ip(`link set ${name} address 02:00:00:00:00:0${last} addrgenmode none`);
    ip(`link set ${name} up`);
  }
  // Until the kernel's link watch has run, a veth has the noop qdisc and drops what it is given.
  const up = () => execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).match(/state UP/g);
  await eventually("both ends to be up", () => up()?.length === 2, { timeoutMs: 60_000 });
});

afterEach(() => {
  for (const capture of captures.splice(0)) capture.close();
  if (home < 0) return;
  libc.setns(home, libc.C.CLONE_NEWNET);
  libc.close(home);
  home = -1;
});

function ip(command: string): void {
  execFileSync("ip", command.split(" "));
}

const captures: Cap[] = [];
/** cap's libuv handle stays in the loop after `close`: collecting the object corrupts the heap. */
const pinned: unknown[] = [];

interface Seen {
  readonly capture: Cap;
  readonly linkType: string;
  readonly frames: string[];
  readonly truncated: boolean[];
}

/** Captures with either class; frames as hexadecimal text. */
function watch(Class: CapClass, device: string, filter = "", room = 65_535): Seen {
  const capture = new Class();
  const buffer = Buffer.alloc(room);
  const seen = { capture, frames: [] as string[], truncated: [] as boolean[] };
  const linkType = capture.open(device, filter, BUFFER, buffer);
  capture.on("packet", (nbytes, truncated) => {
    seen.frames.push(buffer.toString("hex", 0, nbytes));
    seen.truncated.push(truncated);
  });
  captures.push(capture);
  pinned.push(capture, buffer);
  return { ...seen, linkType };
}

async function until(seen: Seen, count: number): Promise<void> {
  await eventually(`${count} frames`, () => seen.frames.length >= count, { timeoutMs: 60_000 });
}

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ""), "hex");

const TRAFFIC = [
  hex(`ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001
    000000000000 0a000002`),
  hex(`020000000002 020000000001 0800 4500 001c 0001 0000 40 11 66cd 0a000001 0a000002
    1f90 0035 0008 0000`),
  hex(`020000000002 020000000001 8100 2007 0800 4500 0028 0001 0000 40 06 66cd 0a000001 0a000002
    1f90 0050 00000001 00000002 5010 7210 0000 0000`),
  hex(`020000000002 020000000001 86dd 6000 0000 0008 3a 40 fd000000000000000000000000000001
    fd000000000000000000000000000002 8000 0000 0001 0001`),
  hex(`020000000009 020000000001 88b5 ${"5a".repeat(1_500)}`),
];

function sender(device: string): Cap {
  const capture = new Cap();
  capture.open(device, "ether proto 0x9999", 65_536, Buffer.alloc(64));
  captures.push(capture);
  return capture;
}

describe("cap shim, capture and send", () => {
  it.skipIf(!root)(
    `captures what was sent, on both ends, with time and direction${needsRoot}`,
    async () => {
      const [near, far] = [watch(Cap, "veth0"), watch(Cap, "veth1")];
      const before = BigInt(Math.floor(performanceOrigin()));
      const tx = sender("veth0");
      for (const frame of TRAFFIC) tx.send(frame);
      await until(near, TRAFFIC.length);
      await until(far, TRAFFIC.length);
      const expected = TRAFFIC.map((frame) => frame.toString("hex"));
      expect(near.frames).toEqual(expected);
      expect(far.frames).toEqual(expected);
      expect([near.linkType, far.linkType]).toEqual(["ETHERNET", "ETHERNET"]);
      expect([near.capture.lastOutgoing, far.capture.lastOutgoing]).toEqual([true, false]);
      expect(far.capture.lastTimestamp / 1_000_000n).toBeGreaterThanOrEqual(before);
      expect(far.capture.stats()).toEqual({ received: TRAFFIC.length, dropped: 0 });
    },
  );

  it.skipIf(!root)(
    `a buffer smaller than a frame gets its head and the word${needsRoot}`,
    async () => {
      const far = watch(Cap, "veth1", "", 100);
      sender("veth0").send(TRAFFIC[4]!);
      await until(far, 1);
      expect(far.frames[0]).toBe(TRAFFIC[4]!.toString("hex", 0, 100));
      expect(far.truncated).toEqual([true]);
      expect(far.capture.lastWireLength).toBe(TRAFFIC[4]!.length);
    },
  );

  it.skipIf(!root)(
    `a burst larger than a turn of the event loop arrives whole${needsRoot}`,
    async () => {
      const far = watch(Cap, "veth1", "ether proto 0x88b5");
      const tx = sender("veth0");
      const frame = Buffer.from(TRAFFIC[4]!.subarray(0, 80));
      for (let i = 0; i < 3_000; i++) {
        frame.writeUInt32BE(i, 20);
        tx.send(frame);
      }
      await until(far, 3_000);
      const numbers = far.frames.map((text) => Number.parseInt(text.slice(40, 48), 16));
      expect(numbers).toEqual(Array.from({ length: 3_000 }, (_, i) => i));
    },
  );

  it.skipIf(!root)(
    `works in two worker threads at once (cap aborts there)${needsRoot}`,
    async () => {
      const url = new URL("../../native-free-shims/cap/index.js", import.meta.url).href;
      const code = `const { parentPort, workerData } = require("node:worker_threads");
      import(${JSON.stringify(url)}).then(({ Cap }) => {
        const cap = new Cap();
        let frames = 0;
        cap.on("packet", () => {
          if (++frames < 5) return;
          cap.close();
          parentPort.postMessage("seen");
        });
        cap.open(workerData, "", 1 << 20, Buffer.alloc(65535));
        parentPort.postMessage("ready");
      });`;
      const workers = ["veth0", "veth1"].map(
        (name) => new Worker(code, { eval: true, workerData: name }),
      );
      const exits = workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
      const heard = workers.map(() => [] as string[]);
      workers.forEach((worker, i) => worker.on("message", (word: string) => heard[i]!.push(word)));
      const all = (word: string) => () => heard.every((words) => words.includes(word));
      await eventually("both workers to be ready", all("ready"), { timeoutMs: 60_000 });
      const tx = sender("veth0");
      for (const frame of TRAFFIC) tx.send(frame);
      await eventually("both workers to see all", all("seen"), { timeoutMs: 60_000 });
      // A closed capture keeps no event loop alive: the workers end by themselves.
      expect(await Promise.all(exits)).toEqual([0, 0]);
    },
  );

  it.skipIf(!root)(
    `the removal of the device ends the capture with one error${needsRoot}`,
    async () => {
      const near = watch(Cap, "veth0");
      const errors: Error[] = [];
      near.capture.on("error", (error) => errors.push(error));
      ip("link set veth0 down");
      ip("link set veth0 up");
      sender("veth0").send(TRAFFIC[0]!);
      await until(near, 1);
      expect(errors).toEqual([]);
      ip("link del veth0");
      await eventually("the error", () => errors.length > 0, { timeoutMs: 60_000 });
      expect(errors.map((error) => error.message)).toEqual(["the device is gone"]);
      expect(near.capture.close()).toBe(false);
      expect(near.capture.stats().received).toBe(1);
    },
  );

  it.skipIf(!root)(
    `a listener may close the capture in the middle of a burst${needsRoot}`,
    async () => {
      const far = watch(Cap, "veth1");
      far.capture.on("packet", () => far.frames.length === 2 && far.capture.close());
      const tx = sender("veth0");
      for (const frame of TRAFFIC) tx.send(frame);
      await eventually("the close", () => far.frames.length === 2, { timeoutMs: 60_000 });
      const other = watch(Cap, "veth1");
      tx.send(TRAFFIC[0]!);
      await until(other, 1);
      expect(far.frames).toHaveLength(2);
    },
  );

  it.skipIf(!root)(
    `the kernel runs the filter, loopback frames come once${needsRoot}`,
    async () => {
      ip("link set lo up");
      const filtered = watch(Cap, "lo", "udp port 7777");
      const all = watch(Cap, "lo", "udp");
      const socket = createSocket("udp4");
      for (const port of [7_777, 7_778, 7_777, 7_778]) socket.send("word", port, "127.0.0.1");
      await until(all, 4);
      await until(filtered, 2);
      socket.close();
      expect([all.frames.length, filtered.frames.length]).toEqual([4, 2]);
      expect(filtered.capture.stats().received).toBeLessThan(all.capture.stats().received);
      expect(all.frames.filter((_, i) => i % 2 === 0)).toEqual(filtered.frames);
    },
  );

  it.skipIf(!root)(`lists devices and finds them by address${needsRoot}`, () => {
    ip("addr add 10.4.0.1/24 brd + dev veth0");
    ip("addr add fd04::1/64 dev veth1 nodad");
    ip("link set lo up");
    expect(Cap.findDevice("10.4.0.1")).toBe("veth0");
    expect(Cap.findDevice("fd04::1")).toBe("veth1");
    expect(Cap.findDevice("10.4.0.99")).toBeUndefined();
    const lo = Cap.deviceList().find(({ name }) => name === "lo");
    expect(lo?.flags).toBe("PCAP_IF_LOOPBACK");
    expect(lo?.addresses[0]).toEqual({ addr: "127.0.0.1", netmask: "255.0.0.0" });
  });
});

/** Milliseconds since 1970, from the kernel, to compare with time stamps of the kernel. */
function performanceOrigin(): number {
  return Number(execFileSync("date", ["+%s%3N"], { encoding: "utf8" }));
}

describe("cap shim beside cap", () => {
  it.skipIf(withReal)(`the same frames in the same order${needsRoot}${needsReal}`, async () => {
    for (const filter of ["", "arp", "ip", "tcp port 80 or icmp6", "not ip and greater 100"]) {
      const [real, ours] = [watch(RealCap!, "veth1", filter), watch(Cap, "veth1", filter)];
      const everything = watch(Cap, "veth1");
      const tx = sender("veth0");
      for (const frame of TRAFFIC) tx.send(frame);
      await until(everything, TRAFFIC.length);
      await eventually("both to agree", () => real.frames.length === ours.frames.length, {
        timeoutMs: 60_000,
      });
      expect(ours.frames, filter).toEqual(real.frames);
      expect(ours.truncated).toEqual(real.truncated);
      if (filter === "") expect(ours.frames).toHaveLength(TRAFFIC.length);
      for (const capture of captures.splice(0)) capture.close();
    }
  });

  it.skipIf(withReal)(`loopback frames once, TUN as RAW${needsRoot}${needsReal}`, async () => {
    ip("link set lo up");
    ip("tuntap add dev tun0 mode tun");
    ip("link set tun0 up");
    expect(watch(Cap, "tun0").linkType).toBe(watch(RealCap!, "tun0").linkType);
    const [real, ours] = [watch(RealCap!, "lo", "udp"), watch(Cap, "lo", "udp")];
    const socket = createSocket("udp4");
    for (let i = 0; i < 4; i++) socket.send(`datagram ${i}`, 9, "127.0.0.1");
    await until(real, 4);
    await until(ours, 4);
    socket.close();
    expect(ours.frames).toEqual(real.frames);
    expect([ours.linkType, ours.frames.length]).toEqual([real.linkType, 4]);
  });

  it.skipIf(withReal)(
    `a VLAN tag that the kernel took off is put back, filters see past it${needsRoot}${needsReal}`,
    async () => {
      const [real, ours] = [watch(RealCap!, "veth1", "tcp"), watch(Cap, "veth1", "tcp")];
      // Where the frame is sent the tag is still in it, so "tcp" does not see the TCP header.
      const near = watch(Cap, "veth0", "tcp");
      const tagged = TRAFFIC[2]!;
      sender("veth0").send(tagged);
      await until(ours, 1);
      await until(real, 1);
      expect(ours.frames).toEqual([tagged.toString("hex")]);
      expect(real.frames).toEqual(ours.frames);
      expect(near.frames).toEqual([]);
    },
  );

  it.skipIf(withReal)(`the same devices with the same addresses${needsRoot}${needsReal}`, () => {
    ip("addr add 10.4.0.1/24 brd + dev veth0");
    ip("addr add fd04::1/64 dev veth1 nodad");
    ip("link set lo up");
    const real = RealCap!.deviceList().filter(({ name }) => /^(veth|lo)/.test(name));
    const sorted = (list: Device[]) => [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(sorted(Cap.deviceList())).toEqual(sorted(real));
    expect(Cap.findDevice("fd04::1")).toBe(RealCap!.findDevice("fd04::1"));
  });

  it.skipIf(withReal)(`the same refusals of wrong arguments${needsRoot}${needsReal}`, () => {
    const buffer = Buffer.alloc(100);
    const calls: ((capture: Cap) => unknown)[] = [
      (capture) => Reflect.apply(capture.open, capture, ["veth0", ""]),
      (capture) => Reflect.apply(capture.open, capture, [1, "", 1, buffer]),
      (capture) => Reflect.apply(capture.open, capture, ["veth0", 1, 1, buffer]),
      (capture) => Reflect.apply(capture.open, capture, ["veth0", "", -1, buffer]),
      (capture) => Reflect.apply(capture.open, capture, ["veth0", "", 1, "text"]),
      (capture) => Reflect.apply(capture.send, capture, []),
      (capture) => Reflect.apply(capture.send, capture, ["text"]),
      (capture) => capture.send(buffer, -1),
      (capture) => capture.send(buffer, 101),
      (capture) => capture.close(),
    ];
    const outcome = (call: () => unknown): unknown => {
      try {
        return call();
      } catch (error) {
        return `${(error as Error).name}: ${(error as Error).message}`;
      }
    };
    for (const [index, call] of calls.entries()) {
      const ours = outcome(() => call(new Cap()));
      expect(ours, `call ${index}`).toEqual(outcome(() => call(new RealCap!())));
    }
  });
});

describe("cap shim without privilege", () => {
  it.skipIf(root)("open says what is missing (needs to be an ordinary user)", () => {
    expect(() => new Cap().open("lo", "", 65_536, Buffer.alloc(64))).toThrow(/EPERM/);
  });

  it("lists the devices of the thread's namespace", () => {
    expect(Cap.deviceList().map(({ name }) => name)).toContain("lo");
  });
});
