// The MAC table and the port table in shared memory, from one thread and from several.
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { workerEntry } from "../../src/base/entry.js";
import { eventually } from "../../src/base/eventually.js";
import { LEARNED, MAC_COUNTER, MacTable } from "../../src/pipeline/mac-table.js";
import { PortTable } from "../../src/pipeline/ports.js";

const at = (nowSeconds: number, generation = 1) => ({ generation, nowSeconds });

describe("the MAC table", () => {
  it("finds what it learned, by MAC and VLAN, in every thread that has the buffer", () => {
    const table = MacTable.create(64);
    expect(table.learn(0xaabbccdd, 0xeeff, 5, 65534, at(10, 0x7fff))).toBe(LEARNED.fresh);
    const other = new MacTable(table.buffer);
    expect(other.lookup(0xaabbccdd, 0xeeff, 5, 10)).toBe(65534 * 65536 + 0x7fff);
    expect(other.lookup(0xaabbccdd, 0xeeff, 6, 10)).toBe(0);
    expect(other.lookup(0xaabbccdd, 0xeefe, 5, 10)).toBe(0);
    expect(other.entries(12)).toEqual([
      { port: 65534, generation: 0x7fff, vlan: 5, mac: "aa:bb:cc:dd:ee:ff", ageSeconds: 2 },
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
    const table = MacTable.create(8);
    table.learn(1, 0, 0, 1, at(0));
    for (let i = 0; i < 7; i++) table.learn(2, i, 0, 2, at(10 + ((i + 3) % 7)));
    // Port 2 floods on: it displaces its own, oldest first, and never the one entry of port 1.
    table.learn(2, 100, 0, 2, at(20));
    expect(table.lookup(2, 4, 0, 20)).toBe(0);
    for (let i = 101; i < 200; i++) table.learn(2, i, 0, 2, at(20));
    expect(table.lookup(1, 0, 0, 20)).not.toBe(0);
    expect(table.entries(20)).toHaveLength(8);
    expect(table.counter(MAC_COUNTER.evicted)).toBe(100);
  });

  it("a bucket that somebody holds costs a miss, not a hang and not a wrong port", () => {
    const table = MacTable.create(8);
    table.learn(1, 1, 0, 1, at(0));
    const words = new Int32Array(table.buffer);
    // The only bucket's sequence word, made odd as by a writer that was stopped there.
    Atomics.add(words, 32, 1);
    expect(table.lookup(1, 1, 0, 0)).toBe(0);
    expect(table.learn(1, 2, 0, 1, at(0))).toBe(LEARNED.skipped);
    expect(table.counter(MAC_COUNTER.contended)).toBe(1);
    Atomics.add(words, 32, 1);
    expect(table.lookup(1, 1, 0, 0)).not.toBe(0);
  });

  it("an entry replaced between any two loads of a lookup is read again, never mixed", () => {
    const load = Atomics.load.bind(Atomics);
    for (let step = 1; step <= 40; step++) {
      const table = MacTable.create(8);
      table.learn(1, 1, 0, 1, at(0));
      let loads = 0;
      const spy = vi.spyOn(Atomics, "load").mockImplementation((...args) => {
        if (++loads === step) {
          // Another worker fills the bucket: the entry now belongs to another MAC and port.
          for (let i = 0; i < 8; i++) table.learn(2, i, 0, 2, at(1000));
        }
        return load(...(args as Parameters<typeof load>));
      });
      const place = table.lookup(1, 1, 0, 0);
      spy.mockRestore();
      expect([0, 65536 + 1]).toContain(place);
    }
  });

  it("concurrent learners in one bucket: a reader never sees the port of another MAC", async () => {
    const table = MacTable.create(8);
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
        timeoutMs: 20_000,
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
