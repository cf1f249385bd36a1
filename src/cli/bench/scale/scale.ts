// `packetpath bench scale`: how the host side grows: namespaces made and removed, ports, queues and
// connections, each as a curve. Real devices; main thread. The flow table's curves are in
// `bench flows`, the comparison with others in `bench peers`.
import { nowMs } from "../../../base/clock.js";
import { PacketpathError } from "../../../base/errors.js";
import { eventually } from "../../../base/eventually.js";
import { openBackend } from "../../../host/open.js";
import type { DeviceSpec } from "../../../host/types.js";
import { LOAD_COUNTER } from "../../../load/types.js";
import { openLoads } from "../../../load/start.js";
import { buildLab, type Lab, tearDown } from "../../../scenario/lab.js";
import { parseScenario } from "../../../scenario/parse.js";
import type { BenchResult } from "../../commands/bench.js";

const NAMESPACES = 100;
const PORTS = [2, 8, 32, 128];
const QUEUES = [1, 4, 16, 64];
const CONNECTIONS = [1, 10, 100, 1000, 10_000];
/** 100 namespaces with a TAP each: made, removed. */
const GOAL_SECONDS = { made: 0.5, removed: 0.2 };
const HTTP_PORT = 8000;
const FLOOD_MS = 500;
const TIMEOUT_MS = 60_000;

interface Point {
  readonly size: number;
  readonly buildSeconds: number;
  readonly endSeconds: number;
  /** Datagrams per second from the first port to the last, while all others are idle. */
  readonly datagramsPerSecond: number;
  /** Resident memory that building it added. */
  readonly residentBytes: number;
}

export async function benchScale(rounds: number): Promise<BenchResult> {
  if (process.geteuid?.() !== 0) {
    throw new PacketpathError("ENVIRONMENT", "bench scale needs root: it makes devices", {
      fix: "Use sudo.",
    });
  }
  const namespaces = best(await times(rounds, manyNamespaces));
  // The first lab of a process loads what all labs need.
  await measureLab(scenarioOf(2, 1));
  const ports: Point[] = [];
  for (const size of PORTS) {
    note(`${size} ports`);
    ports.push({ size, ...(await measureLab(scenarioOf(size, 1))) });
  }
  const queues: Point[] = [];
  for (const size of QUEUES) {
    note(`${size} queues`);
    queues.push({ size, ...(await measureLab(scenarioOf(2, size))) });
  }
  const connections = await measureConnections();
  process.stderr.write("\r\x1b[K");
  const perPort = slope(ports);
  const perQueue = slope(queues);
  const json = { namespaces, ports, queues, connections, perPort, perQueue };
  return { json, text: textOf(json) };
}

function note(text: string): void {
  process.stderr.write(`\r${text}\x1b[K`);
}

async function times<T>(count: number, once: () => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let i = 0; i < count; i++) found.push(await once());
  return found;
}

interface Namespaces {
  readonly count: number;
  readonly madeSeconds: number;
  readonly removedSeconds: number;
}

/** The round with the least time: what disturbs a round only makes it longer. */
function best(rounds: readonly Namespaces[]): Namespaces {
  const total = (one: Namespaces) => one.madeSeconds + one.removedSeconds;
  return [...rounds].sort((a, b) => total(a) - total(b))[0]!;
}

async function manyNamespaces(): Promise<Namespaces> {
  const backend = await openBackend("linux");
  try {
    const startMs = nowMs();
    for (let i = 0; i < NAMESPACES; i++) {
      backend.addDevice(tapIn(backend.addNamespace(`scale-${i}`, { named: false }), i));
    }
    const madeMs = nowMs();
    backend.close();
    const left = backend.leaks();
    if (left.namespaces + left.devices + left.fds !== 0) {
      throw new PacketpathError("INTERNAL", `left behind: ${JSON.stringify(left)}`);
    }
    const seconds = (from: number, to: number) => (to - from) / 1000;
    const madeSeconds = seconds(startMs, madeMs);
    return { count: NAMESPACES, madeSeconds, removedSeconds: seconds(madeMs, nowMs()) };
  } finally {
    backend.close();
  }
}

function tapIn(namespace: DeviceSpec["namespace"], index: number): DeviceSpec {
  return {
    ...{ name: "eth0", namespace, mode: "tap", queues: 1, vnetHeader: true, offloads: true },
    ...{ steering: "flow-hash", mtu: 1500, txQueueLen: 1000, mac: null, gateways: [], up: true },
    addresses: [`10.1.${index}.1/24`],
  };
}

/** The first port is the client's, the last the server's; those between have nobody behind them. */
function scenarioOf(ports: number, queues: number): string {
  const port = (i: number) =>
    `  - { name: p${i}, namespace: n${i}, queues: ${queues}, addresses: [10.2.0.${i + 1}/24] }`;
  const each = Array.from({ length: ports }, (_, i) => i);
  return [
    "name: bench-scale",
    "guard: running-carrier",
    // Two threads at most: more queues are what is measured, not more threads.
    `workers: ${Math.min(2, queues)}`,
    `namespaces: [${each.map((i) => `n${i}`).join(", ")}]`,
    "ports:",
    ...each.map(port),
    "",
  ].join("\n");
}

