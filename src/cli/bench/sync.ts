// `packetpath bench sync`: what going through `src/sync` costs a path of 30 shared accesses in
// production, against Atomics by hand. Both in one isolate, and each in an isolate of its own, in
// many short rounds by turns, in fresh isolates; medians. Main thread.
import { Worker } from "node:worker_threads";
import { workerEntry } from "../../base/entry.js";
import { nowNs } from "../../base/clock.js";
import { median } from "../../base/median.js";
import { ACCESSES, type Path, PATH_WORDS } from "./sync-paths.js";

/** Paths of one round: some 2 ms, so that a round rarely meets another process. */
const PATHS = 5_000;
const WARM_UP_ROUNDS = 40;
/** Blocks of words that the paths go over in turn, as packets go to many devices. */
const BLOCKS = 64;
/** Fresh isolates per ratio: where code comes to lie in memory alone makes some 2 %. */
const ISOLATES = 8;

export interface SyncBench {
  readonly accesses: typeof ACCESSES;
  readonly rounds: number;
  readonly isolates: number;
  /** Nanoseconds per path, the best round. */
  readonly byHandNs: number;
  readonly throughSyncNs: number;
  /** throughSync / byHand, both in one isolate: median over isolates of medians of pairs. */
  readonly ratio: number;
  /** The same, each in an isolate in which the other one never ran. */
  readonly ratioOwnIsolates: number;
  /** The same measure of byHand against itself: what the machine's noise amounts to. */
  readonly noise: number;
  readonly goal: number;
}

export const SYNC_GOAL = 1.01;

/** What a worker is asked for. */
export interface SyncRound {
  readonly path: PathName;
  readonly rounds: number;
}
export type PathName = "byHand" | "throughSync";

export async function benchSync(rounds: number): Promise<SyncBench> {
  const together: Measured[] = [];
  const apart: Measured[] = [];
  const same: Measured[] = [];
  for (let i = 0; i < ISOLATES; i++) {
    const [one, other] = [new Isolate(), new Isolate()];
    together.push(await measure([one, "byHand"], [one, "throughSync"], rounds));
    await one.end();
    const [hand, sync] = [new Isolate(), new Isolate()];
    apart.push(await measure([hand, "byHand"], [sync, "throughSync"], rounds));
    same.push(await measure([hand, "byHand"], [other, "byHand"], rounds));
    await Promise.all([other.end(), hand.end(), sync.end()]);
  }
  return {
    accesses: ACCESSES,
    rounds,
    isolates: ISOLATES,
    byHandNs: Math.min(...together.map((one) => one.bestNs[0])),
    throughSyncNs: Math.min(...together.map((one) => one.bestNs[1])),
    ratio: median(together.map((one) => one.ratio)),
    ratioOwnIsolates: median(apart.map((one) => one.ratio)),
    noise: median(same.map((one) => one.ratio)),
    goal: SYNC_GOAL,
  };
}

/**
 * A variant, ready to run in the isolate that this is called in: nanoseconds per path, by
 * round.
 */
export function runner(path: Path): (rounds: number) => number[] {
  const m = new Int32Array(new SharedArrayBuffer(4 * BLOCKS * PATH_WORDS));
  const round = (): number => {
    const startNs = nowNs();
    for (let i = 0; i < PATHS; i++) path(m, (i % BLOCKS) * PATH_WORDS);
    return (nowNs() - startNs) / PATHS;
  };
  return (rounds) => Array.from({ length: rounds }, round);
}

/** A worker: an isolate with its own compiled code. */
class Isolate {
  private readonly worker = new Worker(workerEntry("./sync-worker.js", import.meta.url));
  private readonly failed = new Promise<never>((_resolve, reject) => {
    this.worker.once("error", reject);
  });

  run(path: PathName, rounds: number): Promise<number[]> {
    const answer = new Promise<number[]>((resolve) => this.worker.once("message", resolve));
    this.worker.postMessage({ path, rounds } satisfies SyncRound);
    return Promise.race([answer, this.failed]);
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

interface Measured {
  /** The second variant over the first one, median of pairs. */
  readonly ratio: number;
  readonly bestNs: readonly [number, number];
}
type Variant = readonly [Isolate, PathName];

/** Rounds by turns, first the one, then the other, so that a drift takes both. */
async function measure(x: Variant, y: Variant, rounds: number): Promise<Measured> {
  const run = ([isolate, path]: Variant, count: number) => isolate.run(path, count);
  await run(x, WARM_UP_ROUNDS);
  await run(y, WARM_UP_ROUNDS);
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < rounds; i++) {
    const isSwapped = i % 2 === 1;
    const first = await run(isSwapped ? y : x, 1);
    const second = await run(isSwapped ? x : y, 1);
    times[0].push(...(isSwapped ? second : first));
    times[1].push(...(isSwapped ? first : second));
  }
  const ratio = median(times[1].map((one, i) => one / times[0][i]!));
  return { ratio, bestNs: [Math.min(...times[0]), Math.min(...times[1])] };
}

export function syncBenchText(result: SyncBench): string {
  const { loads, stores, adds } = result.accesses;
  const verdict = (ratio: number) => (ratio <= result.goal ? "met" : "missed");
  const row = (name: string, value: string, note: string) =>
    `  ${name.padEnd(26)}${value.padStart(9)}  ${note}\n`;
  const ratio = (name: string, value: number) =>
    row(name, value.toFixed(4), `goal ${result.goal}: ${verdict(value)}`);
  return (
    `sync: a path of ${loads} loads, ${stores} stores, ${adds} adds; ` +
    `${result.isolates} x ${result.rounds} rounds\n` +
    row("by hand", result.byHandNs.toFixed(1), "ns, best round") +
    row("through src/sync", result.throughSyncNs.toFixed(1), "ns, best round") +
    ratio("ratio, one isolate", result.ratio) +
    ratio("ratio, isolates apart", result.ratioOwnIsolates) +
    row("by hand against itself", result.noise.toFixed(4), "what this machine's noise amounts to")
  );
}
