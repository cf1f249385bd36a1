// From the threads' event rings to the story of a run: events in the order of time, the windows
// between "count zeroed" and "unpublished", and the stages of unregistration as bars. Main thread.
import { nowNs } from "../../base/clock.js";
import type { LinkEvent } from "../../host/types.js";
import { deviceIndex, type Kernel } from "../../path/kernel.js";
import { EVENT, EVENT_NAMES, EVENT_TEXTS, type EventName } from "../../path/trace-events.js";
import type { LaneSpan, RunEvent, RunReport } from "../../report/types.js";
import type { TraceRecord } from "../../sync/events.js";
import { type Addr, NULL } from "../../sync/memory.js";
import type { Thread } from "../../worker/supervisor.js";

/** A thread, as far as its trace is concerned. */
export type TracedThread = Pick<Thread, "name" | "events">;

interface Raw extends TraceRecord {
  readonly thread: string;
}

/** One unregistered port, as the report gives it. */
export type Window = RunReport["windows"][number];

/** Functions that the bpftrace probes name, for events whose text says more than that. */
const FUNCTION: Partial<Record<EventName, string>> = {
  kobjects: "netdev_unregister_kobject",
  zeroRx: "-",
  zeroTx: "-",
  grace2: "-",
  grace4: "-",
  expedited: "synchronize_rcu_expedited",
  handlerUnregistered: "netdev_rx_handler_unregister",
  gracePeriodEnds: "-",
};

export class Timeline {
  private readonly k: Kernel;
  private readonly startNs: number;
  private readonly raw: Raw[] = [];
  private readonly positions = new Map<TracedThread, number>();
  private readonly extra: RunEvent[] = [];
  /** Name of the port or device at a device index, by the event that introduced it. */
  private readonly names = new Map<number, string>();
  private readonly portNames: ReadonlyMap<number, string>;
  private lostRecords = 0;

  constructor(k: Kernel, portNames: ReadonlyMap<number, string>) {
    this.k = k;
    this.portNames = portNames;
    this.startNs = nowNs();
  }

  /** Milliseconds since the start, of a monotonic stamp (default: now). */
  msOf(atNs = nowNs()): number {
    return Math.round((atNs - this.startNs) / 1e3) / 1e3;
  }

  /** Takes what the threads have written since the last call. */
  drain(threads: readonly TracedThread[]): void {
    for (const thread of threads) {
      const { records, next, lost } = thread.events.read(this.positions.get(thread) ?? 0);
      this.positions.set(thread, next);
      this.lostRecords += lost;
      for (const record of records) this.raw.push({ ...record, thread: thread.name });
    }
  }

  /** Says what the emulated device at an index is called from now on. */
  nameDevice(index: number, name: string): void {
    this.names.set(index, name);
  }

  /** Something that is not of the path: a fault, a real link event, a lockup. */
  note(event: Omit<RunEvent, "atMs"> & { atNs?: number }): void {
    const { atNs, ...rest } = event;
    this.extra.push({ atMs: this.msOf(atNs), ...rest });
  }

  noteLink(event: LinkEvent, port: string | null, ours: boolean): void {
    const message = event.kind === "deleted" ? "RTM_DELLINK" : "RTM_NEWLINK";
    const { namespace, name, ifindex, up, carrier } = event;
    this.note({
      atNs: event.atNs,
      thread: "kernel",
      cpu: -1,
      what: ours ? message : `${message} by an outsider`,
      device: port,
      fields: { namespace, name, ifindex, up, carrier },
    });
  }

  private sorted(): Raw[] {
    return this.raw.sort((a, b) => a.atNs - b.atNs);
  }

  /** What the device at an address is called. */
  deviceNameAt(dev: Addr): string {
    const index = deviceIndex(this.k, dev);
    return this.names.get(index) ?? `device${index}`;
  }

  private deviceName(record: Raw): string | null {
    return record.device === NULL ? null : this.deviceNameAt(record.device);
  }

  /** All events, oldest first. `tids`: thread ids by thread name. */
  events(tids: ReadonlyMap<string, number>): RunEvent[] {
    const events = [...this.extra];
    for (const record of this.sorted()) events.push(...this.runEvents(record, tids));
    return events.sort((a, b) => a.atMs - b.atMs);
  }

