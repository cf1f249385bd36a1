// One scenario to its verdict: build, load, strike, watch, close the books, tear down, judge. Main
// thread. Whatever happens, the host is as before when this resolves or rejects.
import { readdirSync, readlinkSync } from "node:fs";
import { nowMs, nowNs } from "../base/clock.js";
import { LOAD_COUNTER } from "../load/types.js";
import type { RunRecord, Sample } from "../report/types.js";
import { PORT_COUNTER } from "../sync/counters.js";
import { CPU_STATE, CPU, cpuBlock } from "../sync/memory.js";
import type { ControlMessage } from "../worker/control/control-commands.js";
import { Watchdog } from "../worker/watchdog.js";
import { closeBooks } from "./books.js";
import { FaultDriver } from "./fault-driver.js";
import { buildLab, type Lab, tearDown } from "./lab.js";
import { type ServedLab, serveLab } from "./live/serve.js";
import { dumpFlows, joinCaptures } from "./leavings.js";
import { RunningLoads } from "./loads.js";
import { makeRecord } from "./record/record.js";
import { Timeline } from "./record/timeline.js";
import type { RunOptions, Scenario } from "./types.js";
import { WorkerLanes } from "./record/worker-lanes.js";

/** How often triggers are looked at: a fault strikes at most this late. */
const LOOK_MS = 1;
const SAMPLE_MS = 50;
/** After the first lockup, others get this long to be noticed too. */
const LOCKUP_GRACE_MS = 500;
/** Loads that have not all begun by then (a target that nobody answers for) are not waited for. */
const BEGIN_MS = 5_000;
/** After the last fault, a load that hears nothing for so long is not waited for any longer. */
const SILENCE_MS = 3_000;
/** A run that has not come to an end by itself so long after its loads should have is ended. */
const OVERTIME_MS = 60_000;

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<RunRecord> {
  const startMs = nowMs();
  const fdsBefore = openFds();
  const portNames = new Map(scenario.ports.map((port) => [port.number, port.name]));
  const early: ControlMessage[] = [];
  let onControl = (message: ControlMessage): void => void early.push(message);
  const lab = await buildLab(scenario, {
    backend: options.backend,
    guard: options.guard,
    guardModule: options.guardModule,
    seed: options.seed,
    named: false,
    captureFolder: options.outFolder,
    onControl: (message) => onControl(message),
  });
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const run = new Run(lab, { ...options, signal }, new Timeline(lab.kernel, portNames));
  onControl = (message) => run.heard(message);
  early.forEach(onControl);
  let outcome: Outcome;
  let served: ServedLab | null = null;
  try {
    const path = options.controlPath;
    if (path !== undefined) served = await serveLab(lab, () => stop.abort(), path);
    run.beforeEnd = async () => served?.close();
    outcome = await run.toTheEnd();
  } catch (error) {
    await served?.close();
    await tearDown(lab, run.lost());
    throw error;
  }
  const left = { ...lab.backend.leaks(), workers: lab.supervisor.alive() };
  const fds = Math.max(left.fds, openFds() - fdsBefore);
  const leaks = { ...left, fds };
  return makeRecord(run, outcome, { leaks, seconds: (nowMs() - startMs) / 1000 });
}

export type Outcome = Awaited<ReturnType<Run["toTheEnd"]>>;

/** Open descriptors of this process, without those that Node opens for itself when it likes. */
function openFds(): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor of the listing itself.
      return "/dev/null";
    }
  });
  return targets.filter((target) => target !== "/dev/null" && !target.startsWith("pipe:")).length;
}

function scenarioHasNoFault(lab: Lab): boolean {
  return lab.scenario.faults.length === 0;
}

/** A run in progress, and what it has gathered. */
export class Run {
  readonly lab: Lab;
  readonly options: RunOptions;
  readonly timeline: Timeline;
  readonly samples: Sample[] = [];
  readonly lanes: WorkerLanes;
  readonly faults: FaultDriver;
  readonly lockups = new Map<number, string>();
  /** Called when the loads and faults are over, while all threads still live. */
  beforeEnd: () => Promise<void> = () => Promise.resolve();
  /** The last step of a control thread that did not come back. */
  stuckAfter = "";
  private readonly watchdog: Watchdog;
  private firstLockupMs: number | null = null;
  private quietSinceMs: number | null = null;
  private nextSampleMs = 0;
  private loadsStartMs = 0;
  /** When every load had sent something; null: not yet. Triggers and durations count from here. */
  private trafficStartMs: number | null = null;
  private responses = 0;
  private lastResponseMs = 0;

