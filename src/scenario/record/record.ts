// From what a run gathered to its record and verdict. Main thread; nothing is running any more.
import { availableParallelism, release, totalmem } from "node:os";
import { KINDS, LINK_STATE, DEV, NETREG } from "../../path/core/netdevice.js";
import { SITES } from "../../path/trace-events.js";
import type { LockupReport, RunRecord, RunReport, Verdict } from "../../report/types.js";
import { REPORT_SCHEMA_VERSION } from "../../report/types.js";
import { type Addr, CPU, cpuBlock, HEADER, NULL } from "../../sync/memory.js";
import { balancerReport, wrongInBalancer } from "../balancer/record.js";
import type { Outcome, Run } from "../run.js";
import { expectedVerdict } from "../types.js";

const REG_STATES = Object.fromEntries(
  Object.entries(NETREG).map(([name, value]) => [value, name]),
) as Record<number, string>;

interface End {
  readonly leaks: RunReport["leaks"];
  readonly seconds: number;
}

export function makeRecord(run: Run, outcome: Outcome, end: End): RunRecord {
  const { scenario, kernel } = run.lab;
  const { options, timeline } = run;
  const windows = timeline.windows();
  const lockups = lockupReports(run);
  const hangs = timeline.hangs();
  const balancer = balancerReport(run.lab, outcome.results.http);
  const found = { leaks: end.leaks, windows, lockups, balancer };
  const { verdict, why } = judge(evidenceOf(run, outcome, found));
  const report: RunReport = {
    schemaVersion: REPORT_SCHEMA_VERSION,
    scenario: scenario.name,
    backend: options.backend,
    guard: options.guard,
    profile: kernel.profile.id,
    seed: options.seed,
    verdict,
    expected: expectedVerdict(scenario, options.guard),
    why,
    requests: requestsOf(outcome),
    bystander: bystanderOf(outcome),
    faults: outcome.faults,
    frames: outcome.books.total,
    ports: outcome.books.ports,
    queueSelection: selectionOf(run, lockups.length),
    lockups,
    rcu: {
      gracePeriods: kernel.m[HEADER.gracePeriods]!,
      longestMs: kernel.m[HEADER.longestGracePeriodUs]! / 1000,
      stalled: lockups.length > 0 && kernel.m[HEADER.gracePeriodWaiters]! > 0,
    },
    windows,
    balancer,
    leaks: end.leaks,
    seconds: end.seconds,
    command: options.command,
    folder: options.outFolder,
  };
  return {
    report,
    description: scenario.description,
    events: timeline.events(outcome.tids),
    samples: run.samples,
    lanes: [...run.lanes.finish(outcome.endMs, hangs), ...timeline.lanes(outcome.endMs)],
    latencyHistogram: outcome.results.http?.histogram ?? [],
    environment: environment(run),
    flowDump: outcome.flowDump,
    warnings: warnings(run, outcome),
  };
}

type Found = Pick<Evidence, "leaks" | "windows" | "lockups" | "balancer">;

/** All that the verdict is drawn from. */
export interface Evidence {
  readonly guard: string;
  readonly lockups: readonly LockupReport[];
  /** Why the run came to its end. */
  readonly ended: string;
  /** The administrator's command that never came back; null: all did. */
  readonly stuck: string | null;
  readonly balanced: boolean;
  /** Requests that the scenario wants at the server at once, and how many were. */
  readonly inFlight: { readonly wanted: number; readonly reached: number };
  /** What is wrong with a fault that did not do its work; null: nothing. */
  readonly ineffective: string | null;
  readonly leaks: RunReport["leaks"];
  readonly windows: RunReport["windows"];
  readonly balancer: RunReport["balancer"];
}