async function withLab<T>(text: string, use: (lab: Lab, buildSeconds: number) => Promise<T>) {
  const startMs = nowMs();
  const lab = await buildLab(parseScenario(text, "bench scale"), {
    ...{ backend: "linux", guard: "running-carrier", guardModule: null, seed: 1 },
    ...{ named: false, captureFolder: null, onControl: () => undefined },
  });
  let endMs = 0;
  try {
    const found = await use(lab, (nowMs() - startMs) / 1000);
    endMs = nowMs();
    return { found, ended: () => (nowMs() - endMs) / 1000 };
  } finally {
    await tearDown(lab, new Set());
  }
}

async function measureLab(text: string): Promise<Omit<Point, "size">> {
  const before = process.memoryUsage().rss;
  const { found, ended } = await withLab(text, async (lab, buildSeconds) => {
    const residentBytes = Math.max(0, process.memoryUsage().rss - before);
    return { buildSeconds, residentBytes, datagramsPerSecond: await flood(lab) };
  });
  return { ...found, endSeconds: ended() };
}

async function flood(lab: Lab): Promise<number> {
  const refs = [...lab.topology.namespaces.values()].map((each) => each.ref);
  const loads = await openLoads(lab.backend.descriptor(), []);
  const handle = loads.startFlood({
    client: refs[0]!,
    targetAddress: `10.2.0.${refs.length}`,
    targetPort: 9,
    flows: 64,
    payloadBytes: 64,
    ratePerSecond: 0,
    receiver: refs[refs.length - 1]!,
  });
  try {
    const sent = () => Atomics.load(handle.counters, LOAD_COUNTER.datagramsSent) > 0;
    await eventually("the first datagram", sent, { timeoutMs: TIMEOUT_MS });
    await new Promise((resolve) => setTimeout(resolve, FLOOD_MS));
    handle.stop();
    const { received, seconds } = await handle.done;
    return received / seconds;
  } finally {
    await loads.close();
  }
}

interface ConnectionPoint {
  readonly size: number;
  readonly ok: number;
  readonly seconds: number;
  /** The limit of this machine that forbids so many, or null. */
  readonly lacks: string | null;
}

/** So many HTTP requests, all held in flight at once, to the last answer. */
async function measureConnections(): Promise<ConnectionPoint[]> {
  const { found } = await withLab(scenarioOf(2, 4), async (lab) => {
    const [client, server] = [...lab.topology.namespaces.values()].map((each) => each.ref);
    const loads = await openLoads(lab.backend.descriptor(), []);
    const points: ConnectionPoint[] = [];
    for (const [i, size] of CONNECTIONS.entries()) {
      note(`${size} connections`);
      const { done } = loads.startHttp({
        ...{ client: client!, server: server!, serverAddress: "10.2.0.2", bodyBytes: 256 },
        ...{ serverPort: HTTP_PORT + i, requests: size, holdUntilInFlight: size },
        ...{ concurrency: 0, timeoutMs: TIMEOUT_MS, serverApart: true },
      });
      points.push(
        await done.then(({ ok, seconds }) => ({ size, ok, seconds, lacks: null }), refused),
      );

      function refused(error: unknown): ConnectionPoint {
        if (!(error instanceof PacketpathError) || error.code !== "ENVIRONMENT") throw error;
        return { size, ok: 0, seconds: 0, lacks: error.message };
      }
    }
    await loads.close();
    return points;
  });
  return found;
}

/** Resident bytes that one more costs, between the smallest and the largest. */
function slope(points: readonly Point[]): number {
  const [first, last] = [points[0]!, points[points.length - 1]!];
  return (last.residentBytes - first.residentBytes) / (last.size - first.size);
}

interface ScaleBench {
  readonly namespaces: Namespaces;
  readonly ports: readonly Point[];
  readonly queues: readonly Point[];
  readonly connections: readonly ConnectionPoint[];
  readonly perPort: number;
  readonly perQueue: number;
}

function textOf(one: ScaleBench): string {
  const { madeSeconds, removedSeconds, count } = one.namespaces;
  const word = (value: number, goal: number) => (value <= goal ? "met" : "missed");
  const lab = (what: string) => (point: Point) =>
    `  ${String(point.size).padStart(6)} ${what}  built in ${point.buildSeconds.toFixed(2)} s, ` +
    `${(point.datagramsPerSecond / 1e3).toFixed(0)} k datagrams/s through two of them, ` +
    `ended in ${point.endSeconds.toFixed(2)} s\n`;
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
  return (
    `scale: ${count} namespaces with a TAP each\n` +
    `  made in ${madeSeconds.toFixed(3)} s, goal ${GOAL_SECONDS.made}: ` +
    `${word(madeSeconds, GOAL_SECONDS.made)}; removed in ${removedSeconds.toFixed(3)} s, ` +
    `goal ${GOAL_SECONDS.removed}: ${word(removedSeconds, GOAL_SECONDS.removed)}\n` +
    one.ports.map(lab("ports ")).join("") +
    one.queues.map(lab("queues")).join("") +
    one.connections
      .map(
        ({ size, ok, seconds, lacks }) =>
          `  ${String(size).padStart(6)} requests held at once: ` +
          `${lacks ?? `${ok} ok in ${seconds.toFixed(2)} s`}\n`,
      )
      .join("") +
    `  resident memory of one more port ${kib(one.perPort)}, of one more queue of two ports ` +
    `${kib(one.perQueue)}\n`
  );
}
