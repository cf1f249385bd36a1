// A scenario of an endpoint to its verdict: attach and detach without traffic, then under a flood
// on all queues, while the main thread watches who waits for whom. Main thread. Whatever happens,
// the host is as before when this resolves or rejects.
import { readdirSync } from "node:fs";
import { nowMs } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { eventually } from "../../base/eventually.js";
import type { DatagramResult, LoadHandle } from "../../load/types.js";
import type { EndpointReport } from "../../report/endpoint/types.js";
import type { Deadlock } from "../../worker/endpoint/detector.js";
import type { EndpointCounts } from "../../worker/endpoint/view.js";
import { judge } from "./judge.js";
import { EndpointLab } from "./lab.js";
import type { EndpointScenario } from "./schema.js";

/** How often it is looked who waits for whom: a deadlock is told after two looks. */
const LOOK_MS = 50;
/** How long the flood may take to fill all queues, and a cycle to get its packets. */
const TRAFFIC_TIMEOUT_MS = 20_000;
/** A stop that has not returned after so long, without a deadlock, will not be waited for. */
const STOP_TIMEOUT_MS = 20_000;
/** How often the descriptors and threads of the process are counted, in cycles. */
const COUNT_EVERY = 50;

export interface EndpointRunOptions {
  readonly backend: "linux" | "memory";
  /** An existing folder for report.json; null: keep nothing. */
  readonly outFolder: string | null;
  /** The command that repeats this run. */
  readonly command: string;
  /** Aborted when the user wants an orderly stop. */
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** Threads and descriptors of the process, once somebody has looked. */
interface MutableRange {
  threads: { readonly least: number; readonly most: number } | null;
  fds: { readonly least: number; readonly most: number } | null;
}

/** What a run has gathered; `judge` makes a verdict of it. */
export interface EndpointOutcome {
  readonly idleStops: number[];
  readonly floodStops: number[];
  deadlock: Deadlock | null;
  detectedAfterMs: number | null;
  /** Something that should not have happened, in one sentence. */
  failure: string | null;
  /** Why the run shows nothing, in one sentence. */
  invalid: string | null;
  readonly process: { readonly idle: MutableRange; readonly flood: MutableRange };
  flood: DatagramResult | null;
}

/** Thrown to end the cycles: the outcome says why. */
class Ended extends Error {}

export async function runEndpointScenario(
  scenario: EndpointScenario,
  options: EndpointRunOptions,
): Promise<EndpointReport> {
  const startMs = nowMs();
  const fdsBefore = openFds();
  const { design, queues, txQueueLen } = scenario.endpoint;
  const lab = await EndpointLab.open({ backend: options.backend, design, queues, txQueueLen });
  const run = new EndpointRun(lab, scenario, options);
  let counts: EndpointCounts;
  try {
    await run.toTheEnd();
  } finally {
    // A deadlock is looked at before its threads are torn out of it.
    counts = lab.endpoint.view.counts();
    await lab.close();
  }
  if (run.outcome.deadlock === null) counts = lab.endpoint.view.counts();
  const left = lab.leaks();
  const leaks = { ...left, fds: Math.max(left.fds, openFds() - fdsBefore) };
  const seconds = (nowMs() - startMs) / 1000;
  return judge({ scenario, options, outcome: run.outcome, counts, leaks, seconds });
}

class EndpointRun {
  readonly outcome: EndpointOutcome = {
    idleStops: [],
    floodStops: [],
    deadlock: null,
    detectedAfterMs: null,
    failure: null,
    invalid: null,
    process: { idle: { threads: null, fds: null }, flood: { threads: null, fds: null } },
    flood: null,
  };
  private readonly lab: EndpointLab;
  private readonly scenario: EndpointScenario;
  private readonly options: EndpointRunOptions;

  constructor(lab: EndpointLab, scenario: EndpointScenario, options: EndpointRunOptions) {
    this.lab = lab;
    this.scenario = scenario;
    this.options = options;
  }