function evidenceOf(run: Run, outcome: Outcome, found: Found): Evidence {
  return {
    guard: run.options.guard,
    lockups: found.lockups,
    ended: outcome.ended,
    stuck: run.faults.stuck === null ? null : `${run.faults.stuck} (after ${run.stuckAfter})`,
    balanced: outcome.books.total.balanced,
    inFlight: {
      wanted: run.lab.scenario.load.http?.holdUntilInFlight ?? 0,
      reached: outcome.results.http?.maxHeld ?? 0,
    },
    ineffective: run.faults.ineffective(),
    leaks: found.leaks,
    windows: found.windows,
    balancer: found.balancer,
  };
}

/** The verdict and, in a sentence, why. What was seen counts more than what was not. */
export function judge(evidence: Evidence): { verdict: Verdict; why: string } {
  const { lockups } = evidence;
  if (lockups.length > 0) return { verdict: "LOCKUP", why: whyLockup(lockups) };
  if (evidence.ended === "stuck") {
    const why = `${evidence.stuck} never came back, and no worker is locked up`;
    return { verdict: "DEADLOCK", why };
  }
  const flaw = flawOf(evidence);
  if (flaw !== null) return { verdict: "INVALID", why: flaw };
  const left = Object.entries(evidence.leaks).filter(([, count]) => count !== 0);
  if (left.length > 0) {
    const list = left.map(([what, count]) => `${count} ${what}`).join(", ");
    return { verdict: "LEAK", why: `left behind: ${list}` };
  }
  const wrong = wrongInBalancer(evidence.balancer);
  if (wrong !== null) return wrong;
  return { verdict: "SAFE", why: whySafe(evidence) };
}

function whyLockup(lockups: readonly LockupReport[]): string {
  const first = lockups[0]!;
  const { device, kind, realNumTxQueues, regState, queueMapping } = first.state;
  const others = lockups.length === 1 ? "" : ` and ${lockups.length - 1} more`;
  if (kind === NO_DEVICE.kind) return `${first.worker}${others} spin in ${first.where}`;
  return (
    `${first.worker}${others} spin in ${first.where}: output to ${device} ` +
    `(${regState}, ${realNumTxQueues} transmit queues) with queue_mapping ${queueMapping}`
  );
}

/** What keeps the run from having shown anything; null: nothing does. */
function flawOf(evidence: Evidence): string | null {
  if (evidence.ended === "interrupted") return "interrupted before the run was complete";
  if (evidence.ended === "overtime") return "the run did not come to an end in its time";
  if (!evidence.balanced) return "the books do not balance: frames are unaccounted for";
  const { wanted, reached } = evidence.inFlight;
  if (reached < wanted) return `only ${reached} of ${wanted} requests were in flight at once`;
  return evidence.ineffective;
}

function whySafe({ windows, guard, balancer }: Evidence): string {
  const unregistered = windows.length;
  const clients = balancer?.clients ?? null;
  if (unregistered === 0 && clients !== null) {
    const told = `each of ${clients.same} requests came with its client's address`;
    return `${told}, every frame is accounted for`;
  }
  if (unregistered === 0) return "no worker locked up and every frame is accounted for";
  const open = windows.filter((window) => window.microseconds !== null);
  const longest = Math.max(0, ...open.map((window) => window.microseconds ?? 0));
  const picks = windows.reduce((sum, window) => sum + window.picksInWindow, 0);
  const times = unregistered === 1 ? "1 port" : `${unregistered} ports`;
  return (
    `${times} unregistered under traffic, published for up to ${longest} us without queues; ` +
    (picks === 0
      ? `no packet chose a queue in that time (guard ${guard})`
      : `${picks} packets chose a queue in that time and none hung`)
  );
}

function requestsOf(outcome: Outcome): RunReport["requests"] {
  const http = outcome.results.http;
  const none = { p50: 0, p99: 0, max: 0 };
  return {
    sent: http?.sent ?? 0,
    ok: http?.ok ?? 0,
    failed: http?.failed ?? {},
    maxInFlight: http?.maxInFlight ?? 0,
    maxHeld: http?.maxHeld ?? 0,
    seconds: http?.seconds ?? 0,
    latencyMs: http?.latencyMs ?? none,
    ...outcome.network,
  };
}

