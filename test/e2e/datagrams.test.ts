// Datagrams through real TAPs: what leaves together arrives one by one, in order and unchanged.
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { runProgram, startProgram } from "../../src/host/peers/programs.js";
import { closeBooks } from "../../src/scenario/books.js";
import { buildLab, type Lab, tearDown } from "../../src/scenario/lab.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { NEEDS_ROOT, needsRoot } from "../host/linux-support.js";

const SCENARIO = `
name: datagrams
guard: running-carrier
namespaces: [client, server]
ports:
  - { name: client, namespace: client, addresses: [10.0.0.1/24, "fd00::1/64"] }
  - { name: server, namespace: server, addresses: [10.0.0.2/24, "fd00::2/64"] }
`;

const COUNT = 3000;

/** Length of datagram i: runs of equal ones with a shorter end, some of one byte, some of 1400. */
const LENGTH = "(i) => i % 7 === 6 ? 5 : i % 100 < 10 ? 1400 : i % 50 === 0 ? 4 : 64";

/** Sends in small bursts, so that no queue overflows, and waits for each burst's echo. */
const CLIENT = `
const length = ${LENGTH};
const [, target, family] = process.argv;
const socket = require("node:dgram").createSocket(family);
socket.bind(0);
let i = 0;
const burst = () => {
  if (i === ${COUNT}) return socket.close();
  for (let k = 0; k < 20; k++, i++) {
    const bytes = Buffer.alloc(length(i), i & 255);
    bytes.writeUInt32BE(i);
    socket.send(bytes, 4000, target);
  }
};
socket.on("message", burst);
burst();
`;

const SERVER = `
const length = ${LENGTH};
const socket = require("node:dgram").createSocket(process.argv[1]);
let next = 0;
socket.on("message", (bytes, from) => {
  const right = bytes.length === length(next) && bytes.readUInt32BE() === next &&
    bytes.subarray(4).every((byte) => byte === (next & 255));
  if (!right) { console.log("datagram " + next + " is wrong"); process.exit(1); }
  if (++next % 20 !== 0) return;
  const isAll = next === ${COUNT};
  if (isAll) console.log("all");
  socket.send("go on", from.port, from.address, () => isAll && socket.close());
});
socket.bind(4000, () => console.log("listening"));
`;

function booksOf(lab: Lab) {
  const nobody: ReadonlySet<number> = new Set();
  const ended = { lost: nobody, lockedUp: nobody };
  return closeBooks(lab.counters, lab.kernel.m, lab.topology.ports, ended).total;
}

describe.skipIf(NEEDS_ROOT)(`datagrams on real devices${needsRoot}`, () => {
  it.each([
    ["udp4", "10.0.0.2", true],
    ["udp6", "fd00::2", true],
    ["udp4", "10.0.0.2", false],
  ])("%s to %s, uso %s: all arrive, in order, unchanged", async (family, address, uso) => {
    const lab = await buildLab(parseScenario(`${SCENARIO}uso: ${uso}\n`, "datagrams.yaml"), {
      ...{ backend: "linux", guard: "running-carrier", guardModule: null, seed: 1 },
      ...{ named: false, captureFolder: null, onControl: () => undefined },
    });
    try {
      const inside = (name: string) => ({ namespace: lab.topology.namespaces.get(name)!.ref });
      const server = startProgram([process.execPath, "-e", SERVER, family], inside("server"));
      const isListening = () => server.stdout().includes("listening");
      await eventually("the server to listen", isListening, { timeoutMs: 60_000 });
      // What the kernels say while the devices come may find the other port not there.
      const { drops } = booksOf(lab);
      const words = [process.execPath, "-e", CLIENT, address, family];
      await runProgram(words, { ...inside("client"), timeoutMs: 300_000 });
      const { stdout } = await server.ended;
      expect(stdout).toBe("listening\nall\n");
      // What the kernels say to each other while the devices go may find its port gone.
      expect(booksOf(lab).drops).toEqual(drops);
    } finally {
      await tearDown(lab, new Set());
    }
    const total = booksOf(lab);
    expect(total.balanced).toBe(true);
    expect(total.out).toBeGreaterThanOrEqual(COUNT);
  });
});
