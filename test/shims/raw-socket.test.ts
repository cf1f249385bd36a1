// The raw-socket shim: constants and checksums equal to raw-socket 1.8.1's where that is built, and
// messages sent and received in a fresh namespace by both.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import * as libc from "@packetpath/libc";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import * as shim from "../../native-free-shims/raw-socket/index.js";

type Raw = typeof shim.default;

function loadReal(): Raw | null {
  try {
    return createRequire(import.meta.url)("raw-socket") as Raw;
  } catch {
    return null;
  }
}

const real = loadReal();
const root = process.getuid?.() === 0;
const needsRoot = root ? "" : " (needs root)";
const needsReal = real === null ? " (needs the optional package raw-socket, not built here)" : "";

let home = -1;
const sockets: shim.Socket[] = [];

beforeEach(() => {
  if (!root) return;
  home = libc.open("/proc/thread-self/ns/net", libc.C.O_RDONLY | libc.C.O_CLOEXEC);
  expect(libc.unshare(libc.C.CLONE_NEWNET)).toBe(0);
  execFileSync("ip", ["link", "set", "lo", "up"]);
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
  if (home < 0) return;
  libc.setns(home, libc.C.CLONE_NEWNET);
  libc.close(home);
  home = -1;
});

function open(raw: Raw, options: shim.SocketOptions): shim.Socket {
  const socket = raw.createSocket(options);
  sockets.push(socket);
  return socket;
}

function echoRequest(raw: Raw, sequence: number): Buffer {
  const message = Buffer.from("080000000001000061626364656667", "hex");
  message.writeUInt16BE(sequence, 6);
  return raw.writeChecksum(message, 2, raw.createChecksum(message));
}

function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

describe("checksums and byte order", () => {
  it("the example of RFC 1071", () => {
    expect(shim.createChecksum(Buffer.from("0001f203f4f5f6f7", "hex"))).toBe(0x220d);
  });

  it("a message with its checksum written sums to zero, whole and in parts", () => {
    const message = echoRequest(shim.default, 7);
    expect(shim.createChecksum(message)).toBe(0);
    const parts = [4, 8].map((at, i) => ({
      buffer: message,
      offset: i === 0 ? 0 : 4,
      length: i === 0 ? at : message.length - 4,
    }));
    expect(shim.createChecksum(...parts)).toBe(0);
  });

  it("a part that reaches beyond its buffer is refused (raw-socket reads past the end)", () => {
    const buffer = Buffer.alloc(8);
    expect(() => shim.createChecksum({ buffer, offset: 4, length: 8 })).toThrow(RangeError);
  });

  it.skipIf(real === null)(`every constant equals raw-socket's${needsReal}`, () => {
    for (const name of ["AddressFamily", "Protocol", "SocketLevel", "SocketOption"] as const) {
      expect(shim[name], name).toEqual(real![name]);
    }
    const functions = (raw: object) => Object.keys(raw).sort();
    expect(functions(shim.default)).toEqual(functions(real!));
  });

  it.skipIf(real === null)(`any data sums as in raw-socket${needsReal}`, () => {
    const part = fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.nat(1), (parts, skip) => {
        const cut = parts.map((buffer) => ({
          buffer,
          offset: Math.min(skip, buffer.length - 1),
          length: buffer.length - Math.min(skip, buffer.length - 1),
        }));
        expect(shim.createChecksum(...parts)).toBe(real!.createChecksum(...parts));
        expect(shim.createChecksum(...cut)).toBe(real!.createChecksum(...cut));
      }),
    );
  });

  it.skipIf(real === null)(`byte order and refusals equal raw-socket's${needsReal}`, () => {
    const values = [
      0,
      1,
      255,
      256,
      65_535,
      65_536,
      0xdeadbeef,
      0xffffffff,
      -1,
      1.5,
      "7",
      undefined,
    ];
    for (const name of ["htonl", "htons", "ntohl", "ntohs"] as const) {
      for (const value of values) {
        const args = value === undefined ? [] : [value];
        const call = (raw: Raw) => outcome(() => Reflect.apply(raw[name], raw, args));
        expect(call(shim.default), `${name} ${value}`).toEqual(call(real!));
      }
    }
    const empty = (raw: Raw) => outcome(() => raw.createChecksum(Buffer.alloc(0)));
    expect(empty(shim.default)).toEqual(empty(real!));
  });
});

