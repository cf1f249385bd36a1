// The loop of a queue worker over scripted queues: what each errno does to it, that a dead device
// costs one look and no more, and that it stops in bounded time whatever the queues say.
import { describe, expect, it } from "vitest";
import { ERRNO } from "../../src/base/errno.js";
import { CPU, CPU_STATE, cpuBlock } from "../../src/sync/index.js";
import { DEV } from "../../src/path/core/netdevice.js";
import { PORT_COUNTER } from "../../src/sync/counters.js";
import { FRAME_BYTES_MAX, VNET_BYTES } from "../../src/worker/frame-pool.js";
import { udp } from "../pipeline/fixtures.js";
import { Rig, withVnet } from "./rig.js";

const FRAME = withVnet(udp());
const frames = (count: number): Uint8Array[] => Array.from({ length: count }, () => FRAME);

function twoPorts(): Rig {
  const rig = new Rig();
  rig.plug(1);
  rig.plug(2);
  return rig;
}

describe("a device that is gone", () => {
  it.each([
    ["EFAULT, then EBADFD", [-ERRNO.EFAULT, -ERRNO.EBADFD]],
    ["EBADFD at once", [-ERRNO.EBADFD]],
    ["EBADF: the descriptor is closed", [-ERRNO.EBADF]],
  ])("costs one look and is never polled again: %s", (_name, answers) => {
    const rig = twoPorts();
    rig.io.script(100, FRAME, ...answers);
    rig.io.idle = -ERRNO.EAGAIN;
    rig.runUntilWaits(50);
    expect(rig.io.readCalls.get(100)).toBe(2);
    expect(rig.io.waits.length).toBe(50);
    for (const polled of rig.io.waits) expect(polled).not.toContain(100);
    expect(rig.counter(1, PORT_COUNTER.rx)).toBe(1);
  });

  it("leaves the other queues of the worker as they were", () => {
    const rig = twoPorts();
    rig.io.script(100, -ERRNO.EFAULT);
    rig.io.script(101, ...frames(40));
    rig.io.script(200, ...frames(3));
    rig.runUntilWaits(3);
    expect(rig.counter(1, PORT_COUNTER.rx)).toBe(40);
    expect(rig.counter(2, PORT_COUNTER.rx)).toBe(3);
    expect(rig.io.waits.at(-1)).toEqual([101, 200, 201]);
  });

  it("is looked at again when its port is plugged in anew", () => {
    const rig = twoPorts();
    rig.io.script(100, -ERRNO.EBADFD);
    let waits = 0;
    rig.io.onWait = (io) => {
      waits++;
      if (waits === 2) {
        const port = rig.table.read().find((one) => one.number === 1)!;
        rig.table.withdraw(1);
        io.script(100, FRAME);
        rig.table.publish(port);
      }
      if (waits === 4) rig.table.requestStop();
    };
    rig.loop.run();
    expect(rig.counter(1, PORT_COUNTER.rx)).toBe(1);
    expect(rig.io.waits[0]).not.toContain(100);
    expect(rig.io.waits.at(-1)).toContain(100);
  });
});

describe("a read that fails otherwise", () => {
  it("EAGAIN ends the burst; the queue stays", () => {
    const rig = twoPorts();
    rig.io.script(100, ...new Array<number>(5).fill(-ERRNO.EAGAIN));
    rig.runUntilWaits(5);
    expect(rig.io.readCalls.get(100)).toBe(5);
    expect(rig.io.waits.at(-1)).toContain(100);
  });

  it("EINTR is no failure, however often it comes", () => {
    const rig = twoPorts();
    rig.io.script(100, ...new Array<number>(25).fill(-ERRNO.EINTR), FRAME);
    rig.runUntilWaits(30);
    expect(rig.counter(1, PORT_COUNTER.rx)).toBe(1);
    expect(rig.io.waits.at(-1)).toContain(100);
  });

  it("an errno that nobody expects is tried ten times and no more", () => {
    const rig = twoPorts();
    rig.io.script(100, ...new Array<number>(100).fill(-ERRNO.EINVAL));
    rig.runUntilWaits(50);
    expect(rig.io.readCalls.get(100)).toBe(10);
    expect(rig.io.waits.at(-1)).not.toContain(100);
  });

  it("a success between failures forgives them", () => {
    const rig = twoPorts();
    const nine = new Array<number>(9).fill(-ERRNO.EINVAL);
    rig.io.script(100, ...nine, FRAME, ...nine, FRAME);
    rig.runUntilWaits(30);
    expect(rig.counter(1, PORT_COUNTER.rx)).toBe(2);
    expect(rig.io.waits.at(-1)).toContain(100);
  });
});

describe("frames that are not what they should be", () => {
  it.each([0, 1, 13])("a runt of %d bytes is dropped by name", (length) => {
    const rig = twoPorts();
    rig.io.script(100, withVnet(new Uint8Array(length)));
    rig.runUntilWaits(2);
    expect(rig.drops(1)).toEqual({ runt: 1 });
    expect(rig.unaccounted(1)).toBe(0);
  });

  it("a read shorter than the vnet header is a runt, not a negative length", () => {
    const rig = twoPorts();
    rig.io.script(100, new Uint8Array(4));
    rig.runUntilWaits(2);
    expect(rig.drops(1)).toEqual({ runt: 1 });
    expect(rig.counter(1, PORT_COUNTER.rxBytes)).toBeGreaterThanOrEqual(0);
  });

  it("a frame that fills the slot to the last byte may be cut off: giant", () => {
    const rig = twoPorts();
    rig.io.script(100, new Uint8Array(VNET_BYTES + FRAME_BYTES_MAX + 5));
    rig.runUntilWaits(2);
    expect(rig.drops(1)).toEqual({ giant: 1 });
  });

  it("a frame of a device that is no port of the switch any more is named rx-unpublished", () => {
    const rig = new Rig();
    const port = rig.plug(1);
    rig.plug(2);
    rig.io.script(100, FRAME);
    Atomics.store(rig.k.m, port.ovsDev + DEV.rxHandler, 0);
    rig.runUntilWaits(2);
    expect(rig.drops(1)).toEqual({ "rx-unpublished": 1 });
    expect(rig.io.written).toEqual([]);
  });
});