  async toTheEnd(): Promise<void> {
    let flood: LoadHandle<DatagramResult> | null = null;
    try {
      await this.idleCycles();
      // Attached: it answers the flood's question for the link address.
      await this.lab.endpoint.attach();
      flood = this.lab.flood(this.scenario.endpoint.flood);
      await this.floodCycles();
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    } finally {
      flood?.stop();
      if (flood !== null) this.outcome.flood = await flood.done;
    }
  }

  private async idleCycles(): Promise<void> {
    const { endpoint } = this.lab;
    const { idleCycles, queues } = this.scenario.endpoint;
    for (let i = 0; i < idleCycles; i++) {
      await endpoint.attach();
      await this.until("all loops to wait for packets", () => endpoint.view.idle() === queues);
      this.outcome.idleStops.push(await this.stop());
      this.note("idle", i, idleCycles);
    }
  }

  private async floodCycles(): Promise<void> {
    const { endpoint } = this.lab;
    const { cycles, packetsPerCycle, queues, flood } = this.scenario.endpoint;
    const before = endpoint.view.takenByLoop();
    const isOnAll = () => endpoint.view.takenByLoop().every((taken, i) => taken > before[i]!);
    await this.until(`${flood.flows} flows to reach all of ${queues} queues`, isOnAll);
    for (let i = 0; i < cycles; i++) {
      // The first one goes on with the Attach that the flood found.
      if (i > 0) await endpoint.attach();
      const aim = endpoint.view.counts().taken + packetsPerCycle;
      await this.until("packets in a cycle", () => endpoint.view.counts().taken >= aim);
      this.outcome.floodStops.push(await this.stop());
      this.note("flood", i, cycles);
    }
    if (cycles === 0) await this.stop();
  }

  /** Detaches and answers how long that took. @throws Ended where it does not come back. */
  private async stop(): Promise<number> {
    const { endpoint } = this.lab;
    const startMs = nowMs();
    const stopped = endpoint.detach();
    // It is closed with the endpoint if nobody waits for it any more.
    stopped.catch(() => undefined);
    let isOver = false;
    const end = () => (isOver = true);
    stopped.then(end, end);
    for (let lookMs = startMs + LOOK_MS; !isOver;) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (isOver || nowMs() < lookMs) continue;
      lookMs = nowMs() + LOOK_MS;
      this.lookForTrouble(startMs);
    }
    return stopped;
  }

  private lookForTrouble(startMs: number): void {
    const waitedMs = nowMs() - startMs;
    this.outcome.deadlock = this.lab.endpoint.lookForDeadlock();
    if (this.outcome.deadlock !== null) {
      this.outcome.detectedAfterMs = waitedMs;
      throw new Ended();
    }
    if (waitedMs < STOP_TIMEOUT_MS) return;
    this.outcome.failure = `a stop has not returned after ${Math.round(waitedMs / 1000)} s`;
    throw new Ended();
  }

  private async until(what: string, probe: () => boolean): Promise<void> {
    const isOver = () => {
      if (this.options.signal.aborted) {
        this.outcome.invalid = "interrupted";
        throw new Ended();
      }
      const { failure } = this.lab.endpoint;
      if (failure !== null) {
        this.outcome.failure = failure.message;
        throw new Ended();
      }
      return probe();
    };
    try {
      await eventually(what, isOver, { timeoutMs: TRAFFIC_TIMEOUT_MS, everyMs: 1 });
    } catch (error) {
      if (!(error instanceof PacketpathError)) throw error;
      this.outcome.invalid = error.message;
      throw new Ended();
    }
  }

  private note(phase: "idle" | "flood", i: number, of: number): void {
    if (i % COUNT_EVERY !== 0 && i !== of - 1) return;
    const range = this.outcome.process[phase];
    range.threads = widened(range.threads, readdirSync("/proc/self/task").length);
    range.fds = widened(range.fds, openFds());
    const what = phase === "idle" ? "without traffic" : "under the flood";
    this.options.onProgress(`${i + 1} of ${of} cycles ${what}`);
  }
}

function widened(range: MutableRange["fds"], value: number) {
  const { least, most } = range ?? { least: value, most: value };
  return { least: Math.min(least, value), most: Math.max(most, value) };
}

/** Open descriptors of this process. */
function openFds(): number {
  return readdirSync("/proc/self/fd").length;
}
