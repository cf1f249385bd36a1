// The queue table: when a handle may be closed. A handle closed too early is another file's a
// moment later, and the frames of a port would go there.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PortEntry, QueueTable } from "../../src/sync/queue-table.js";

const entry = (number: number, handles: number[]): PortEntry => ({
  number,
  kind: 0,
  ovsDev: 1000 + number,
  wireDev: 2000 + number,
  vnetHeaderBytes: 12,
  handles,
});

describe("what workers see", () => {
  it("ports that are published, whole, and none that is withdrawn", () => {
    const table = new QueueTable(2, 4);
    table.publish(entry(1, [7, 8]));
    table.publish(entry(3, []));
    const other = new QueueTable(2, 4, table.shared);
    expect(other.read()).toEqual([entry(1, [7, 8]), entry(3, [])]);
    table.withdraw(1);
    expect(other.read()).toEqual([entry(3, [])]);
  });

  it("every change moves the generation", () => {
    const table = new QueueTable(1, 4);
    const seen = [table.generation()];
    table.publish(entry(1, [7]));
    seen.push(table.generation());
    expect(table.withdraw(1)).toBe(table.generation());
    seen.push(table.generation());
    expect(new Set(seen).size).toBe(3);
  });
});

describe("when a handle may be closed", () => {
  it("only after every worker has taken over a table without it", () => {
    const table = new QueueTable(3, 4);
    table.publish(entry(1, [7]));
    const withdrawn = table.withdraw(1);
    expect(table.isSettled(withdrawn)).toBe(false);
    table.acknowledge(0, withdrawn);
    table.acknowledge(1, withdrawn);
    expect(table.isSettled(withdrawn)).toBe(false);
    table.acknowledge(2, withdrawn - 1);
    expect(table.isSettled(withdrawn)).toBe(false);
    table.acknowledge(2, withdrawn + 1);
    expect(table.isSettled(withdrawn)).toBe(true);
  });

  it("a lost worker is not waited for, but it is known that there is one", () => {
    const table = new QueueTable(2, 4);
    const withdrawn = table.withdraw(1);
    table.acknowledge(0, withdrawn);
    expect(table.isSettled(withdrawn)).toBe(false);
    table.markLost(1);
    expect(table.isSettled(withdrawn)).toBe(true);
    expect(table.anyLost()).toBe(true);
  });

  it("in any order of changes and acknowledgments, no living worker holds a closed handle", () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant("publish" as const), port: fc.nat(2) }),
        fc.record({ do: fc.constant("withdraw" as const), port: fc.nat(2) }),
        fc.record({ do: fc.constant("look" as const), worker: fc.nat(2) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const table = new QueueTable(3, 3);
        const holds: Set<number>[] = [new Set(), new Set(), new Set()];
        const retired: { handle: number; at: number }[] = [];
        const live = new Map<number, number>();
        let nextHandle = 1;
        for (const step of list) {
          if (step.do === "publish" && !live.has(step.port)) {
            live.set(step.port, nextHandle);
            table.publish(entry(step.port, [nextHandle++]));
          } else if (step.do === "withdraw" && live.has(step.port)) {
            retired.push({ handle: live.get(step.port)!, at: table.withdraw(step.port) });
            live.delete(step.port);
          } else if (step.do === "look") {
            const generation = table.generation();
            holds[step.worker] = new Set(table.read().flatMap((port) => port.handles));
            table.acknowledge(step.worker, generation);
          }
          for (const { handle, at } of retired) {
            if (!table.isSettled(at)) continue;
            for (const held of holds) expect(held.has(handle)).toBe(false);
          }
        }
      }),
    );
  });
});
