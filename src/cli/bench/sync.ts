// `packetpath bench sync`: what going through `src/sync` costs a path of 30 shared accesses in
// production, against Atomics by hand. Both in one isolate, and each in an isolate of its own, by
// turns, in fresh isolates; a turn counts as its best round, and medians of those. Main thread.
import { Worker } from "node:worker_threads";
import { workerEntry } from "../../base/entry.js";
import { median } from "../../base/median.js";
import { ACCESSES, type Path, PATH_WORDS } from "./sync-paths.js";

/** Paths of one round: some 5 ms. */
const PATHS = 20_000;
/**
 * Rounds of one turn. A thread that has just been woken is slow at first, and one variant up to 2 %
 * more than the other: turns of one round of 5,000 paths made 1.02 of what is 1.00.
 */
const TURN_ROUNDS = 4;
const WARM_UP_ROUNDS = 10;
/** Blocks of words that the paths go over in turn, as packets go to many devices. */
const BLOCKS = 64;
/** Fresh isolates per ratio: where code comes to lie in memory alone makes some 2 %. */
const ISOLATES = 8;

export interface SyncBench {
  readonly accesses: typeof ACCESSES;
  /** Turns of each variant per isolate. */
  readonly rounds: number;
  readonly isolates: number;
  /**
   * Nanoseconds of CPU time per path, the best round. The process's, in which nobody else runs
   * meanwhile: what other processes take of the machine does not count.
   */
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
 * A variant, ready to run in the isolate that this is called in: nanoseconds of CPU time per path,
 * by round.
 */
export function runner(path: Path): (rounds: number) => number[] {
  const m = new Int32Array(new SharedArrayBuffer(4 * BLOCKS * PATH_WORDS));
  const round = (): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < PATHS; i++) path(m, (i % BLOCKS) * PATH_WORDS);
    const { user, system } = process.cpuUsage(before);
    return (1000 * (user + system)) / PATHS;
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

/** By turns, first the one, then the other, so that a drift takes both. */
async function measure(x: Variant, y: Variant, turns: number): Promise<Measured> {
  const best = async ([isolate, path]: Variant, rounds: number): Promise<number> =>
    Math.min(...(await isolate.run(path, rounds)));
  await best(x, WARM_UP_ROUNDS);
  await best(y, WARM_UP_ROUNDS);
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < turns; i++) {
    const isSwapped = i % 2 === 1;
    const first = await best(isSwapped ? y : x, TURN_ROUNDS);
    const second = await best(isSwapped ? x : y, TURN_ROUNDS);
    times[0].push(isSwapped ? second : first);
    times[1].push(isSwapped ? first : second);
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
    `${result.isolates} x ${result.rounds} turns\n` +
    row("by hand", result.byHandNs.toFixed(1), "ns of CPU time, best round") +
    row("through src/sync", result.throughSyncNs.toFixed(1), "ns of CPU time, best round") +
    ratio("ratio, one isolate", result.ratio) +
    ratio("ratio, isolates apart", result.ratioOwnIsolates) +
    row("by hand against itself", result.noise.toFixed(4), "what this machine's noise amounts to")
  );
}
