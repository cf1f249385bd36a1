// Runs as the scenario room would record them, made from a seed: a lockup of 8 workers, a safe run,
// one that shows nothing, one without requests, and one whose every text tries to be markup.
import { Random } from "../../src/base/random.js";
import type {
  LaneSpan,
  LockupReport,
  RunEvent,
  RunRecord,
  RunReport,
  Sample,
  Verdict,
} from "../../src/report/types.js";

const FAULT_MS = 3205.114;

/** The unregister path of one veth port: microseconds after the fault, thread, step. */
const STEPS: readonly (readonly [number, string, string])[] = [
  [60, "control", "U1 unregister_netdevice_many_notify"],
  [74, "control", "U3 __dev_close_many"],
  [96, "control", "U4 dev_deactivate_many"],
  [104, "control", "U5 synchronize_net"],
  [262, "control", "U6 veth_close"],
  [281, "control", "U7 NETDEV_DOWN"],
  [296, "control", "U8 unlist_netdevice"],
  [309, "control", "U9 flush_all_backlogs"],
  [352, "control", "U10 synchronize_net"],
  [538, "control", "U11 dev_shutdown"],
  [549, "control", "N1 dp_device_event"],
  [551, "control", "N1 ovs_netdev_detach_dev"],
  [556, "control", "N1 synchronize_net"],
  [681, "control", "N1 queue_work dp_notify_work"],
  [702, "control", "Z remove_queue_kobjects"],
  [711, "control", "U12 synchronize_net"],
  [714, "kworker/8:0", "W ovs_dp_notify_wq"],
  [778, "kworker/8:0", "X ovs_dp_detach_port"],
];
const ZERO_US = 702;

export interface SampleOptions {
  readonly verdict?: Verdict;
  readonly guard?: string;
  readonly locked?: readonly number[];
  readonly requests?: number;
  readonly seed?: number;
  readonly workers?: number;
}

export function lockupRun(): RunRecord {
  return sampleRun({ verdict: "LOCKUP", guard: "none", locked: [2, 5, 6] });
}

export function safeRun(): RunRecord {
  return sampleRun({ verdict: "SAFE", guard: "running-carrier" });
}

/** The fault never fired, nothing was unregistered, and a frame is missing. */
export function invalidRun(): RunRecord {
  const run = sampleRun({ verdict: "INVALID", guard: "carrier" });
  const { report } = run;
  return {
    ...run,
    warnings: ["CPU-bound: load average 9.1 on 2 cores, so times are longer than they should be"],
    events: run.events.filter((event) => event.device === null && event.atMs < FAULT_MS),
    report: {
      ...report,
      why: "The fault netns-delete server never fired: 2,999 requests were in flight, not 3,000.",
      expected: "SAFE",
      windows: [],
      faults: report.faults.map((f) => ({ ...f, firedAtMs: null, times: 0, framesTouched: 0 })),
      frames: { ...report.frames, in: report.frames.in + 1, balanced: false },
      leaks: { namespaces: 0, devices: 1, fds: 2, workers: 0 },
    },
  };
}

/** A UDP-only run that recorded next to nothing. */
export function emptyRun(): RunRecord {
  const run = sampleRun({ verdict: "SAFE", guard: "carrier", requests: 0 });
  const none = { sent: 0, ok: 0, failed: {} };
  return {
    ...run,
    description: "",
    samples: [],
    lanes: [],
    events: [],
    flowDump: "NXST_FLOW reply (xid=0x4):\n",
    latencyHistogram: [],
    environment: {},
    report: {
      ...run.report,
      requests: { ...run.report.requests, ...none, maxInFlight: 0, maxHeld: 0, seconds: 0 },
      bystander: { same: true, ...none },
      faults: [],
      windows: [],
      folder: null,
    },
  };
}

