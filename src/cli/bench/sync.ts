// `packetpath bench sync`: what going through `src/sync` costs a path of 30 shared accesses in
// production, against Atomics by hand. Both in one isolate, and each in an isolate of its own, in
// many short rounds by turns; the ratio is the median over pairs of neighbors. Main thread.
import { Worker } from "node:worker_threads";
import { workerEntry } from "../../base/entry.js";
import { nowNs } from "../../base/clock.js";
import { ACCESSES, byHand, type Path, PATH_WORDS, throughSync } from "./sync-paths.js";

/** Paths of one round: some 2 ms, so that a round rarely meets another process. */
const PATHS = 5_000;
const WARM_UP_ROUNDS = 40;
/** Blocks of words that the paths go over in turn, as packets go to many devices. */
const BLOCKS = 64;

export interface SyncBench {
  readonly accesses: typeof ACCESSES;
  readonly rounds: number;
  /** Nanoseconds per path, the best round. */
  readonly byHandNs: number;
  readonly throughSyncNs: number;
  /** throughSync / byHand, median of pairs; 1 is no cost. */
  readonly ratio: number;
  readonly ratioOwnIsolates: number;
  /** The same measure of byHand against itself: what the machine's noise amounts to. */
  readonly noise: number;
  readonly goal: number;
}

export const SYNC_GOAL = 1.01;

/** One variant in an isolate: nanoseconds per path of each round asked for. */
export type Runner = (rounds: number) => Promise<number[]> | number[];

export async function benchSync(rounds: number): Promise<SyncBench> {
  const hand = runner(byHand);
  const sync = runner(throughSync);
  const [a, b] = await pairs(hand, sync, rounds);
  const [c, d] = await pairs(hand, hand, rounds);
  const own = [ownIsolate("byHand"), ownIsolate("throughSync")] as const;
  const [e, f] = await pairs(own[0].run, own[1].run, rounds);
  await Promise.all(own.map((one) => one.end()));
  return {
    accesses: ACCESSES,
    rounds,
    byHandNs: Math.min(...a),
    throughSyncNs: Math.min(...b),
    ratio: medianRatio(b, a),
    ratioOwnIsolates: medianRatio(f, e),
    noise: medianRatio(d, c),
    goal: SYNC_GOAL,
  };
}

/** A variant in this isolate. */
export function runner(path: Path): Runner {
  const m = new Int32Array(new SharedArrayBuffer(4 * BLOCKS * PATH_WORDS));
  const round = (): number => {
    const startNs = nowNs();
    for (let i = 0; i < PATHS; i++) path(m, (i % BLOCKS) * PATH_WORDS);
    return (nowNs() - startNs) / PATHS;
  };
  for (let i = 0; i < WARM_UP_ROUNDS; i++) round();
  return (rounds) => Array.from({ length: rounds }, round);
}

/** A variant in a worker: an isolate with its own compiler feedback. */
function ownIsolate(path: "byHand" | "throughSync") {
  const entry = workerEntry("./sync-worker.js", import.meta.url);
  const worker = new Worker(entry, { workerData: path });
  const failed = new Promise<never>((_resolve, reject) => worker.once("error", reject));
  const run: Runner = (rounds) => {
    const answer = new Promise<number[]>((resolve) => worker.once("message", resolve));
    worker.postMessage(rounds);
    return Promise.race([answer, failed]);
  };
  return { run, end: () => worker.terminate() };
}

/** Rounds by turns, first one first, then the other, so that a drift takes both. */
async function pairs(x: Runner, y: Runner, rounds: number): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < rounds; i++) {
    const isSwapped = i % 2 === 1;
    const first = await (isSwapped ? y : x)(1);
    const second = await (isSwapped ? x : y)(1);
    times[0].push(...(isSwapped ? second : first));
    times[1].push(...(isSwapped ? first : second));
  }
  return times;
}

function medianRatio(over: readonly number[], under: readonly number[]): number {
  const ratios = over.map((one, i) => one / under[i]!).sort((p, q) => p - q);
  return ratios[ratios.length >> 1]!;
}

export function syncBenchText(result: SyncBench): string {
  const { loads, stores, adds } = result.accesses;
  const verdict = (ratio: number) => (ratio <= result.goal ? "met" : "missed");
  const row = (name: string, value: string, note: string) =>
    `  ${name.padEnd(26)}${value.padStart(9)}  ${note}\n`;
  const ratio = (name: string, value: number) =>
    row(name, value.toFixed(4), `goal ${result.goal}: ${verdict(value)}`);
  return (
    `sync: a path of ${loads} loads, ${stores} stores, ${adds} adds; ${result.rounds} rounds\n` +
    row("by hand", result.byHandNs.toFixed(1), "ns, best round") +
    row("through src/sync", result.throughSyncNs.toFixed(1), "ns, best round") +
    ratio("ratio, one isolate", result.ratio) +
    ratio("ratio, isolates apart", result.ratioOwnIsolates) +
    row("by hand against itself", result.noise.toFixed(4), "what this machine's noise amounts to")
  );
}