  constructor(lab: Lab, options: RunOptions, timeline: Timeline) {
    this.lab = lab;
    this.options = options;
    this.timeline = timeline;
    this.lanes = new WorkerLanes(lab.kernel.m, lab.scenario.workers);
    this.faults = new FaultDriver(lab, timeline);
    const thresh = lab.scenario.watchdog.threshSeconds;
    this.watchdog = new Watchdog(lab.kernel.m, lab.scenario.workers, thresh, (notice) => {
      this.lockups.set(notice.worker, notice.message);
      this.firstLockupMs ??= nowMs();
      this.lab.supervisor.markLost(notice.worker);
      const { message: what, worker: cpu } = notice;
      this.timeline.note({ thread: `rxq${cpu}`, cpu, what, device: null, fields: {} });
    });
  }

  heard(message: ControlMessage): void {
    if (message.type === "link") this.timeline.noteLink(message.event, message.port, message.ours);
    if (message.type !== "done") return;
    for (const device of message.devices) {
      this.timeline.nameDevice(device.ovsDevice, device.name);
      if (device.wireDevice !== device.ovsDevice) {
        this.timeline.nameDevice(device.wireDevice, `${device.name} (peer)`);
      }
    }
  }

  lost(): ReadonlySet<number> {
    return this.watchdog.lockedUp();
  }

  async toTheEnd() {
    for (const device of this.lab.supervisor.devices) {
      this.timeline.nameDevice(device.ovsDevice, device.name);
    }
    const loads = await RunningLoads.open(this.lab);
    this.faults.onReplug = () => loads.devicesChanged();
    let ended: string;
    try {
      loads.start();
      this.loadsStartMs = nowMs();
      this.watchdog.start();
      ended = await this.watch(loads);
    } catch (error) {
      await this.lab.supervisor.terminate(this.lost());
      await loads.stop();
      throw error;
    } finally {
      this.faults.stop();
      this.watchdog.stop();
      await this.beforeEnd();
    }
    this.timeline.drain(this.lab.supervisor.threads);
    const faults = this.faults.report();
    await this.lab.supervisor.terminate(this.lost());
    const results = await loads.stop();
    const network = this.networkStats();
    await this.drainQueues();
    const m = this.lab.kernel.m;
    const tids = this.threadIds();
    await this.lab.supervisor.stopWorkers(this.lost());
    this.timeline.drain(this.lab.supervisor.threads);
    const lockedUp = new Set(this.lockups.keys());
    const lost = this.terminated();
    const books = closeBooks(this.lab.counters, m, this.lab.scenario.ports, { lost, lockedUp });
    const flowDump = dumpFlows(this.lab, this.loadsStartMs);
    if (this.options.outFolder !== null) joinCaptures(this.lab, this.options.outFolder);
    const endMs = this.timeline.msOf();
    await this.lab.supervisor.stopKernelThreads();
    this.timeline.drain(this.lab.supervisor.threads);
    this.lab.backend.close();
    return { ended, faults, results, network, books, flowDump, tids, endMs };
  }

  private elapsed(): number {
    return this.trafficStartMs === null ? 0 : nowMs() - this.trafficStartMs;
  }

  // A busy machine takes a second to start the threads of a load. A fault 500 ms after that start
  // would strike before there is anything to strike at.
  private noteTraffic(loads: RunningLoads): void {
    if (this.trafficStartMs !== null) return;
    const now = nowMs();
    if (loads.flowing() || now - this.loadsStartMs >= BEGIN_MS) this.trafficStartMs = now;
  }

  /** Workers that did not end by themselves. */
  private terminated(): Set<number> {
    const lost = new Set(this.lost());
    for (let i = 0; i < this.lab.scenario.workers; i++) {
      if (this.lab.supervisor.workerStats[i] === undefined) lost.add(i);
    }
    return lost;
  }