/** Every text that a user can choose is an attack. */
export function hostileRun(): RunRecord {
  const run = lockupRun();
  const evil = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\u0000`;
  const rename = (text: string) => (text === "server" ? `server${evil}` : text);
  const { report } = run;
  return {
    ...run,
    description: evil,
    warnings: [evil],
    environment: { [evil]: evil },
    events: run.events.map((e) => ({
      ...e,
      what: e.what + evil,
      device: e.device === null ? null : rename(e.device),
      fields: { ...e.fields, [evil]: evil },
    })),
    lanes: run.lanes.map((span) => ({ ...span, lane: span.lane + evil, state: span.state + evil })),
    report: {
      ...report,
      scenario: evil,
      guard: evil,
      why: evil,
      command: evil,
      folder: evil,
      windows: report.windows.map((w) => ({ ...w, device: rename(w.device) })),
      faults: report.faults.map((f) => ({ ...f, kind: evil, target: evil, at: { [evil]: evil } })),
      lockups: report.lockups.map((l) => ({ ...l, worker: evil, message: evil, where: evil })),
      ports: report.ports.map((port) => ({ ...port, name: evil, kind: evil })),
      frames: { ...report.frames, drops: { ...report.frames.drops, [evil]: 1 } },
      requests: { ...report.requests, failed: { [evil]: 3 } },
    },
  };
}

/** A run of ovs-netns-delete: 3,000 requests held in flight, then the server's namespace goes. */
export function sampleRun(options: SampleOptions = {}): RunRecord {
  const random = new Random(options.seed ?? 7);
  const verdict = options.verdict ?? "SAFE";
  const locked = options.locked ?? [];
  const requests = options.requests ?? 3000;
  const seconds = locked.length > 0 ? 9.684 : 6.412;
  return {
    report: sampleReport({ verdict, locked, requests, seconds, guard: options.guard ?? "none" }),
    description:
      "32 queues on each veth, 3,000 requests held in flight, and the namespace of the " +
      "server is deleted under them, as in the original report.",
    events: sampleEvents(locked, seconds),
    samples: sampleSamples(random, requests, seconds),
    lanes: sampleLanes(random, locked, seconds, options.workers ?? 8),
    flowDump: "NXST_FLOW reply (xid=0x4):\n",
    latencyHistogram: histogram(),
    environment: {
      kernel: "6.18.3-amd64",
      node: "v20.20.2",
      cpus: "2 x AMD EPYC 7763",
      memory: "7.7 GiB",
      "nofile limit": 1048576,
      "load average": "1.42 0.88 0.41",
      started: "2026-11-21T02:14:07.512Z",
    },
    warnings: [],
  };
}

interface ReportParts {
  readonly verdict: Verdict;
  readonly guard: string;
  readonly locked: readonly number[];
  readonly requests: number;
  readonly seconds: number;
}

function sampleReport(parts: ReportParts): RunReport {
  const { locked, requests } = parts;
  const hit = locked.length > 0;
  const held = 8 * locked.length;
  const drops = {
    "noop-qdisc": hit ? 1911 : 0,
    guard: hit ? 0 : 2417,
    "no-vport": 40_122,
    "rx-unpublished": 12,
    "held-by-lockup": held,
  };
  const dropped = Object.values(drops).reduce((sum, n) => sum + n, 0);
  const ok = Math.floor(requests * (hit ? 0.391 : 0.402));
  const why = hit
    ? `${locked.length} of 8 workers never left skb_tx_hash: they picked a queue of server after ` +
      "its queue count was zeroed and before its port was unpublished."
    : "Every packet that found server's port after its device was closed was refused by the guard.";
  return {
    schemaVersion: 1,
    scenario: "ovs-netns-delete",
    backend: "linux",
    guard: parts.guard,
    profile: "6.1",
    seed: 20261121,
    verdict: parts.verdict,
    expected: parts.verdict,
    why,
    requests: {
      sent: requests,
      ok,
      failed: { "response ETIMEDOUT": Math.floor(requests * 0.55), "connect EHOSTUNREACH": 21 },
      maxInFlight: requests,
      maxHeld: requests,
      seconds: 6.02,
      latencyMs: { p50: 212.4, p99: 1980, max: 2410.5 },
      listenOverflows: 0,
      retransmittedSegments: 1822,
    },
    bystander: hit
      ? { same: false, sent: 500, ok: 388, failed: { "response ETIMEDOUT": 112 } }
      : { same: true, sent: 500, ok: 500, failed: {} },
    balancer: null,
    faults: sampleFaults(dropped),
    frames: { in: 260_418 + dropped, out: 260_418, cloned: 12, drops, injected: 0, balanced: true },
    ports: [
      { name: "client", number: 1, kind: "veth", ...port(150_300, 118_020, { guard: 2 }) },
      { name: "server", number: 2, kind: "veth", ...port(118_001, 130_398, drops) },
      { name: "bystander", number: 3, kind: "veth", ...port(12_200, 12_000, {}) },
    ],
    queueSelection: { picks: 262_329, hinted: 254_201, outOfRange: 3, hangs: locked.length },
    lockups: locked.map((worker) => lockup(worker)),
    rcu: { gracePeriods: hit ? 3 : 9, longestMs: hit ? 6478.1 : 0.186, stalled: hit },
    windows: [{ device: "server", port: 2, microseconds: 76, picksInWindow: locked.length + 2 }],
    leaks: { namespaces: 0, devices: 0, fds: 0, workers: 0 },
    seconds: parts.seconds,
    command:
      `packetpath run scenarios/ovs-netns-delete.yaml --guard ${parts.guard} --backend linux ` +
      "--seed 20261121",
    folder: "/root/packetpath/runs/2026-11-21T02-14-07-ovs-netns-delete",
  };
}

function sampleFaults(framesTouched: number): RunReport["faults"] {
  return [
    {
      kind: "netns-delete",
      target: "server",
      at: { inFlight: 3000 },
      firedAtMs: FAULT_MS,
      times: 1,
      framesTouched,
    },
    {
      kind: "txqueuelen",
      target: "client",
      at: { afterMs: 4400 },
      firedAtMs: 4400.62,
      times: 1,
      framesTouched: 0,
    },
  ];
}

function port(frames: number, out: number, drops: Readonly<Record<string, number>>) {
  return { in: frames, out, cloned: 0, drops, injected: 0 };
}

function lockup(worker: number): LockupReport {
  const tid = 41_000 + worker;
  return {
    worker: `rxq${worker}`,
    cpu: worker,
    tid,
    seconds: 6.4,
    where: "skb_tx_hash",
    message: `watchdog: BUG: soft lockup - CPU#${worker} stuck for 6s! [rxq${worker}:${tid}]`,
    state: {
      device: "server",
      kind: "veth",
      realNumTxQueues: 0,
      regState: "unregistering",
      queueMapping: worker + 1,
      recordedRxQueue: worker,
      hash: worker,
      qcount: 0,
      start: false,
      carrier: false,
      up: false,
    },
  };
}

