// What a run leaves behind, as plain data. `RunReport` is report.json, a contract with scripts:
// fields may be added, never renamed. `RunRecord` is the report with everything that the pictures
// need beside it. The scenario room fills both in; this room only reads them.

export const REPORT_SCHEMA_VERSION = 1;

export type Verdict =
  | "SAFE"
  | "LOCKUP"
  | "DEADLOCK"
  | "LEAK"
  | "ASSERT"
  /** The run could not show what it set out to: a fault touched nothing, books do not balance. */
  | "INVALID";

export interface RunReport {
  readonly schemaVersion: typeof REPORT_SCHEMA_VERSION;
  readonly scenario: string;
  readonly backend: "linux" | "memory";
  readonly guard: string;
  readonly profile: string;
  readonly seed: number;
  readonly verdict: Verdict;
  /** What the scenario expects for this guard. */
  readonly expected: Verdict;
  /** One sentence: why this verdict. */
  readonly why: string;
  readonly requests: {
    readonly sent: number;
    readonly ok: number;
    readonly failed: Readonly<Record<string, number>>;
    /** Most at once that were sent and not answered, as the client counts them. */
    readonly maxInFlight: number;
    /** Most at once that the servers had and had not answered. */
    readonly maxHeld: number;
    readonly seconds: number;
    readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
    /** From the kernels of the namespaces, so that faults and full backlogs are told apart. */
    readonly listenOverflows: number;
    readonly retransmittedSegments: number;
  };
  /** Requests of a client that has nothing to do with the fault. `same`: all of them succeeded. */
  readonly bystander: {
    readonly same: boolean;
    readonly sent: number;
    readonly ok: number;
    readonly failed: Readonly<Record<string, number>>;
  };
  readonly faults: readonly FaultReport[];
  /**
   * The books: `in` = `out` + the sum of `drops` + `injected`, exactly. `in` counts frames read
   * from devices plus `cloned`, the copies made for further outputs.
   */
  readonly frames: FrameBooks & { readonly balanced: boolean };
  readonly ports: readonly (FrameBooks & {
    readonly name: string;
    readonly number: number;
    readonly kind: string;
  })[];
  readonly queueSelection: {
    /** Packets that went through netdev_core_pick_tx. */
    readonly picks: number;
    /** Of these, with a recorded receive queue. */
    readonly hinted: number;
    /** netdev_cap_txqueue had to correct the index. */
    readonly outOfRange: number;
    /** Packets whose selection never ended. */
    readonly hangs: number;
  };
  readonly lockups: readonly LockupReport[];
  readonly rcu: {
    readonly gracePeriods: number;
    readonly longestMs: number;
    /** Whether a grace period was still waiting for a locked-up worker at the end. */
    readonly stalled: boolean;
  };
  /** From "queue count zeroed" to "port unpublished", one entry per unregistered port. */
  readonly windows: readonly {
    readonly device: string;
    readonly port: number;
    /** null: the port was still published when the run ended. */
    readonly microseconds: number | null;
    /** Packets that picked a queue of the device while its count was 0. */
    readonly picksInWindow: number;
    /**
     * When the window opened and closed, in milliseconds since the start of the run; null: never.
     * Without them the pictures look for the events, by the function names in `events` below.
     */
    readonly zeroedAtMs?: number | null;
    readonly unpublishedAtMs?: number | null;
  }[];
  /** What a load balancer did; null: the scenario has none. */
  readonly balancer: BalancerReport | null;
  readonly leaks: Leaks;
  readonly seconds: number;
  /** The command that repeats this run. */
  readonly command: string;
  /** Absolute path of the run folder, or null if none was written. */
  readonly folder: string | null;
}

/** What was not back at its count from before the run. */
export interface Leaks {
  readonly namespaces: number;
  readonly devices: number;
  readonly fds: number;
  readonly workers: number;
}

