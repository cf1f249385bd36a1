// Namespaces come and go; what a killed run leaves is swept, and nothing else.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { C, open, withNetns } from "@packetpath/libc";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { FdTable } from "../../src/host/fd-table.js";
import { LEDGER_DIR, NETNS_DIR, processIdentity, sweep } from "../../src/host/ledger.js";
import { enterNamespace, openBackend } from "../../src/host/open.js";
import { RtnetlinkSocket } from "../../src/host/rtnetlink.js";
import type { HostBackend, NamespaceRef } from "../../src/host/types.js";
import { NEEDS_ROOT, needsRoot } from "./linux-support.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const name = (text: string): string => `pptest-${process.pid}-${text}`;
const exists = (text: string): boolean => existsSync(`${NETNS_DIR}/${text}`);
const hasIp = spawnSync("ip", ["-V"]).status === 0;
const hasSetpriv = spawnSync("setpriv", ["--version"]).status === 0;
const netnsOfThread = (): string => execFileSync("readlink", ["/proc/self/ns/net"]).toString();

const scratch = mkdtempSync(join(tmpdir(), "packetpath-test-"));

afterAll(() => rmSync(scratch, { recursive: true }));

/** A process that holds named namespaces with a device until it is killed. */
async function holder(names: readonly string[]) {
  const file = join(scratch, "holder.mjs");
  writeFileSync(
    file,
    `import { openBackend } from ${JSON.stringify(join(root, "dist/host/open.js"))};
     const backend = await openBackend("linux");
     for (const name of ${JSON.stringify(names)}) {
       const namespace = backend.addNamespace(name, { named: true });
       backend.addDevice({ name: "tp0", namespace, mode: "tap", queues: 2, vnetHeader: true,
         offloads: true, mtu: 1500, txQueueLen: 500, mac: null, addresses: ["10.0.0.1/24"],
         gateways: [], up: true });
     }
     console.log("ready");
     setInterval(() => {}, 1000);`,
  );
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk) => (said += String(chunk)));
  await eventually("the holder to be ready", () => said.includes("ready"), { timeoutMs: 60_000 });
  return child;
}