describe("turns and ends", () => {
  it("stops within one round of bursts under a flood that never ends", () => {
    const rig = twoPorts();
    const flood = frames(1_000_000 / 10);
    rig.io.script(100, ...flood);
    let reads = 0;
    const read = rig.io.read.bind(rig.io);
    rig.io.read = (queue, offset, lengthMax) => {
      if (++reads === 100) rig.table.requestStop();
      return read(queue, offset, lengthMax);
    };
    rig.loop.run();
    // The burst in progress, and one look at each of the other queues.
    expect(reads).toBeLessThanOrEqual(100 + 32 + 4);
    expect(rig.k.m[cpuBlock(0) + CPU.state]).toBe(CPU_STATE.stopped);
  });

  it("gives every queue its turn: no more than 32 frames of one before the next", () => {
    const rig = twoPorts();
    const order: number[] = [];
    rig.io.script(100, ...frames(100));
    rig.io.script(200, ...frames(100));
    const read = rig.io.read.bind(rig.io);
    rig.io.read = (queue, offset, lengthMax) => {
      order.push(queue);
      return read(queue, offset, lengthMax);
    };
    rig.runUntilWaits(1);
    let run = 0;
    let longest = 0;
    for (const [i, queue] of order.entries()) {
      run = queue === order[i - 1] ? run + 1 : 1;
      longest = Math.max(longest, run);
    }
    expect(longest).toBe(32);
    expect(rig.counter(1, PORT_COUNTER.rx) + rig.counter(2, PORT_COUNTER.rx)).toBe(200);
  });

  it("looks at no queue that has nothing, and seldom twice at one that had one frame", () => {
    const rig = twoPorts();
    rig.io.onWait = (io) => {
      if (io.waits.length === 200) rig.table.requestStop();
      else io.script(100, FRAME);
    };
    rig.loop.run();
    expect(rig.counter(1, PORT_COUNTER.rx)).toBe(199);
    // Four bursts of one frame, then one that would have read more: a fifth of the reads is idle.
    expect(rig.io.readCalls.get(100)).toBeLessThanOrEqual(1 + 199 + 199 / 5);
    // Once, before anybody could know.
    for (const idle of [101, 200, 201]) expect(rig.io.readCalls.get(idle)).toBe(1);
  });

  it("lets the datapath tidy up while nothing comes", () => {
    const rig = twoPorts();
    let looks = 0;
    rig.datapath.beginBurst = () => looks++;
    rig.runUntilWaits(5);
    expect(looks).toBeGreaterThanOrEqual(5);
  });

  it("is outside of every read section when it sleeps and when it has ended", () => {
    const rig = twoPorts();
    rig.io.script(100, ...frames(5), -ERRNO.EFAULT);
    const sequences: number[] = [];
    rig.io.onWait = (io) => {
      sequences.push(rig.k.m[cpuBlock(0) + CPU.rcuSequence]! & 1);
      if (io.waits.length === 3) rig.table.requestStop();
    };
    rig.loop.run();
    expect(sequences).toEqual([0, 0, 0]);
    expect(rig.k.m[cpuBlock(0) + CPU.rcuSequence]! & 1).toBe(0);
  });

  it("shows life in every round, and says that it sleeps", () => {
    const rig = twoPorts();
    const seen: number[][] = [];
    rig.io.onWait = (io) => {
      const block = cpuBlock(0);
      seen.push([rig.k.m[block + CPU.heartbeat]!, rig.k.m[block + CPU.state]!]);
      if (io.waits.length === 3) rig.table.requestStop();
    };
    rig.loop.run();
    expect(seen.map(([, state]) => state)).toEqual(new Array(3).fill(CPU_STATE.idle));
    expect(new Set(seen.map(([heartbeat]) => heartbeat)).size).toBe(3);
  });

  it("stands still for a stall that was asked for, once", () => {
    const rig = twoPorts();
    rig.table.requestStall(0, 30);
    const states: number[] = [];
    const block = cpuBlock(0);
    const begin = process.hrtime.bigint();
    rig.io.onWait = (io) => {
      states.push(rig.k.m[block + CPU.state]!);
      if (io.waits.length === 2) rig.table.requestStop();
    };
    rig.loop.run();
    const ms = Number(process.hrtime.bigint() - begin) / 1e6;
    expect(ms).toBeGreaterThanOrEqual(29);
    expect(rig.table.takeStall(0)).toBe(0);
    expect(states).toEqual([CPU_STATE.idle, CPU_STATE.idle]);
  });

  it("serves queues k, k + W, k + 2W of a port and leaves the others alone", () => {
    const rig = new Rig({ queues: 5, workers: 2 });
    rig.plug(1);
    rig.runUntilWaits(1);
    expect(rig.io.waits[0]).toEqual([100, 102, 104]);
  });
});
