// From trace records to the story: the window between "count zeroed" and "unpublished", packets
// that picked in it, events in the order of time, bars; and the worker's bars around a hang.
import { describe, expect, it } from "vitest";
import { builtInGuard } from "../../src/path/guards.js";
import { createKernel, deviceAt, type Kernel, kernelBytes } from "../../src/path/kernel.js";
import { findProfile } from "../../src/path/profiles.js";
import { EVENT, type EventName } from "../../src/path/trace-events.js";
import { Timeline, type TracedThread } from "../../src/scenario/record/timeline.js";
import { WorkerLanes } from "../../src/scenario/record/worker-lanes.js";
import { EventRing, EVENT_RING_BYTES } from "../../src/sync/events.js";
import { CPU, CPU_STATE, cpuBlock } from "../../src/sync/memory.js";
import { TRACED_WORDS } from "../../src/worker/shared.js";

const CONFIG = { cpus: 4, devices: 4, queues: 2, ports: 4, socks: 0, seed: 1 };

class Story {
  readonly k: Kernel;
  readonly timeline: Timeline;
  private readonly rings = new Map<string, TracedThread>();

  constructor() {
    const m = new Int32Array(new SharedArrayBuffer(kernelBytes(CONFIG)));
    this.k = createKernel(m, CONFIG, findProfile("6.1")!, builtInGuard("none"));
    this.timeline = new Timeline(this.k, new Map([[2, "server"]]));
  }

  tell(thread: string, event: EventName, device = 0, a = 0): this {
    let traced = this.rings.get(thread);
    if (traced === undefined) {
      const ring = new EventRing(new SharedArrayBuffer(EVENT_RING_BYTES), TRACED_WORDS);
      traced = { name: thread, events: ring };
      this.rings.set(thread, traced);
    }
    traced.events.write(this.k.m, EVENT[event], deviceAt(this.k, device), a, 0, 0);
    return this;
  }

  drained(): Timeline {
    this.timeline.drain([...this.rings.values()]);
    return this.timeline;
  }
}

describe("the window", () => {
  it("opens when a port's count is zeroed and closes when the port is unpublished", () => {
    const story = new Story().tell("control", "vportAdd", 0, 2).tell("control", "zeroTx");
    const windows = story.tell("kworker/4:0", "detachPort").drained().windows();
    expect(windows).toHaveLength(1);
    const { device, port, microseconds, picksInWindow } = windows[0]!;
    expect([device, port, picksInWindow]).toEqual(["server", 2, 0]);
    expect(microseconds).toBeGreaterThanOrEqual(0);
    expect(windows[0]!.unpublishedAtMs).toBeGreaterThanOrEqual(windows[0]!.zeroedAtMs!);
  });

  it("counts the packets that picked a queue while it was open, and no others", () => {
    const story = new Story().tell("control", "vportAdd", 0, 2);
    story.tell("rxq0", "pickAtZero").tell("control", "zeroTx");
    story.tell("rxq0", "pickAtZero").tell("rxq1", "brokenDevice");
    story.tell("kworker/4:0", "detachPort").tell("rxq0", "pickAtZero");
    expect(story.drained().windows()[0]!.picksInWindow).toBe(2);
  });

  it("stays open (null) when the port was never unpublished", () => {
    const story = new Story().tell("control", "vportAdd", 0, 2).tell("control", "zeroTx");
    expect(story.drained().windows()[0]!.microseconds).toBeNull();
  });

  it("is none for a device that was unpublished first: the order of del-port", () => {
    const story = new Story().tell("control", "vportAdd", 0, 2);
    story.tell("control", "detachPort").tell("control", "zeroTx");
    expect(story.drained().windows()).toEqual([]);
  });

  it("is none for a device that was no port: a veth's far end", () => {
    const story = new Story().tell("control", "vportAdd", 0, 2).tell("control", "zeroTx", 1);
    expect(story.drained().windows()).toEqual([]);
  });

  it("opens anew for each strike, though the structure is the same", () => {
    const story = new Story();
    for (let i = 0; i < 3; i++) {
      story.tell("control", "vportAdd", 0, 2).tell("control", "zeroTx");
      story.tell("kworker/4:0", "detachPort");
    }
    expect(story.drained().windows()).toHaveLength(3);
  });
});

describe("events", () => {
  it("come in the order of time, whichever thread wrote them and whenever they were read", () => {
    const story = new Story().tell("control", "rtnlHeld");
    story.drained();
    story.tell("rxq0", "pickAtZero").tell("control", "dismantle").tell("rxq1", "pickAtZero");
    const events = story.drained().events(new Map());
    expect(events.map(({ thread }) => thread)).toEqual(["control", "rxq0", "control", "rxq1"]);
    const times = events.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("a hang is told as the probes would see it, and remembered by worker", () => {
    const story = new Story().tell("rxq1", "brokenDevice", 0, 5);
    story.timeline.nameDevice(0, "server");
    const timeline = story.drained();
    const events = timeline.events(new Map([["rxq1", 4711]]));
    expect(events.map(({ what }) => what)).toEqual([
      "ovs_vport_send",
      "__dev_queue_xmit",
      "netdev_core_pick_tx",
      "broken device",
    ]);
    expect(events[0]!.device).toBe("server");
    expect(events[0]!.fields).toMatchObject({ tid: 4711, real_num_tx_queues: 0 });
    expect([...timeline.hangs().keys()]).toEqual(["rxq1"]);
  });

  it("an outsider's RTM_DELLINK is told from our own", () => {
    const { timeline } = new Story();
    const link = { atNs: 0, namespace: "server", name: "eth0", ifindex: 2, up: false };
    const event = { ...link, kind: "deleted" as const, carrier: false };
    timeline.noteLink(event, "server", true);
    timeline.noteLink(event, "server", false);
    const whats = timeline.events(new Map()).map(({ what }) => what);
    expect(whats).toEqual(["RTM_DELLINK", "RTM_DELLINK by an outsider"]);
  });

  it("records that were overwritten before they were read are counted", () => {
    const story = new Story();
    for (let i = 0; i < 5000; i++) story.tell("rxq0", "pickAtZero");
    // The oldest slot may be written to while it is read, so the reader does not trust it.
    const lost = story.drained().lost();
    expect([5000 - 4096, 5000 - 4096 + 1]).toContain(lost);
  });
});

describe("bars", () => {
  it("last from one event of a thread to its next; after the end of a job there is none", () => {
    const story = new Story().tell("control", "rtnlHeld").tell("control", "dismantle");
    story.tell("control", "rtnlUnlock");
    const states = story
      .drained()
      .lanes(1e9)
      .map(({ lane, state }) => `${lane} ${state}`);
    expect(states).toEqual(["control rtnl_lock", "control U1 dismantle"]);
  });

  it("a worker that hangs spins from the moment it picked, whatever was sampled later", () => {
    const m = new Int32Array(new SharedArrayBuffer(4 * 1024));
    const lanes = new WorkerLanes(m, 2);
    for (const worker of [0, 1]) m[cpuBlock(worker) + CPU.state] = CPU_STATE.forwarding;
    lanes.look(20);
    lanes.look(500);
    const spans = lanes.finish(1000, new Map([["rxq1", 300]]));
    expect(spans).toEqual([
      { lane: "rxq0", fromMs: 20, toMs: 1000, state: "forwarding" },
      { lane: "rxq1", fromMs: 20, toMs: 300, state: "forwarding" },
      { lane: "rxq1", fromMs: 300, toMs: 1000, state: "spinning" },
    ]);
  });
});