describe.skipIf(NEEDS_ROOT)(`linux namespaces${needsRoot}`, () => {
  let backend: HostBackend | null = null;

  afterEach(() => {
    backend?.close();
    backend = null;
  });

  it("the main thread is back in its namespace after each deed", async () => {
    const before = netnsOfThread();
    backend = await openBackend("linux");
    const namespace = backend.addNamespace("client", { named: false });
    expect(netnsOfThread()).toBe(before);
    expect(withNetns(namespace.handle, netnsOfThread)).not.toBe(before);
    expect(netnsOfThread()).toBe(before);
    expect(() =>
      withNetns(namespace.handle, () => {
        throw new Error("from inside");
      }),
    ).toThrow("from inside");
    expect(netnsOfThread()).toBe(before);
  });

  it("an anonymous namespace has lo up, its own sysctls and no name", async () => {
    backend = await openBackend("linux");
    const namespace = backend.addNamespace("client", { named: false });
    expect(namespace.path).toBeNull();
    expect(exists("client")).toBe(false);
    withNetns(namespace.handle, () => {
      const read = (key: string): string => readFileSync(`/proc/sys/net/ipv6/conf/${key}`, "utf8");
      expect(read("default/accept_dad").trim()).toBe("0");
      const addresses = readFileSync("/proc/thread-self/net/fib_trie", "utf8");
      expect(addresses).toContain("127.0.0.1");
    });
  });

  it.skipIf(!hasIp)("`ip netns exec` works in a named namespace (needs iproute2)", async () => {
    backend = await openBackend("linux");
    const namespace = backend.addNamespace(name("exec"), { named: true });
    const text = execFileSync("ip", ["netns", "exec", namespace.path!, "ip", "-o", "link"]);
    expect(text.toString()).toMatch(/lo: <LOOPBACK,UP/);
    backend.unlinkNamespace(namespace);
    expect(exists(name("exec"))).toBe(false);
  });

  it("close takes names and ledger away, and the directories only this run made", async () => {
    const hadDir = existsSync(NETNS_DIR);
    backend = await openBackend("linux");
    backend.addNamespace(name("gone"), { named: true });
    const ledger = `${LEDGER_DIR}/${processIdentity(process.pid)}.jsonl`;
    expect(readFileSync(ledger, "utf8")).toContain(name("gone"));
    backend.close();
    expect(backend.leaks()).toEqual({ namespaces: 0, devices: 0, fds: 0 });
    expect(existsSync(ledger)).toBe(false);
    expect(exists(name("gone"))).toBe(false);
    // Unless somebody else has put a namespace there meanwhile.
    const isKept = existsSync(NETNS_DIR) && readdirSync(NETNS_DIR).length === 0;
    expect(isKept && !hadDir).toBe(false);
  });

  it("refuses a name that exists, names the fix, and leaves the other's alone", async () => {
    const other = await openBackend("linux");
    other.addNamespace(name("taken"), { named: true });
    backend = await openBackend("linux");
    const taken = (): NamespaceRef => backend!.addNamespace(name("taken"), { named: true });
    expect(taken).toThrow(/is taken/);
    expect(backend.leaks().fds).toBe(1);
    expect(exists(name("taken"))).toBe(true);
    other.close();
    expect(exists(name("taken"))).toBe(false);
    expect(taken).not.toThrow();
  });

  it("kill -9: sweep removes what the dead run named, and nothing of anybody else", async () => {
    const foreign = `${NETNS_DIR}/${name("foreign")}`;
    const living = await openBackend("linux");
    living.addNamespace(name("living"), { named: true });
    const child = await holder([name("client"), name("server")]);
    writeFileSync(foreign, "somebody's");
    expect(exists(name("client"))).toBe(true);
    expect(sweep().removed).toEqual([]);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(exists(name("server"))).toBe(true);
    const result = sweep();
    expect(result.removed).toEqual([name("server"), name("client")]);
    expect(result.runs).toHaveLength(1);
    expect(exists(name("client")) || exists(name("server"))).toBe(false);
    expect(exists(name("living"))).toBe(true);
    expect(readFileSync(foreign, "utf8")).toBe("somebody's");
    expect(sweep()).toEqual({ removed: [], runs: [], kept: [] });
    rmSync(foreign);
    living.close();
  });

  it("sweep leaves a namespace alone that took the dead run's name since", async () => {
    const child = await holder([name("reused")]);
    child.kill("SIGKILL");
    await once(child, "exit");
    const dead = readdirSync(LEDGER_DIR).find((file) => file.startsWith(`${child.pid}-`))!;
    const ledger = readFileSync(`${LEDGER_DIR}/${dead}`, "utf8");
    sweep();
    backend = await openBackend("linux");
    backend.addNamespace(name("reused"), { named: true });
    writeFileSync(`${LEDGER_DIR}/${dead}`, ledger);
    expect(sweep().kept).toEqual([{ name: name("reused"), reason: "it is another namespace now" }]);
    expect(exists(name("reused"))).toBe(true);
  });

  it("a ledger whose last line was cut off is worked off up to there", async () => {
    const child = await holder([name("cut")]);
    child.kill("SIGKILL");
    await once(child, "exit");
    const dead = readdirSync(LEDGER_DIR).find((file) => file.startsWith(`${child.pid}-`))!;
    writeFileSync(`${LEDGER_DIR}/${dead}`, '{"deed":"netns","na', { flag: "a" });
    expect(sweep().removed).toEqual([name("cut")]);
  });

  it("asynchronous file calls of the main thread stay in its namespace", async () => {
    backend = await openBackend("linux");
    const { readlink } = await import("node:fs/promises");
    const namespace = backend.addNamespace("client", { named: false });
    const worker = new Worker(ASYNC_READER, {
      eval: true,
      workerData: { descriptor: backend.descriptor(), namespace, root },
    });
    const [inWorker] = (await once(worker, "message")) as [string];
    await worker.terminate();
    expect(inWorker).not.toBe(netnsOfThread().trim());
    // The pool's thread resolves /proc/thread-self: its own namespace.
    expect(await readlink("/proc/thread-self/ns/net")).toBe(netnsOfThread().trim());
  });

  it.skipIf(!hasSetpriv)(
    "without capabilities: told to be root, nothing left (needs setpriv)",
    () => {
      const code = `import { openBackend } from ${JSON.stringify(join(root, "dist/host/open.js"))};
      const backend = await openBackend("linux");
      try { backend.addNamespace("client", { named: false }); } catch (error) {
        console.log(error.code, error.message, "|", error.fix);
      }
      backend.close();
      console.log(JSON.stringify(backend.leaks()));`;
      const node = [process.execPath, "--input-type=module", "-e", code];
      // Not another user, who might be unable to read these files.
      const said = execFileSync("setpriv", [
        "--bounding-set=-all",
        "--inh-caps=-all",
        ...node,
      ]).toString();
      expect(said).toContain("ENVIRONMENT cannot make the namespace client: EPERM | Run as root");
      expect(said).toContain('{"namespaces":0,"devices":0,"fds":0}');
    },
  );

  it("enterNamespace on the memory backend does nothing", async () => {
    const before = netnsOfThread();
    const descriptor = { kind: "memory", shared: new SharedArrayBuffer(8) } as const;
    await enterNamespace(descriptor, { name: "client", handle: 0, path: null });
    expect(netnsOfThread()).toBe(before);
  });

  it("a reader asleep at the removal gets EFAULT once, then EBADFD", async () => {
    backend = await openBackend("linux");
    const namespace = backend.addNamespace("client", { named: false });
    // Not through the backend: its descriptors never sleep.
    const fd = withNetns(namespace.handle, () => open("/dev/net/tun", C.O_RDWR | C.O_CLOEXEC));
    const worker = new Worker(BLOCKED_READER, { eval: true, workerData: { fd, root } });
    const messages: unknown[] = [];
    worker.on("message", (message) => messages.push(message));
    const isAsleep = (): boolean => asleepInRead(messages[0], fd);
    await eventually("the reader to sleep", isAsleep, { timeoutMs: 60_000 });
    const table = FdTable.create();
    const netlink = new RtnetlinkSocket(table, namespace);
    const link = netlink.getLink("blk0");
    expect(typeof link === "number" ? link : netlink.deleteLink(link.ifindex)).toBe(0);
    netlink.close();
    await eventually("the reader to wake", () => messages.length > 1, { timeoutMs: 60_000 });
    expect(messages[1]).toEqual([-14, -77, -77]);
    await worker.terminate();
  });
});

