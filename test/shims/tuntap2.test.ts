// tuntap2: upstream's API, its five defects as tests, and what upstream has not.
import { spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { withNetns } from "@packetpath/libc";
import { Tap, Tun, tuntap } from "tuntap2";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { FdTable } from "../../src/host/fd-table.js";
import { setIpv6Conf } from "../../src/host/netns.js";
import { openBackend } from "../../src/host/open.js";
import { RtnetlinkSocket } from "../../src/host/rtnetlink.js";
import type { HostBackend } from "../../src/host/types.js";
import { arpRequest, NEEDS_ROOT, needsRoot } from "../host/linux-support.js";

const shim = fileURLToPath(new URL("../../native-free-shims/tuntap2/index.js", import.meta.url));

describe.skipIf(NEEDS_ROOT)(`tuntap2${needsRoot}`, () => {
  let backend: HostBackend;
  let netns: number;
  let open: (Tap | Tun)[] = [];

  beforeEach(async () => {
    backend = await openBackend("linux");
    netns = backend.addNamespace("shim", { named: false }).handle;
  });

  afterEach(async () => {
    await Promise.all(open.map((device) => released(device)));
    open = [];
    backend.close();
  });

  const tap = (options: object = {}): Tap => keep(new Tap({ netns, ...options }));
  const tun = (options: object = {}): Tun => keep(new Tun({ netns, ...options }));
  function keep<T extends Tap | Tun>(device: T): T {
    open.push(device);
    return device;
  }
  /** In the namespace, as upstream's constructor has no options. */
  const inside = <T>(body: () => T): T => withNetns(netns, body);

  describe("defects of upstream", () => {
    it("1: a device is an EventEmitter and a Duplex", () => {
      expect(tap()).toBeInstanceOf(Duplex);
      expect(tun()).toBeInstanceOf(EventEmitter);
    });

    it("2: mac is a string", () => {
      const device = tap();
      device.isUp = true;
      device.mac = "00:cd:ef:12:34:56";
      expect(device.mac).toBe("00:cd:ef:12:34:56");
    });

    it("3: close fires once", async () => {
      const device = tap();
      let closes = 0;
      device.on("close", () => (closes += 1));
      device.isUp = true;
      device.resume();
      const done = released(device);
      device.destroy();
      await done;
      await stat("/");
      expect(closes).toBe(1);
    });

    it("4: eight devices being read leave the thread pool free, and release at once", async () => {
      for (let i = 0; i < 8; i++) {
        const device = tap({ name: `quiet${i}` });
        device.isUp = true;
        device.resume();
      }
      await stat("/");
      await Promise.all(open.map((device) => released(device)));
      const left = inside(() => readFileSync("/proc/thread-self/net/dev", "utf8"));
      expect(left).toContain("lo:");
      expect(left).not.toContain("quiet");
    });

    it("4: process.exit with devices being read exits", () => {
      const directory = mkdtempSync(join(tmpdir(), "packetpath-test-"));
      const file = join(directory, "exit.mjs");
      writeFileSync(
        file,
        `import { Tap } from ${JSON.stringify(pathToFileURL(shim).href)};
         for (let i = 0; i < 5; i++) new Tap().on("data", () => {});
         setImmediate(() => setImmediate(() => process.exit(7)));`,
      );
      const child = spawnSync("unshare", ["-n", process.execPath, file], { timeout: 300_000 });
      rmSync(directory, { recursive: true });
      expect(child.status).toBe(7);
    });

    it("5: a malformed mac and an address that is none are refused", () => {
      const device = tap();
      expect(() => (device.mac = "not a mac")).toThrow(/incorrect mac address: not a mac/);
      expect(thrown(() => (device.ipv6 = "::zz/64"))).toBe("incorrect ipv6 address: ::zz/64");
    });

    it("5: setting ipv6 again replaces the address; setting it twice is no error", () => {
      inside(() => setIpv6Conf("default", "disable_ipv6", "0"));
      const device = tap();
      device.isUp = true;
      device.ipv6 = "abcd:1:2:3::/64";
      device.ipv6 = "abcd:1:2:3::/64";
      expect(device.ipv6).toBe("abcd:1:2:3::/64");
      device.ipv6 = "abcd::ffff:10.0.0.7/64";
      expect(device.ipv6).toBe("abcd::ffff:a00:7/64");
    });
  });

  describe("upstream's behavior", () => {
    it("properties", () => {
      const device = tap();
      expect(device).toMatchObject({ isTap: true, isTun: false, isUp: false, mtu: 1500 });
      expect(device.name).toMatch(/^tap\d+$/);
      device.isUp = true;
      device.mtu = 1400;
      device.ipv4 = "1.2.3.4/8";
      expect(device).toMatchObject({ isUp: true, mtu: 1400, ipv4: "1.2.3.4/8" });
      device.isUp = false;
      expect(device.isUp).toBe(false);
    });

    it("throws upstream's own sentences, as upstream does: strings", () => {
      const device = tap();
      const notUp = "you must set isUp = true in order to access this method";
      for (const key of ["mac", "ipv4", "ipv6"] as const) {
        expect(thrown(() => device[key])).toBe(notUp);
      }
      expect(thrown(() => (device.ipv4 = "1.2.3.4/8/"))).toBe("incorrect ip address: 1.2.3.4/8/");
      expect(thrown(() => (device.ipv4 = "1.2.3.4"))).toBe("incorrect ip address: 1.2.3.4");
      const name = "setting a name of a tuntap device is not supported";
      expect(thrown(() => tuntap({ type: "tap", name: "x" as "" }))).toBe(name);
      expect(thrown(() => tuntap({ type: "lan" as "tap" }))).toBe("illegal type lan");
      for (const mask of ["255.0.255.0", "255.255.255.1"]) {
        expect(thrown(() => tuntap({ type: "tap", mask }))).toBe("illegal netmask");
      }
      expect(thrown(() => tuntap({ type: "tap", mask: "255.0" }))).toBe("illegal net mask!");
      expect(() => (tun().mac = "02:00:00:00:00:01")).toThrow(
        "method not support by a tun device.",
      );
      expect(() => device.setEncoding("utf8")).toThrow("Method is not allowed.");
      expect(() => device.setDefaultEncoding("utf8")).toThrow("Method is not allowed.");
    });

    it("tuntap() sets mtu, address, mask and state, and pipes", async () => {
      const device = inside(() =>
        tuntap({
          type: "tun",
          name: "",
          mtu: 1300,
          addr: "192.168.123.1",
          mask: "255.255.255.192",
          up: true,
          dest: "192.168.123.2",
          persist: false,
          running: true,
        }),
      );
      keep(device);
      // Made without `netns`, so its settings are those of the calling thread's namespace.
      inside(() => expect(device).toMatchObject({ mtu: 1300, ipv4: "192.168.123.1/26" }));
      device.pipe(device);
      device.unpipe(device);
      await released(device);
      expect(device.destroyed).toBe(true);
    });

    it("end() closes", async () => {
      const device = tun();
      device.end();
      await once(device, "close");
      expect(device.destroyed).toBe(true);
    });

    it("emits open and ready", async () => {
      const device = tap();
      const [fd] = (await once(device, "open")) as [number];
      expect(fd).toBe(device.queues[0]!.fd);
    });
  });

  describe("frames", () => {
    const request = arpRequest("10.1.2.9", "10.1.2.3");
    const replyOf = (frames: Buffer[]) => frames.find((frame) => frame[21] === 2);

    async function upTap(options: object = {}): Promise<Tap> {
      const device = tap(options);
      device.ipv4 = "10.1.2.3/24";
      device.isUp = true;
      return device;
    }

    it("one data event is one frame, written frames arrive", async () => {
      const device = await upTap();
      const frames: Buffer[] = [];
      device.on("data", (frame: Buffer) => frames.push(frame));
      device.write(request);
      const reply = await eventually("a reply", () => replyOf(frames), { timeoutMs: 60_000 });
      expect(reply).toHaveLength(42);
      expect(reply.readUInt32BE(28)).toBe(0x0a010203);
    });

    it("a slow reader still gets frames one by one", async () => {
      const device = await upTap();
      for (let i = 0; i < 3; i++) device.write(request);
      const sizes: number[] = [];
      device.on("readable", () => {
        for (let frame = device.read(); frame !== null; frame = device.read()) {
          sizes.push((frame as Buffer).length);
        }
      });
      await eventually("three replies", () => sizes.length >= 3, { timeoutMs: 60_000 });
      expect(sizes.every((size) => size === 42)).toBe(true);
    });

    it("all queues are read, queues can be detached, the carrier can be taken", async () => {
      const device = await upTap({ queues: 4, name: "multi0" });
      expect(device.queues).toHaveLength(4);
      const frames: Buffer[] = [];
      device.on("data", (frame: Buffer) => frames.push(frame));
      for (const queue of device.queues) expect(queue.write(request)).toBe(42);
      await eventually("four replies", () => frames.length >= 4, { timeoutMs: 60_000 });
      expect(device.queues[3]!.detach()).toBe(0);
      expect(device.queues[3]!.detach()).toBe(-22);
      expect(device.queues[3]!.attach()).toBe(0);
      expect(device.carrier).toBe(true);
      device.carrier = false;
      expect(device.carrier).toBe(false);
    });

    it("a queue reads 0 when it is empty", async () => {
      const device = await upTap();
      expect(device.queues[0]!.read(new Uint8Array(2048))).toBe(0);
      expect(device.queues[0]!.write(request.subarray(0, 10))).toBe(-22);
    });

    it("a device that is taken away from outside ends with one error", async () => {
      const device = await upTap({ name: "victim0" });
      device.resume();
      const failed = once(device, "error");
      const table = FdTable.create();
      const netlink = new RtnetlinkSocket(table, { name: "shim", handle: netns, path: null });
      const link = netlink.getLink("victim0");
      expect(typeof link === "number" ? link : netlink.deleteLink(link.ifindex)).toBe(0);
      netlink.close();
      const [error] = (await failed) as [NodeJS.ErrnoException];
      expect(error).toMatchObject({ code: "EBADFD", errno: -77, syscall: "read" });
      await eventually("the close", () => device.closed, { timeoutMs: 60_000 });
    });

    it("a write to a device that is down is an EIO error", async () => {
      const device = tap();
      const failed = once(device, "error");
      device.write(request);
      const [error] = (await failed) as [NodeJS.ErrnoException];
      expect(error.code).toBe("EIO");
    });

    it("vnet header: 12 bytes in front of each frame", async () => {
      const device = await upTap({ vnetHdr: true, offloads: true });
      expect(device.vnetHeaderBytes).toBe(12);
      device.write(Buffer.concat([Buffer.alloc(12), request]));
      const [frame] = (await once(device, "data")) as [Buffer];
      expect(frame).toHaveLength(54);
    });
  });

  it("refuses what cannot be: names, queues, offloads without header, a taken name", () => {
    expect(() => tap({ name: "has space" })).toThrow(/illegal interface name/);
    expect(() => tap({ queues: 257 })).toThrow(/illegal number of queues 257: 1 to 256/);
    expect(() => tap({ offloads: true })).toThrow(/offloads need vnetHdr/);
    tap({ name: "same0" });
    expect(() => tap({ name: "same0" })).toThrow(/TUNSETIFF EBUSY: same0/);
  });
});

const released = (device: Tap | Tun): Promise<void> =>
  new Promise((done) => device.release(() => done()));

function thrown(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}