export interface BalancerReport {
  /** Added and taken away since the start, and left when all had been taken away at the end. */
  readonly connections: { readonly added: number; readonly removed: number; readonly left: number };
  /** Packets towards servers and clients, addresses put into them, ARP and ND answers. */
  readonly counts: Readonly<Record<string, number>>;
  /** Segments that should tell the client's address and went without, by reason. */
  readonly untold: Readonly<Record<string, number>>;
  /**
   * Requests that were sent, those whose server learned the address that the client has, and those
   * whose server took another one for it; null: no load asks for a service.
   */
  readonly clients: {
    readonly asked: number;
    readonly same: number;
    readonly different: number;
  } | null;
  /** What the servers' side saw, by the names of /proc/net/toa_stats; one line per dialect. */
  readonly receivers: readonly ({ readonly dialect: string } & Readonly<
    Record<string, number | string>
  >)[];
}

export interface FrameBooks {
  readonly in: number;
  readonly out: number;
  readonly cloned: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly injected: number;
}

export interface FaultReport {
  readonly kind: string;
  readonly target: string;
  /** The trigger as the scenario writes it: `{"inFlight": 3000}`. */
  readonly at: Readonly<Record<string, unknown>>;
  /** Milliseconds after the start of the run; null if the trigger never fired. */
  readonly firedAtMs: number | null;
  /** How many times it was done (a fault may repeat). */
  readonly times: number;
  /** Frames whose fate the fault decided. 0 with `expectsEffect` makes the run INVALID. */
  readonly framesTouched: number;
}

/** A worker that the watchdog found locked up. */
export interface LockupReport {
  readonly worker: string;
  readonly cpu: number;
  readonly tid: number;
  /** How long it had been stuck when the run ended. */
  readonly seconds: number;
  /** The function it spun in: `skb_tx_hash`, `bond_select_queue`. */
  readonly where: string;
  /** The kernel's own line. */
  readonly message: string;
  readonly state: {
    readonly device: string;
    readonly kind: string;
    readonly realNumTxQueues: number;
    readonly regState: string;
    readonly queueMapping: number;
    readonly recordedRxQueue: number | null;
    /** The running values of the loop: `hash`, `qcount`. */
    readonly hash: number;
    readonly qcount: number;
    readonly start: boolean;
    readonly carrier: boolean;
    readonly up: boolean;
  };
}

/** Something that happened, for events.jsonl, the bpftrace-style lines and the pictures. */
export interface RunEvent {
  /** Milliseconds since the start of the run, with microsecond digits. */
  readonly atMs: number;
  /** Who: "control", "rxq3", "kworker/8:0", "main", "kernel" (the real one, through netlink). */
  readonly thread: string;
  readonly cpu: number;
  /**
   * "U8 unlist_netdevice", "fault netns-delete", "RTM_DELLINK", "soft lockup" ... A kernel function
   * is named as the kernel names it, anywhere in the text: `remove_queue_kobjects` zeroes the
   * counts, `ovs_dp_detach_port` unpublishes, and the functions of trace-lines.ts become lines of
   * trace.txt.
   */
  readonly what: string;
  readonly device: string | null;
  /**
   * Anything else worth a column: real_num_tx_queues, reg_state (1 or 2), event, pid, tid,
   * skb_addr, addr, microseconds; `function` where `what` does not name it; `ret` true at its
   * return.
   */
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

/** Totals at one moment of the run; one every 50 ms or so. */
export interface Sample {
  readonly atMs: number;
  readonly requestsSent: number;
  readonly requestsOk: number;
  readonly requestsFailed: number;
  readonly inFlight: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly framesDropped: number;
  readonly rssBytes: number;
}

/** What one thread was doing, as a bar of a swim lane. */
export interface LaneSpan {
  readonly lane: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** "idle", "forwarding", "spinning", or a stage: "U5 synchronize_net", "holds ovs_mutex". */
  readonly state: string;
}

export interface RunRecord {
  readonly report: RunReport;
  readonly description: string;
  readonly events: readonly RunEvent[];
  readonly samples: readonly Sample[];
  readonly lanes: readonly LaneSpan[];
  readonly latencyHistogram: readonly { readonly upToMs: number; readonly count: number }[];
  readonly environment: Readonly<Record<string, string | number>>;
  /** The flow table with its counters, as dump-flows prints it. */
  readonly flowDump: string;
  /** Non-empty when the numbers may mislead: "CPU-bound: load average 9 on 2 cores". */
  readonly warnings: readonly string[];
}
