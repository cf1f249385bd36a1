// `packetpath bench peers`: packetpath beside a C program that only copies, Open vSwitch's
// userspace datapath and the kernel's bridge. In every round each measurement is taken of all of
// them, one after the other, in the same namespaces; the order turns from round to round. Main
// thread.
import { PacketpathError } from "../../../base/errors.js";
import { nowMs } from "../../../base/clock.js";
import { eventually } from "../../../base/eventually.js";
import { makeFolder, removeFolder, sweepFolders } from "../../../host/peers/folders.js";
import { machineSeconds, type Peer } from "../../../host/peers/peer.js";
import { findProgram, type RunningProgram, startProgram } from "../../../host/peers/programs.js";
import { openLoads } from "../../../load/start.js";
import type { BenchResult } from "../../commands/bench.js";
import { listenForStop } from "../../signals.js";
import {
  type Figure,
  type Ground,
  HTTP_PORT,
  IPERF_PORT,
  type Measure,
  MEASURES,
} from "./measures.js";
import { costOf, peersText, ratiosOf, type Series, spreadOf, STOLEN_MAX } from "./report.js";
import { openSubjects, type Subjects } from "./subjects.js";

const SECONDS = 2;
/** How often a measurement is taken anew because the machine's host was busy with others. */
const AGAIN_MAX = 2;
/** A server that keeps connections open, with as little of its own as Node allows. */
const HTTP_SERVER = `
require("node:http").createServer((_, answer) => answer.end("${"x".repeat(256)}"))
  .listen(${HTTP_PORT}, "0.0.0.0", 4096, () => console.log("listening"));
`;

type Growing = {
  -readonly [K in keyof Series]: Series[K] extends readonly (infer V)[] ? V[] : Series[K];
};

/** @param rounds how often each measurement is taken of each data plane. */
export async function benchPeers(rounds: number): Promise<BenchResult> {
  if (process.geteuid?.() !== 0) {
    throw new PacketpathError("ENVIRONMENT", "bench peers needs root: it makes devices", {
      fix: "Use sudo.",
    });
  }
  const lacking = ["setpriv", "nsenter"].find((name) => findProgram(name) === null);
  if (lacking !== undefined) {
    throw new PacketpathError("ENVIRONMENT", `bench peers needs ${lacking}`, {
      fix: "Install util-linux.",
    });
  }
  sweepFolders();
  const folder = makeFolder();
  const stop = listenForStop((text) => process.stderr.write(`${text}\n`));
  try {
    return await compare(rounds, folder, stop.signal);
  } finally {
    removeFolder(folder);
    stop.release();
    const code = stop.exitCode();
    if (code !== null) process.exit(code);
  }
}

async function compare(rounds: number, folder: string, signal: AbortSignal): Promise<BenchResult> {
  const subjects = await openSubjects(folder);
  const servers: RunningProgram[] = [];
  const { client, server, lab } = subjects;
  const loads = await openLoads(lab.backend.descriptor(), []);
  const { missing, measures } = measuresHere(subjects.missing);
  const series: Growing[] = [];
  try {
    const serve = async (...words: string[]): Promise<void> => {
      const running = startProgram(words, { namespace: server });
      servers.push(running);
      const isListening = (): boolean => /listening/.test(running.stdout());
      await eventually(`${words[0]} to listen`, isListening, { timeoutMs: 10_000 });
    };
    if (measures.some((one) => one.needs.includes("iperf3"))) {
      await serve("iperf3", "-s", "--forceflush", "-p", String(IPERF_PORT));
    }
    await serve(process.execPath, "-e", HTTP_SERVER);
    const ground: Ground = { client, server, loads, seconds: SECONDS };
    await warmUp(ground, subjects.peers);
    for (let round = 0; round < rounds; round++) {
      for (const measure of measures) {
        for (let i = 0; i < subjects.peers.length; i++) {
          if (signal.aborted) break;
          const peer = subjects.peers[(i + round) % subjects.peers.length]!;
          process.stderr.write(
            `\rround ${round + 1} of ${rounds}: ${measure.name}, ${peer.name}\x1b[K`,
          );
          await take(series, measure, peer, ground);
        }
      }
    }
    process.stderr.write("\r\x1b[K");
  } finally {
    await loads.close();
    for (const one of servers) await one.stop();
  }
  const books = await subjects.close();
  const text = peersText(series, measures, missing);
  return { json: jsonOf(series, measures, missing, { rounds, books: books.total }), text };
}