const BOTH = [
  { name: "raw-socket", raw: real, why: needsRoot + needsReal },
  { name: "the shim", raw: shim.default, why: needsRoot },
];

describe.each(BOTH)("sockets of $name", ({ raw, why }) => {
  const skip = !root || raw === null;

  it.skipIf(skip)(`an echo request comes back, as IPv4 message with its header${why}`, async () => {
    const socket = open(raw!, { protocol: raw!.Protocol.ICMP });
    const messages: { type: number; source: string; text: string }[] = [];
    socket.on("message", (buffer, source) => {
      messages.push({ type: buffer[20]!, source, text: buffer.toString("latin1", 28) });
    });
    const order: string[] = [];
    const request = echoRequest(raw!, 1);
    socket.send(
      request,
      0,
      request.length,
      "127.0.0.1",
      () => order.push("before"),
      (error, bytes) => order.push(`after ${error} ${bytes}`),
    );
    await eventually("request and reply", () => messages.length === 2, { timeoutMs: 60_000 });
    expect(order).toEqual(["before", `after null ${request.length}`]);
    expect(messages.map(({ type }) => type)).toEqual([8, 0]);
    expect(messages[1]).toEqual({ type: 0, source: "127.0.0.1", text: "abcdefg" });
  });

  it.skipIf(skip)(`ICMPv6 comes without a header, and the kernel sums it${why}`, async () => {
    const { IPv6 } = raw!.AddressFamily;
    const socket = open(raw!, { addressFamily: IPv6, protocol: raw!.Protocol.ICMPv6 });
    const types: string[] = [];
    socket.on("message", (buffer, source) => types.push(`${buffer[0]} ${source}`));
    const request = Buffer.from("8000000000010001616263", "hex");
    socket.send(request, 0, request.length, "::1", (error) => expect(error).toBeNull());
    await eventually("request and reply", () => types.length === 2, { timeoutMs: 60_000 });
    expect(types).toEqual(["128 ::1", "129 ::1"]);
  });

  it.skipIf(skip)(`requests leave in order, each with its own callback${why}`, async () => {
    const socket = open(raw!, { protocol: raw!.Protocol.ICMP });
    const sent: number[] = [];
    const answered: number[] = [];
    socket.on("message", (buffer) => {
      if (buffer[20] === 0) answered.push(buffer.readUInt16BE(26));
    });
    for (let i = 0; i < 50; i++) {
      const request = echoRequest(raw!, i);
      socket.send(request, 0, request.length, "127.0.0.1", () => sent.push(i));
    }
    await eventually("all replies", () => answered.length === 50, { timeoutMs: 60_000 });
    expect(sent).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(answered).toEqual(sent);
  });

  it.skipIf(skip)(`options are written and read back${why}`, () => {
    const socket = open(raw!, { protocol: raw!.Protocol.ICMP });
    const { SocketLevel, SocketOption } = raw!;
    socket.setOption(SocketLevel.IPPROTO_IP, SocketOption.IP_TTL, 7);
    const value = Buffer.alloc(4);
    expect(socket.getOption(SocketLevel.IPPROTO_IP, SocketOption.IP_TTL, value, 4)).toBe(4);
    expect(value.readUInt32LE()).toBe(7);
    const device = Buffer.from("lo\0");
    socket.setOption(SocketLevel.SOL_SOCKET, SocketOption.SO_BINDTODEVICE, device, device.length);
    expect(outcome(() => socket.setOption(SocketLevel.IPPROTO_IP, 9_999, 1))).toBe(
      "Error: Protocol not available",
    );
  });

  it.skipIf(skip)(`pausing stops messages; what came meanwhile arrives after${why}`, async () => {
    const socket = open(raw!, { protocol: raw!.Protocol.ICMP });
    let count = 0;
    socket.on("message", () => count++);
    socket.pauseRecv();
    expect([socket.recvPaused, socket.sendPaused]).toEqual([true, true]);
    const request = echoRequest(raw!, 1);
    const sent = new Promise<void>((resolve) => {
      socket.send(request, 0, request.length, "127.0.0.1", () => resolve());
    });
    await sent;
    await eventually("the sender to rest", () => socket.sendPaused, { timeoutMs: 60_000 });
    expect(count).toBe(0);
    socket.resumeRecv();
    await eventually("both messages", () => count === 2, { timeoutMs: 60_000 });
  });

  it.skipIf(skip)(
    `refusals: a short buffer, a bad address, an unreachable network${why}`,
    async () => {
      const socket = open(raw!, { protocol: raw!.Protocol.ICMP });
      const errors: string[] = [];
      const note = (error: Error | null): void => {
        errors.push(String(error));
      };
      const request = echoRequest(raw!, 1);
      socket.send(request, 10, request.length, "127.0.0.1", note);
      socket.send(request, 0, request.length, "localhost", note);
      socket.send(request, 0, request.length, "192.0.2.1", note);
      await eventually("three refusals", () => errors.length === 3, { timeoutMs: 60_000 });
      expect(errors).toEqual([
        "Error: Buffer length '15' is not large enough for the specified " +
          "offset '10' plus length '15'",
        "Error: Invalid IP address 'localhost'",
        "Error: Network is unreachable",
      ]);
    },
  );

  it.skipIf(skip)(`close is told once${why}`, () => {
    const socket = raw!.createSocket({ protocol: raw!.Protocol.ICMP });
    let closed = 0;
    socket.on("close", () => closed++);
    socket.close();
    expect(closed).toBe(1);
  });
});

