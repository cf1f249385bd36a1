// The laws of Go's locks on real threads, where they come out of Go's own algorithms; the same laws
// by the explorer's rules are in test/explore/go-sync.test.ts. A thread that blocks is seen by its
// block: what it waits for.
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { HEADER } from "../../src/sync/memory.js";
import {
  layOutProgram,
  newProgramMemory,
  THREAD,
  threadBlock,
  WAIT,
} from "../../src/sync/program/layout.js";

const FREE = Symbol("FREE");
const THREADS = 3;
/** What stands for "packetpath/explore" in a shipped program. */
const door = "../../sync/program/door.js";
const TIMEOUT = { timeoutMs: 60_000 };
const layout = layOutProgram({ x: 0, y: 7, rows: [[0, 0], [0]], m: FREE, n: FREE }, THREADS);
const { x, y, rows, m: lock, n: other } = layout.handles;

type Call = readonly [name: string, ...args: number[]];
interface Answer {
  readonly answer?: unknown;
  readonly error?: string;
}

/** A thread with what it has answered so far. */
class Thread {
  readonly answers: Answer[] = [];
  readonly worker: Worker;
  private asked = 0;

  constructor(memory: Int32Array, thread: number) {
    this.worker = new Worker(new URL("./program-thread.mjs", import.meta.url), {
      workerData: { memory: memory.buffer, thread },
    });
    this.worker.on("message", (answer: Answer) => this.answers.push(answer));
  }

  ask(...list: Call[]): void {
    this.asked++;
    this.worker.postMessage(list);
  }

  async answer(): Promise<Answer> {
    const isThere = () => this.answers.length > this.asked;
    await eventually("an answer", isThere, TIMEOUT);
    return this.answers.at(-1)!;
  }

  async do(...list: Call[]): Promise<Answer> {
    this.ask(...list);
    return this.answer();
  }
}

let memory: Int32Array;
let threads: Thread[];

beforeEach(async () => {
  memory = newProgramMemory(layout);
  threads = Array.from({ length: THREADS }, (_one, i) => new Thread(memory, i));
  for (const thread of threads) await thread.answer();
});
afterEach(async () => {
  await Promise.all(threads.map(({ worker }) => worker.terminate()));
});

/** Waits until a thread stands still in a wait for something. */
async function waits(thread: number, wait: number, address: number): Promise<void> {
  const block = threadBlock(thread);
  const isSo = () =>
    Atomics.load(memory, block + THREAD.wait) === wait &&
    Atomics.load(memory, block + THREAD.waitsFor) === address;
  await eventually(`thread ${thread} to wait`, isSo, TIMEOUT);
}