/** What this machine can measure. */
function measuresHere(subjectsMissing: Subjects["missing"]): {
  measures: readonly Measure[];
  missing: Subjects["missing"];
} {
  const absent = (one: Measure) => one.needs.find((name) => findProgram(name) === null);
  const measures = MEASURES.filter((one) => absent(one) === undefined);
  const missing = MEASURES.flatMap((one) => {
    const lacks = absent(one);
    return lacks === undefined ? [] : [{ name: one.name, lacks }];
  });
  return { measures, missing: [...subjectsMissing, ...missing] };
}

/** Caches, compilers and neighbours settle before anything is counted. */
async function warmUp(ground: Ground, peers: readonly Peer[]): Promise<void> {
  const brief = { ...ground, seconds: 1 };
  for (const peer of peers) await MEASURES[0]!.run(brief, peer);
}

/** One measurement, and what it cost. */
interface Taken {
  readonly figure: Figure;
  readonly cpuSeconds: number | null;
  readonly machineSeconds: number;
  readonly stolen: number;
}

async function take(
  series: Growing[],
  measure: Measure,
  peer: Peer,
  ground: Ground,
): Promise<void> {
  let best = await takeOnce(measure, peer, ground);
  for (let again = 0; again < AGAIN_MAX && best.stolen > STOLEN_MAX; again++) {
    const other = await takeOnce(measure, peer, ground);
    if (other.stolen < best.stolen) best = other;
  }
  const { figure, cpuSeconds, machineSeconds: machine, stolen } = best;
  let own = series.find((one) => one.measure === measure.name && one.peer === peer.name);
  if (own === undefined) {
    const names = { measure: measure.name, peer: peer.name };
    const costs = { cpuSeconds: [], machineSeconds: [], stolen: [] };
    own = { ...names, values: [], ...costs, bytes: [], packets: [], lost: [], inVain: [] };
    series.push(own);
  }
  own.values.push(figure.value);
  own.cpuSeconds.push(cpuSeconds);
  own.machineSeconds.push(machine);
  own.stolen.push(stolen);
  own.bytes.push(figure.bytes);
  own.packets.push(figure.packets);
  own.lost.push(figure.lost);
  own.inVain.push(figure.inVain);
}

async function takeOnce(measure: Measure, peer: Peer, ground: Ground): Promise<Taken> {
  const cpu = peer.cpuSeconds();
  const machine = machineSeconds();
  const startMs = nowMs();
  const figure = await measure.run(ground, peer).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    const seconds = ((nowMs() - startMs) / 1000).toFixed(1);
    const what = `${measure.name} of ${peer.name}, after ${seconds} s: ${why}`;
    throw new PacketpathError("ENVIRONMENT", what);
  });
  const cpuSeconds = cpu === null ? null : peer.cpuSeconds()! - cpu;
  const now = machineSeconds();
  const stolen = (now.stolen - machine.stolen) / Math.max(now.all - machine.all, 0.01);
  return { figure, cpuSeconds, machineSeconds: now.busy - machine.busy, stolen };
}

function jsonOf(
  series: readonly Series[],
  measures: readonly Measure[],
  missing: Subjects["missing"],
  rest: object,
): object {
  return {
    ...rest,
    measures: measures.map(({ name, what, unit, betterIs }) => ({
      name,
      what,
      unit,
      betterIs,
      peers: series
        .filter((one) => one.measure === name)
        .map((one) => ({ ...one, ...spreadOf(one.values), cpu: costOf(one) })),
    })),
    ratios: ratiosOf(series, measures),
    missing,
  };
}