const BLOCKED_READER = `
const { workerData, parentPort } = require("node:worker_threads");
import(workerData.root + "/native-free-shims/libc/index.js").then((libc) => {
  const memory = libc.block(4096);
  "blk0".split("").forEach((c, i) => (memory.bytes[i] = c.charCodeAt(0)));
  memory.view.setUint16(16, libc.C.IFF_TAP | libc.C.IFF_NO_PI, true);
  libc.ioctl(workerData.fd, libc.C.TUNSETIFF, memory.address);
  parentPort.postMessage(libc.gettid());
  const read = () => libc.read(workerData.fd, memory.address, 2048);
  const results = [read(), read(), read()];
  libc.close(workerData.fd);
  parentPort.postMessage(results);
});`;

/** A load thread that enters a namespace and then uses the thread pool. */
const ASYNC_READER = `
const { workerData, parentPort } = require("node:worker_threads");
const { readlinkSync, promises } = require("node:fs");
import(workerData.root + "/dist/host/open.js").then(async ({ enterNamespace }) => {
  await enterNamespace(workerData.descriptor, workerData.namespace);
  await promises.stat("/");
  parentPort.postMessage(readlinkSync("/proc/thread-self/ns/net"));
});`;

/** Whether the thread is in the kernel in read(fd, ...), from /proc/.../syscall. */
function asleepInRead(tid: unknown, fd: number): boolean {
  if (typeof tid !== "number") return false;
  const readNumber = process.arch === "x64" ? 0 : 63;
  const call = readFileSync(`/proc/self/task/${tid}/syscall`, "utf8");
  return call.startsWith(`${readNumber} 0x${fd.toString(16)} `);
}