  /** Looks at everything until the run is over; answers why it is. */
  private async watch(loads: RunningLoads): Promise<string> {
    const { scenario, supervisor } = this.lab;
    const hardLimitMs =
      (scenario.durationMs ?? 0) + (scenario.load.http?.timeoutMs ?? 0) + OVERTIME_MS;
    for (;;) {
      if (this.options.signal.aborted) return "interrupted";
      const failed = supervisor.failed();
      if (failed !== null) throw failed.error!;
      if (loads.failure !== null) throw loads.failure;
      if (this.faults.failure !== null) throw this.faults.failure;
      if (this.lockupIsOver()) return "lockup";
      if (this.faults.stuck !== null) {
        this.timeline.drain(supervisor.threads);
        this.stuckAfter = this.timeline.lastStepOf("control");
        return "stuck";
      }
      this.noteTraffic(loads);
      this.faults.look(this.progress(loads));
      this.sample(loads);
      if (this.isComplete(loads)) return "complete";
      if (this.elapsed() > hardLimitMs) return "overtime";
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  private lockupIsOver(): boolean {
    if (this.firstLockupMs === null) return false;
    if (this.lab.scenario.watchdog.onLockup === "continue") return false;
    return nowMs() - this.firstLockupMs >= LOCKUP_GRACE_MS;
  }

  private isComplete(loads: RunningLoads): boolean {
    const { scenario } = this.lab;
    const durationOver = this.elapsed() >= (scenario.durationMs ?? 0);
    // A trigger that can still come is waited for as long as there is load to bring it about.
    const httpOver = loads.httpDone || this.isSilent(loads);
    const idle = httpOver && loads.pingsDone && durationOver;
    const struck = this.faults.settled() && !this.faults.pending();
    if (!idle || !struck) {
      this.quietSinceMs = null;
      return false;
    }
    this.quietSinceMs ??= nowMs();
    // A worker that spins since a moment ago would otherwise be taken for one that was stopped.
    return nowMs() - this.quietSinceMs >= scenario.settleMs && !this.watchdog.suspects(nowNs());
  }

  /** Whether all faults are done and no request has been answered for a while. */
  private isSilent(loads: RunningLoads): boolean {
    const responses = loads.counter(LOAD_COUNTER.ok);
    const now = nowMs();
    if (!this.faults.finished() || scenarioHasNoFault(this.lab) || responses !== this.responses) {
      this.responses = responses;
      this.lastResponseMs = now;
    }
    return now - this.lastResponseMs >= SILENCE_MS;
  }

  private progress(loads: RunningLoads) {
    return {
      elapsedMs: this.elapsed(),
      inFlight: loads.counter(LOAD_COUNTER.inFlight),
      requestsSent: loads.counter(LOAD_COUNTER.sent),
      responses: loads.counter(LOAD_COUNTER.ok),
      framesSeen: this.sum(PORT_COUNTER.rx),
    };
  }

  private sum(counter: number): number {
    const { scenario, counters } = this.lab;
    return scenario.ports.reduce((sum, port) => sum + counters.sum(port.number, counter), 0);
  }

  private sample(loads: RunningLoads): void {
    const atMs = this.timeline.msOf();
    this.lanes.look(atMs);
    if (atMs < this.nextSampleMs) return;
    this.nextSampleMs = atMs + SAMPLE_MS;
    this.timeline.drain(this.lab.supervisor.threads);
    const framesIn = this.sum(PORT_COUNTER.rx);
    const framesOut = this.sum(PORT_COUNTER.sent);
    const sample: Sample = {
      atMs,
      requestsSent: loads.counter(LOAD_COUNTER.sent),
      requestsOk: loads.counter(LOAD_COUNTER.ok),
      requestsFailed: loads.counter(LOAD_COUNTER.failed),
      inFlight: loads.counter(LOAD_COUNTER.inFlight),
      framesIn,
      framesOut,
      framesDropped: framesIn + this.sum(PORT_COUNTER.cloned) - framesOut,
      rssBytes: process.memoryUsage.rss(),
    };
    this.samples.push(sample);
    this.options.onProgress(sample);
  }

  /** Lets the workers finish what the loads have left in the queues. */
  private async drainQueues(): Promise<void> {
    const m = this.lab.kernel.m;
    const deadline = nowMs() + 500;
    const lost = this.lost();
    const busy = (): boolean => {
      for (let worker = 0; worker < this.lab.scenario.workers; worker++) {
        const state = Atomics.load(m, cpuBlock(worker) + CPU.state);
        if (!lost.has(worker) && state === CPU_STATE.forwarding) return true;
      }
      return false;
    };
    while (busy() && nowMs() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  private networkStats(): { listenOverflows: number; retransmittedSegments: number } {
    let listenOverflows = 0;
    let retransmittedSegments = 0;
    for (const { ref } of this.lab.topology.namespaces.values()) {
      const stats = this.lab.backend.networkStats(ref);
      listenOverflows += stats.listenOverflows;
      retransmittedSegments += stats.retransmittedSegments;
    }
    return { listenOverflows, retransmittedSegments };
  }

  private threadIds(): Map<string, number> {
    return new Map(this.lab.supervisor.threads.map(({ name, tid }) => [name, tid]));
  }
}