describe("what the shim adds", () => {
  it.skipIf(!root)(`works in worker threads (raw-socket crashes there)${needsRoot}`, async () => {
    const url = new URL("../../native-free-shims/raw-socket/index.js", import.meta.url).href;
    const code = `const { parentPort } = require("node:worker_threads");
      import(${JSON.stringify(url)}).then((raw) => {
        const socket = raw.createSocket({ protocol: raw.Protocol.ICMP });
        const request = Buffer.from("0800f7fe00010000", "hex");
        let replies = 0;
        socket.on("message", (buffer) => {
          if (buffer[20] !== 0 || ++replies < 3) return;
          socket.close();
          parentPort.postMessage(replies);
        });
        for (let i = 0; i < 3; i++) socket.send(request, 0, 8, "127.0.0.1", () => undefined);
      });`;
    const workers = [1, 2].map(() => new Worker(code, { eval: true }));
    const ends = workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
    expect(await Promise.all(ends)).toEqual([0, 0]);
  });

  it.skipIf(!root)(`paused both ways it lets a program end${needsRoot}`, () => {
    const url = new URL("../../native-free-shims/raw-socket/index.js", import.meta.url).href;
    const code = `import(${JSON.stringify(url)}).then((raw) => {
      const socket = raw.createSocket({ protocol: raw.Protocol.ICMP });
      socket.pauseRecv().pauseSend();
      process.stdout.write("paused");
    });`;
    const options = { encoding: "utf8", timeout: 300_000 } as const;
    expect(execFileSync(process.execPath, ["-e", code], options)).toBe("paused");
  });

  it.skipIf(!root)(`an address of the other family is an error${needsRoot}`, async () => {
    const socket = open(shim.default, { protocol: shim.Protocol.ICMP });
    const error = await new Promise<Error | null>((resolve) => {
      socket.send(Buffer.alloc(8), 0, 8, "::1", resolve);
    });
    expect(error?.message).toBe("Invalid IPv4 address '::1'");
  });

  it.skipIf(!root)(
    `a closed socket fails what was not yet sent, and stays closed${needsRoot}`,
    () => {
      const socket = shim.createSocket({ protocol: shim.Protocol.ICMP });
      const errors: (Error | null)[] = [];
      socket.send(Buffer.alloc(8), 0, 8, "127.0.0.1", (error) => errors.push(error));
      socket.close().close();
      expect(errors.map((error) => error?.message)).toEqual(["Socket is closed"]);
      expect(() => socket.setOption(0, 2, 1)).toThrow("Socket is closed");
    },
  );

  it.skipIf(root)("opening says what is missing (needs to be an ordinary user)", () => {
    const options = { protocol: shim.Protocol.ICMP };
    expect(() => shim.createSocket(options)).toThrow("Operation not permitted");
  });
});