// Requests that were still open when the load was told to stop are nobody's failure.
function bystanderOf(outcome: Outcome): RunReport["bystander"] {
  const result = outcome.results.bystander;
  if (result === null) return { same: true, sent: 0, ok: 0, failed: {} };
  const failed = Object.fromEntries(
    Object.entries(result.failed).filter(([name]) => !name.endsWith("ECANCELED")),
  );
  const same = Object.keys(failed).length === 0;
  return { same, sent: result.sent, ok: result.ok, failed };
}

function selectionOf(run: Run, hangs: number): RunReport["queueSelection"] {
  const { m } = run.lab.kernel;
  const sum = (word: number): number => {
    let total = 0;
    for (let i = 0; i < run.lab.scenario.workers; i++) total += m[cpuBlock(i) + word]!;
    return total;
  };
  // A hung selection never came back to be counted by its worker.
  return {
    picks: sum(CPU.picks) + hangs,
    hinted: sum(CPU.hinted) + hangs,
    outOfRange: sum(CPU.outOfRange),
    hangs,
  };
}

function lockupReports(run: Run): LockupReport[] {
  const { m } = run.lab.kernel;
  const hangs = run.timeline.hangs();
  const endMs = run.timeline.msOf();
  return [...run.lockups].map(([worker, message]) => {
    const block = cpuBlock(worker);
    const name = `rxq${worker}`;
    const dev = m[block + CPU.tickDevice]!;
    const queueMapping = m[block + CPU.tickQueueMapping]!;
    return {
      worker: name,
      cpu: worker,
      tid: m[block + CPU.tid]!,
      seconds: Math.round((endMs - (hangs.get(name) ?? endMs)) / 100) / 10,
      where: SITES[m[block + CPU.tickSite]!] || "no loop of the kernel's path",
      message,
      state: {
        ...(dev === NULL ? NO_DEVICE : deviceState(run, dev)),
        queueMapping,
        recordedRxQueue: queueMapping === 0 ? null : queueMapping - 1,
        hash: m[block + CPU.tickHash]!,
        qcount: m[block + CPU.tickQcount]!,
      },
    };
  });
}

/** A worker that spins in a user's guard has no device in hand that the path knows of. */
const NO_DEVICE = {
  device: "no device",
  kind: "unknown",
  realNumTxQueues: 0,
  regState: "unknown",
  start: false,
  carrier: false,
  up: false,
};

function deviceState(run: Run, dev: Addr): typeof NO_DEVICE {
  const { m } = run.lab.kernel;
  const state = m[dev + DEV.state]!;
  return {
    device: run.timeline.deviceNameAt(dev),
    kind: KINDS[m[dev + DEV.kind]!] ?? "unknown",
    realNumTxQueues: m[dev + DEV.realNumTxQueues]!,
    regState: REG_STATES[m[dev + DEV.regState]!] ?? "unknown",
    start: (state & LINK_STATE.start) !== 0,
    carrier: (state & LINK_STATE.noCarrier) === 0,
    up: (m[dev + DEV.flags]! & 1) !== 0,
  };
}

function environment(run: Run): Record<string, string | number> {
  return {
    kernel: release(),
    node: process.version,
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    workers: run.lab.scenario.workers,
    backend: run.options.backend,
  };
}

function warnings(run: Run, outcome: Outcome): string[] {
  const list: string[] = [];
  const { listenOverflows } = outcome.network;
  if (listenOverflows > 0) {
    list.push(`${listenOverflows} listen overflows: some failures are a full backlog, not a fault`);
  }
  if (run.timeline.lost() > 0) {
    list.push(`${run.timeline.lost()} trace events were overwritten before they were read`);
  }
  return list;
}