describe("2.6 #7 sync.RWMutex on real threads", () => {
  it("a waiting writer keeps a reader out, who goes before the next writer", async () => {
    const [first, writer, reader] = threads as [Thread, Thread, Thread];
    await first.do(["rlock", lock]);
    writer.ask(["rwlock", lock], ["st", x, 1], ["rwunlock", lock], ["rwlock", lock], ["st", x, 2]);
    await waits(1, WAIT.writeLock, lock);
    reader.ask(["rlock", lock], ["ld", x]);
    await waits(2, WAIT.readLock, lock);
    await first.do(["runlock", lock]);
    // The reader was let in by the first unlock; the writer's second lock waits for it.
    expect(await reader.answer()).toEqual({ answer: 1 });
    await waits(1, WAIT.writeLock, lock);
    await reader.do(["runlock", lock]);
    await writer.answer();
    expect(memory[x]).toBe(2);
  });

  it("it is not for reading twice over where a writer comes in between", async () => {
    const [reader, writer] = threads as [Thread, Thread];
    await reader.do(["rlock", lock]);
    writer.ask(["rwlock", lock]);
    await waits(1, WAIT.writeLock, lock);
    reader.ask(["rlock", lock]);
    await waits(0, WAIT.readLock, lock);
    Atomics.store(memory, HEADER.abort, 1);
    expect(await reader.answer()).toEqual({ error: "the run is being torn down" });
    expect(await writer.answer()).toEqual({ error: "the run is being torn down" });
  });

  it("writers are alone, and nobody reads what one is changing", async () => {
    const [a, b, c] = threads as [Thread, Thread, Thread];
    a.ask(["countUnder", lock, x, 20_000]);
    b.ask(["countUnder", lock, x, 20_000]);
    c.ask(["watchUnder", lock, x, 20_000]);
    expect(await c.answer()).toEqual({ answer: 0 });
    await Promise.all([a.answer(), b.answer()]);
    expect(memory[x]).toBe(40_000);
    // All its words are as they were: nobody is counted in who is not there.
    expect([...memory.subarray(lock, lock + 16)]).toEqual(Array(16).fill(0));
  });

  it.each([
    ["runlock", "sync: RUnlock of unlocked RWMutex"],
    ["rwunlock", "sync: Unlock of unlocked RWMutex"],
    ["goUnlock", "sync: unlock of unlocked mutex"],
  ])("%s of what nobody has locked is fatal", async (name, error) => {
    expect(await threads[0]!.do([name, lock])).toEqual({ error });
  });

  it("another thread may unlock", async () => {
    await threads[0]!.do(["rwlock", lock], ["goLock", other]);
    expect(await threads[1]!.do(["rwunlock", lock], ["goUnlock", other])).toEqual({ answer: null });
    expect(await threads[2]!.do(["rlock", lock], ["goLock", other])).toEqual({ answer: null });
  });
});

describe("sync.WaitGroup on real threads", () => {
  it("all waiters wake when the last one is done", async () => {
    const [a, b, c] = threads as [Thread, Thread, Thread];
    await c.do(["wgAdd", lock, 2]);
    a.ask(["wgWait", lock], ["ld", x]);
    b.ask(["wgWait", lock], ["ld", x]);
    await waits(0, WAIT.group, lock);
    await waits(1, WAIT.group, lock);
    await c.do(["wgDone", lock]);
    await c.do(["st", x, 5], ["wgDone", lock]);
    expect([await a.answer(), await b.answer()]).toEqual([{ answer: 5 }, { answer: 5 }]);
  });

  it("a negative counter panics", async () => {
    const { error } = await threads[0]!.do(
      ["wgAdd", other, 1],
      ["wgDone", other],
      ["wgDone", other],
    );
    expect(error).toBe("sync: negative WaitGroup counter");
  });
});

describe("a program's memory", () => {
  it("each cell and lock has a cache line of its own; arrays keep their shape", () => {
    expect(memory[y]).toBe(7);
    expect(rows.map((row) => row.length)).toEqual([2, 1]);
    const all = [...layout.names.keys()];
    expect(new Set(all.map((address) => Math.floor(address / 16))).size).toBe(all.length);
    expect(layout.names.get(rows[1]![0]!)).toBe("rows[1][0]");
  });

  it("what only an explorer can do is refused by name", async () => {
    expect((await threads[0]!.do(["choose", 2])).error).toMatch(/^choose is for the explorer/);
  });
});

interface Binding {
  readonly PROGRAMS: RegExp;
  bindProgram(text: string): string;
  unbindProgram(text: string): string;
}

describe("the shipped text of a program", () => {
  it("differs from the explored one by the path of one import", async () => {
    const build = new URL("../../scripts/bind-programs.mjs", import.meta.url);
    const { PROGRAMS, bindProgram, unbindProgram } = (await import(build.href)) as Binding;
    const file = "/src/models/endpoint/endpoint.ts";
    expect(PROGRAMS.test(file)).toBe(true);
    const source = readFileSync(new URL(`../..${file}`, import.meta.url), "utf8");
    const shipped = bindProgram(source);
    expect(shipped).not.toMatch(/from "packetpath/);
    expect(shipped.length - source.length).toBe(door.length - "packetpath/explore".length);
    expect(unbindProgram(shipped)).toBe(source);
    // And that is what was built.
    const built = readFileSync(new URL("../../dist/models/endpoint/endpoint.js", import.meta.url));
    expect(built.toString()).toContain(`from "${door}"`);
  });
});
