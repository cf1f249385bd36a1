// The promise of every load: it ends after its stop, whatever its threads do, and a thread that
// dies is an error and not a result.
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { RoleGroup } from "../../src/load/threads.js";
import { LOAD_COUNTER } from "../../src/load/types.js";
import { LINUX } from "./two-hosts.js";

const NOWHERE = { name: "nowhere", handle: -1, path: null };

/** So long a thread that does not end is waited for here, in milliseconds. */
const GRACE_MS = 200;

/** A word that no load uses. */
const TOLD = 20;

/** A role thread written in place. */
function role(body: string): URL {
  const head = 'import { parentPort as port, workerData } from "node:worker_threads";';
  return new URL(`data:text/javascript,${encodeURIComponent(head + body)}`);
}

const READY = 'port.postMessage({ type: "ready" });';

describe("a load's threads", () => {
  it("end after the stop though one listens to nothing", async () => {
    const group = new RoleGroup(LINUX, GRACE_MS);
    const deaf = group.start("deaf", role(`${READY} setInterval(() => 0, 1000);`), NOWHERE, null);
    await deaf.ready;
    await group.end();
    expect(await deaf.result).toBeNull();
  });

  it("end after the stop though one blocks in its thread for good", async () => {
    const group = new RoleGroup(LINUX, GRACE_MS);
    const body = `${READY} for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
    const stuck = group.start("stuck", role(body), NOWHERE, null);
    await stuck.ready;
    await group.end();
    expect(await stuck.result).toBeNull();
  });

  it("are woken out of a wait on the stop word, at once", async () => {
    const group = new RoleGroup(LINUX);
    const body = `
      const words = new Int32Array(workerData.counters);
      Atomics.store(words, ${TOLD}, 1);
      const how = Atomics.wait(words, ${LOAD_COUNTER.stop}, 0, 60000);
      port.postMessage({ type: "result", result: how });`;
    const waiting = group.start<string, null>("waiting", role(body), NOWHERE, null);
    await eventually("the wait", () => group.counters[TOLD] === 1, { timeoutMs: 60_000 });
    group.stop();
    expect(await waiting.result).toBe("ok");
    await group.end();
  });

  it("that end without a result fail the load", async () => {
    const group = new RoleGroup(LINUX);
    const gone = group.start("gone", role(`${READY} process.exit(3);`), NOWHERE, null);
    await expect(gone.result).rejects.toThrow("load thread gone ended with 3 and no result");
    await group.end();
  });

  it("that throw fail the load, before and after they were ready", async () => {
    const group = new RoleGroup(LINUX);
    const early = group.start("early", role('throw new Error("early");'), NOWHERE, null);
    await expect(early.ready).rejects.toThrow("early");
    // An error may overtake a message: it is thrown when "ready" has been heard.
    const body = `${READY} Atomics.wait(new Int32Array(workerData.counters), ${TOLD}, 0);
      throw new Error("late");`;
    const late = group.start("late", role(body), NOWHERE, null);
    await late.ready;
    Atomics.store(group.counters, TOLD, 1);
    Atomics.notify(group.counters, TOLD);
    await expect(late.result).rejects.toThrow("late");
    await group.end();
  });

  it("hand over errors with their code and what to do", async () => {
    const group = new RoleGroup(LINUX);
    const body = `port.postMessage(
      { type: "error", code: "ENVIRONMENT", message: "too few", fix: "Take more." });`;
    const poor = group.start("poor", role(body), NOWHERE, null);
    await expect(poor.ready).rejects.toMatchObject({
      name: "PacketpathError",
      code: "ENVIRONMENT",
      message: "too few",
      fix: "Take more.",
    });
    await group.end();
  });
});