  private runEvents(record: Raw, tids: ReadonlyMap<string, number>): RunEvent[] {
    const name = EVENT_NAMES[record.event]!;
    const named = FUNCTION[name];
    const fields: Record<string, string | number | boolean | null> = {
      real_num_tx_queues: record.realNumTxQueues,
      reg_state: record.regState,
      pid: process.pid,
      tid: tids.get(record.thread) ?? 0,
      a: record.a,
      b: record.b,
    };
    if (named !== undefined) fields["function"] = named;
    if (name === "notifier") fields["event"] = record.a;
    if (name === "handlerUnregistered") fields["ret"] = true;
    if (name === "expedited") fields["expedited"] = record.a === 1;
    const base = {
      atMs: this.msOf(record.atNs),
      thread: record.thread,
      cpu: record.cpu,
      device: this.deviceName(record),
    };
    if (name !== "brokenDevice") return [{ ...base, what: EVENT_TEXTS[name], fields }];
    // The probes of a transmit that never ends, in the order the packet hits them.
    const skb = { ...fields, skb_addr: `qm${record.a}`, addr: record.device };
    const probes = ["ovs_vport_send", "__dev_queue_xmit", "netdev_core_pick_tx", "broken device"];
    return probes.map((what) => ({ ...base, what, fields: skb }));
  }

  /** From "count zeroed" to "unpublished", per device that was a port when its count went to 0. */
  windows(): Window[] {
    const ports = new Map<number, number>();
    const open = new Map<number, { -readonly [key in keyof Window]: Window[key] }>();
    const windows: Window[] = [];
    for (const record of this.sorted()) {
      if (record.event === EVENT.vportAdd) ports.set(record.device, record.a);
      else if (record.event === EVENT.detachPort) {
        this.closeWindow(open.get(record.device), record);
        open.delete(record.device);
        ports.delete(record.device);
      } else if (record.event === EVENT.zeroTx && ports.has(record.device)) {
        const port = ports.get(record.device)!;
        const device = this.portNames.get(port) ?? `port${port}`;
        const zeroedAtMs = this.msOf(record.atNs);
        const window = { device, port, microseconds: null, picksInWindow: 0, zeroedAtMs };
        open.set(record.device, window);
        windows.push(window);
      } else if (record.event === EVENT.brokenDevice || record.event === EVENT.pickAtZero) {
        const window = open.get(record.device);
        if (window !== undefined) window.picksInWindow++;
      }
    }
    return windows;
  }

  private closeWindow(
    window: { -readonly [key in keyof Window]: Window[key] } | undefined,
    record: Raw,
  ): void {
    if (window === undefined) return;
    const atMs = this.msOf(record.atNs);
    window.unpublishedAtMs = atMs;
    window.microseconds = Math.round((atMs - (window.zeroedAtMs ?? atMs)) * 1000);
  }

  /** The stages that the control thread and the kernel threads went through, as bars. */
  lanes(endMs: number): LaneSpan[] {
    const spans: LaneSpan[] = [];
    const last = new Map<string, Raw>();
    for (const record of this.sorted()) {
      if (record.thread.startsWith("rxq")) continue;
      const before = last.get(record.thread);
      if (before !== undefined) this.addSpan(spans, before, this.msOf(record.atNs));
      last.set(record.thread, record);
    }
    for (const record of last.values()) this.addSpan(spans, record, endMs);
    return spans;
  }

  private addSpan(spans: LaneSpan[], record: Raw, toMs: number): void {
    const name = EVENT_NAMES[record.event]!;
    // After these the thread is done and waits for its next job.
    if (ENDS_A_JOB.has(name)) return;
    const fromMs = this.msOf(record.atNs);
    spans.push({ lane: record.thread, fromMs, toMs, state: EVENT_TEXTS[name] });
  }

  /** The last thing a thread said, for a thread that does not come back. */
  lastStepOf(thread: string): string {
    const records = this.sorted().filter((record) => record.thread === thread);
    const last = records.at(-1);
    if (last === undefined) return "nothing yet";
    const device = this.deviceName(last);
    return EVENT_TEXTS[EVENT_NAMES[last.event]!] + (device === null ? "" : ` ${device}`);
  }

  /** When each hung packet's selection began, by worker name. */
  hangs(): Map<string, number> {
    const hangs = new Map<string, number>();
    for (const record of this.sorted()) {
      if (record.event === EVENT.brokenDevice) hangs.set(record.thread, this.msOf(record.atNs));
    }
    return hangs;
  }

  /** Records that were overwritten before the main thread read them. */
  lost(): number {
    return this.lostRecords;
  }
}

const ENDS_A_JOB = new Set<EventName>([
  "rtnlUnlock",
  "freeNetdev",
  "ovsMutexFree",
  "vportFree",
  "vportAdd",
  "carrierOn",
  "linkwatch",
]);