function sampleEvents(locked: readonly number[], seconds: number): RunEvent[] {
  const at = (us: number) => FAULT_MS + us / 1000;
  const events: RunEvent[] = [
    event(0, "main", 0, "topology ready"),
    event(612.4, "main", 0, "load started"),
    event(FAULT_MS, "control", 8, "fault netns-delete", {
      device: "server",
      fields: { trigger: "inFlight 3000" },
    }),
  ];
  for (const [us, thread, what] of STEPS) {
    events.push(
      event(at(us), thread, 8, what, {
        device: "server",
        fields: {
          real_num_tx_queues: us >= ZERO_US ? 0 : 32,
          reg_state: us >= 296 ? 2 : 1,
          ...(what.includes("dp_device_event") ? { event: 6 } : {}),
          pid: 40_990,
          tid: thread === "control" ? 40_998 : 40_999,
        },
      }),
    );
  }
  locked.forEach((worker, i) => {
    const us = ZERO_US + 14 + 17 * i;
    const fields = {
      real_num_tx_queues: 0,
      reg_state: 2,
      skb_addr: `0x${(4096 + worker).toString(16)}`,
      tid: 41_000 + worker,
    };
    const more = { device: "server", fields };
    for (const name of [
      "ovs_vport_send",
      "__dev_queue_xmit",
      "netdev_core_pick_tx",
      "broken device",
    ]) {
      events.push(event(at(us), `rxq${worker}`, worker, name, more));
    }
    const line = "soft lockup";
    events.push(event(FAULT_MS + 6000, `rxq${worker}`, worker, line, more));
  });
  events.push(event(at(940), "kernel", 0, "RTM_DELLINK", { device: "server" }));
  events.push(event(seconds * 1000 - 40, "main", 0, "teardown"));
  return events;
}

