// The MAC table and the port table in shared memory, from one thread and from several.
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { workerEntry } from "../../src/base/entry.js";
import { eventually } from "../../src/base/eventually.js";
import { Random } from "../../src/base/random.js";
import { LEARNED, MAC_COUNTER, MacTable } from "../../src/pipeline/mac-table.js";
import { PortTable } from "../../src/pipeline/ports.js";

const at = (nowSeconds: number, generation = 1) => ({ generation, nowSeconds });

/** Of the port with most entries (the lowest of several), the least recently used. */
function victimOf(model: ReadonlyMap<string, { port: number }>): string {
  const counts = new Map<number, number>();
  for (const { port } of model.values()) counts.set(port, (counts.get(port) ?? 0) + 1);
  const [most] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]!;
  return [...model].find(([, { port }]) => port === most)![0];
}

describe("the MAC table", () => {
  it("finds what it learned, by MAC and VLAN, in every thread that has the buffer", () => {
    const table = MacTable.create(64);
    expect(table.learn(0xaabbccdd, 0xeeff, 5, 65534, at(10, 0x7fff))).toBe(LEARNED.fresh);
    const other = new MacTable(table.buffer);
    expect(other.lookup(0xaabbccdd, 0xeeff, 5, 10)).toBe(65534 * 65536 + 0x7fff);
    expect(other.lookup(0xaabbccdd, 0xeeff, 6, 10)).toBe(0);
    expect(other.lookup(0xaabbccdd, 0xeefe, 5, 10)).toBe(0);
    expect(other.entries(12)).toEqual([
      {
        port: 65534,
        generation: 0x7fff,
        vlan: 5,
        mac: "aa:bb:cc:dd:ee:ff",
        ageSeconds: 2,
        isStatic: false,
      },
    ]);
  });

  it("bumps the revision when an answer changes, and only then", () => {
    const table = MacTable.create(64);
    const before = table.revision();
    table.learn(1, 1, 0, 1, at(10));
    expect(table.revision()).toBe(before + 1);
    expect(table.learn(1, 1, 0, 1, at(11))).toBe(LEARNED.known);
    expect(table.revision()).toBe(before + 1);
    expect(table.learn(1, 1, 0, 2, at(11))).toBe(LEARNED.moved);
    expect(table.revision()).toBe(before + 2);
    expect(table.learn(1, 1, 0, 2, at(11, 2))).toBe(LEARNED.moved);
    expect(table.revision()).toBe(before + 3);
    table.flush();
    expect(table.lookup(1, 1, 0, 11)).toBe(0);
    expect(table.revision()).toBe(before + 4);
  });

  it("ages entries, and use keeps them young", () => {
    const table = MacTable.create(64, 300);
    table.learn(1, 1, 0, 1, at(0));
    expect(table.lookup(1, 1, 0, 299)).not.toBe(0);
    expect(table.lookup(1, 1, 0, 300)).toBe(0);
    table.learn(1, 1, 0, 1, at(250));
    expect(table.lookup(1, 1, 0, 549)).not.toBe(0);
    expect(table.entries(550)).toEqual([]);
    expect(table.learn(1, 1, 0, 1, at(600))).toBe(LEARNED.fresh);
    expect(table.counter(MAC_COUNTER.expired)).toBe(1);
  });

  it("when full, the port with most entries loses its least recently used one", () => {
    const table = MacTable.create(10);
    table.learn(1, 0, 0, 1, at(0));
    for (let i = 0; i < 9; i++) table.learn(2, i, 0, 2, at(10));
    // Used again, hence no longer the oldest, although in the same second as others.
    table.learn(2, 0, 0, 2, at(11));
    // Port 2 floods on: it displaces its own, oldest first, and never the one entry of port 1.
    table.learn(2, 100, 0, 2, at(20));
    expect([0, 1, 2].map((low) => table.lookup(2, low, 0, 20) !== 0)).toEqual([true, false, true]);
    for (let i = 101; i < 200; i++) table.learn(2, i, 0, 2, at(20));
    expect(table.lookup(1, 0, 0, 20)).not.toBe(0);
    expect(table.entries(20)).toHaveLength(10);
    expect(table.counter(MAC_COUNTER.evicted)).toBe(100);
    expect(table.entries(20).map((entry) => entry.mac.slice(-2))).toEqual([
      "00",
      ...Array.from({ length: 9 }, (_, i) => (0xbf + i).toString(16)),
    ]);
  });

  it("clamps capacity to 10 to 1,000,000 and ageing to 15 to 3600 seconds", () => {
    expect(MacTable.create(0).maxEntries).toBe(10);
    expect(MacTable.create(2_000_000).maxEntries).toBe(1_000_000);
    expect(MacTable.create().maxEntries).toBe(8192);
    expect([0, 14, 15, 3600, 9999].map((s) => MacTable.create(64, s).agingSeconds)).toEqual([
      15, 15, 15, 3600, 3600,
    ]);
  });

  it("an entry added by hand neither moves nor ages, and outlives a flush", () => {
    const table = MacTable.create(64);
    table.learn(1, 1, 0, 1, { ...at(0), isStatic: true });
    expect(table.learn(1, 1, 0, 2, at(10))).toBe(LEARNED.known);
    expect(table.lookup(1, 1, 0, 100_000) >>> 16).toBe(1);
    table.learn(1, 2, 0, 1, at(0));
    table.flush();
    expect([table.size, table.staticEntries]).toEqual([1, 1]);
    expect(table.entries(7)[0]!.isStatic).toBe(true);
    expect(table.remove(1, 1, 0)).toBe(true);
    expect([table.size, table.staticEntries]).toEqual([0, 0]);
    expect(table.remove(1, 1, 0)).toBe(false);
  });

  it("a deleted port's entries go, and are named for the other switches", () => {
    const table = MacTable.create(64);
    table.learn(0x02000000, 7, 5, 1, at(0));
    table.learn(0x02000000, 8, 6, 2, at(0));
    expect(table.flushPort(1)).toEqual([{ high: 0x02000000, low: 7, vlan: 5 }]);
    expect(table.entries(0).map((entry) => entry.port)).toEqual([2]);
  });

  it("sweeps what is too old, and counts it", () => {
    const table = MacTable.create(64, 15);
    for (let i = 0; i < 5; i++) table.learn(1, i, 0, 1, at(i));
    table.expire(17);
    expect([table.size, table.counter(MAC_COUNTER.expired)]).toEqual([2, 3]);
  });

  it("random learning: the lists and chains stay whole (against a plain map)", () => {
    const random = new Random(4711);
    const table = MacTable.create(50, 100);
    const model = new Map<string, { port: number; used: number }>();
    for (let step = 0; step < 20_000; step++) {
      const now = Math.floor(step / 50);
      const [low, port] = [random.below(120), 1 + random.below(5)];
      const key = `${low}`;
      for (const [id, entry] of model) if (now - entry.used >= 100) model.delete(id);
      table.expire(now);
      if (random.below(50) === 0) {
        expect(table.remove(9, low, 1)).toBe(model.delete(key));
      } else if (random.below(500) === 0) {
        for (const [id, entry] of model) if (entry.port === port) model.delete(id);
        table.flushPort(port);
      } else {
        const known = model.get(key);
        if (known === undefined && model.size === 50) model.delete(victimOf(model));
        if (known?.port !== port || known.used !== now) model.delete(key);
        if (!model.has(key)) model.set(key, { port, used: now });
        table.learn(9, low, 1, port, at(now));
      }
      expect(table.size).toBe(model.size);
    }
    const left = table.entries(400).map((entry) => [entry.mac.slice(-2), entry.port]);
    const wanted = [...model].map(([id, { port }]) => [(+id).toString(16).padStart(2, "0"), port]);
    expect(left).toEqual(wanted);
  });

  it("a chain that somebody holds costs a miss, not a hang and not a wrong port", () => {
    const table = MacTable.create(10);
    table.learn(1, 1, 0, 1, at(0));
    const words = new Int32Array(table.buffer);
    // The sequence word of every chain, made odd as by a writer that was stopped there.
    for (let chain = 0; chain < 16; chain++) Atomics.add(words, 32 + 2 * chain, 1);
    expect(table.lookup(1, 1, 0, 0)).toBe(0);
    for (let chain = 0; chain < 16; chain++) Atomics.add(words, 32 + 2 * chain, 1);
    expect(table.lookup(1, 1, 0, 0)).not.toBe(0);
    // The lock, held by a writer that was stopped in it.
    Atomics.store(words, 8, 1);
    expect(table.learn(1, 2, 0, 1, at(0))).toBe(LEARNED.skipped);
    expect(table.counter(MAC_COUNTER.contended)).toBe(1);
    expect(table.lookup(1, 1, 0, 0)).not.toBe(0);
  });

  it("an entry replaced between any two loads of a lookup is read again, never mixed", () => {
    const load = Atomics.load.bind(Atomics);
    for (let step = 1; step <= 40; step++) {
      const table = MacTable.create(10);
      table.learn(1, 1, 0, 1, at(0));
      let loads = 0;
      const spy = vi.spyOn(Atomics, "load").mockImplementation((...args) => {
        if (++loads === step) {
          // Another worker fills the table: the entry now belongs to another MAC and port.
          for (let i = 0; i < 10; i++) table.learn(2, i, 0, 2, at(1000));
        }
        return load(...(args as Parameters<typeof load>));
      });
      const place = table.lookup(1, 1, 0, 0);
      spy.mockRestore();
      expect([0, 65536 + 1]).toContain(place);
    }
  });

  it("concurrent learners in one bucket: a reader never sees the port of another MAC", async () => {
    const table = MacTable.create(10);
    const control = new Int32Array(new SharedArrayBuffer(8));
    const url = workerEntry("../../src/pipeline/mac-table.js", import.meta.url).href;
    const code = `
      const { workerData } = require("node:worker_threads");
      import(${JSON.stringify(url)}).then(({ MacTable }) => {
        const table = new MacTable(workerData.buffer);
        const control = workerData.control;
        for (let i = workerData.first; Atomics.load(control, 0) === 0; i = (i + 7) % 61) {
          const n = i + 1;
          table.learn(n, n, 0, n, { generation: n, nowSeconds: 1 });
          Atomics.add(control, 1, 1);
        }
      });`;
    const workers = [0, 1].map(
      (first) =>
        new Worker(code, { eval: true, workerData: { buffer: table.buffer, control, first } }),
    );
    try {
      await eventually("learners to run", () => Atomics.load(control, 1) > 100, {
        timeoutMs: 60_000,
      });
      let found = 0;
      const wrong: number[] = [];
      const before = Atomics.load(control, 1);
      for (let i = 0; i < 300_000 || (found === 0 && i < 30_000_000); i++) {
        const n = (i % 61) + 1;
        const place = table.lookup(n, n, 0, 1);
        if (place === 0) continue;
        found++;
        if (place !== n * 65536 + n) wrong.push(n);
      }
      expect(wrong).toEqual([]);
      expect(found).toBeGreaterThan(0);
      expect(Atomics.load(control, 1)).toBeGreaterThan(before);
    } finally {
      Atomics.store(control, 0, 1);
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });
});

describe("the port table", () => {
  it("gives every port that is added a generation of its own", () => {
    const ports = PortTable.create(4);
    ports.add(1);
    const first = ports.generationOf(1);
    ports.add(2);
    ports.remove(1);
    expect(ports.generationOf(1)).toBe(0);
    ports.add(1);
    const generations = [first, ports.generationOf(1), ports.generationOf(2)];
    expect(new Set(generations).size).toBe(3);
    expect(generations).not.toContain(0);
  });

  it("bumps the revision with every change and shares it", () => {
    const ports = PortTable.create();
    const other = new PortTable(ports.buffer);
    const before = other.revision();
    ports.add(7);
    expect(ports.remove(9)).toBe(false);
    expect(other.revision()).toBe(before + 1);
    expect(other.list()).toEqual([7]);
    other.remove(7);
    expect(ports.list()).toEqual([]);
  });

  it("names the port that does not fit", () => {
    const ports = PortTable.create(1);
    ports.add(1);
    expect(() => ports.add(2)).toThrow("port 2: all 1 port records are taken");
  });
});