interface EventMore {
  readonly device?: string | null;
  readonly fields?: RunEvent["fields"];
}

function event(
  atMs: number,
  thread: string,
  cpu: number,
  what: string,
  more: EventMore = {},
): RunEvent {
  return { atMs, thread, cpu, what, device: more.device ?? null, fields: more.fields ?? {} };
}

function sampleSamples(random: Random, requests: number, seconds: number): Sample[] {
  const samples: Sample[] = [];
  let framesIn = 0;
  let framesDropped = 0;
  for (let atMs = 0; atMs <= seconds * 1000; atMs += 50) {
    const begun = Math.min(1, Math.max(0, (atMs - 600) / 2580));
    const sent = Math.floor(requests * begun);
    const released = Math.max(0, Math.min(1, (atMs - FAULT_MS) / 900));
    const ok = Math.floor(requests * 0.4 * released);
    const failed = Math.floor(requests * 0.55 * Math.max(0, Math.min(1, (atMs - 5400) / 700)));
    const busy = atMs < 600 || atMs > 5900 ? 2 : atMs < FAULT_MS ? 3600 : 1500;
    framesIn += busy + random.below(busy / 3 + 1);
    framesDropped += atMs > FAULT_MS && atMs < 5900 ? 300 + random.below(260) : 0;
    samples.push({
      atMs,
      requestsSent: sent,
      requestsOk: ok,
      requestsFailed: failed,
      inFlight: Math.max(0, sent - ok - failed),
      framesIn,
      framesOut: framesIn - framesDropped,
      framesDropped,
      rssBytes: 120e6,
    });
  }
  return samples;
}

function sampleLanes(
  random: Random,
  locked: readonly number[],
  seconds: number,
  workers: number,
): LaneSpan[] {
  const end = seconds * 1000;
  const at = (us: number) => FAULT_MS + us / 1000;
  const lanes: LaneSpan[] = [];
  const control = STEPS.filter(([, thread]) => thread === "control");
  control.forEach(([us, , state], i) => {
    const last = locked.length > 0 ? end : at(912);
    const next = control[i + 1];
    const toMs = next === undefined ? last : at(next[0]);
    lanes.push({ lane: "control", fromMs: at(us), toMs, state });
  });
  lanes.push(
    { lane: "kworker/8:0", fromMs: at(714), toMs: at(769), state: "waits for ovs_mutex" },
    { lane: "kworker/8:0", fromMs: at(769), toMs: at(791), state: "holds ovs_mutex" },
  );
  for (let worker = 0; worker < workers; worker++) {
    const hang = locked.indexOf(worker);
    const stopMs = hang < 0 ? end - 400 : at(ZERO_US + 14 + 17 * hang);
    let now = 600 + random.below(30);
    while (now < stopMs) {
      const near = now > FAULT_MS - 3 && now < FAULT_MS + 3;
      const work = near ? 0.01 + random.fraction() * 0.05 : 1 + random.fraction() * 40;
      const toMs = Math.min(now + work, stopMs, now < FAULT_MS - 3 ? FAULT_MS - 2 : end);
      lanes.push({ lane: `rxq${worker}`, fromMs: now, toMs, state: "forwarding" });
      const idle = near ? random.fraction() * 0.03 : random.fraction() * (now > 5900 ? 300 : 9);
      lanes.push({ lane: `rxq${worker}`, fromMs: toMs, toMs: toMs + idle, state: "idle" });
      now = now < FAULT_MS - 2 ? Math.min(toMs + idle, FAULT_MS - 1.9) : toMs + idle;
    }
    if (hang >= 0)
      lanes.push({ lane: `rxq${worker}`, fromMs: stopMs, toMs: end, state: "spinning" });
  }
  return lanes;
}

function histogram() {
  const bounds = [4, 8, 16, 32, 64, 128, 180, 212, 250, 320, 512, 800, 1024, 1500, 1980, 2410.5];
  const counts = [3, 9, 22, 41, 88, 120, 150, 160, 180, 140, 110, 80, 40, 20, 9, 4];
  return bounds.map((upToMs, i) => ({ upToMs, count: counts[i]! }));
}
