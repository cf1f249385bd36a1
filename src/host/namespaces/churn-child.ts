// Entry of the child that makes and destroys namespaces, in a user namespace of its own: there
// user.max_net_namespaces is its own, and counts its namespaces and nobody else's, so that a limit
// tells whether all others are gone. The child begins in a network namespace of that user
// namespace, or it could not come back to it. Prints one JSON object.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { close } from "@packetpath/libc";
import { nowMs } from "../../base/clock.js";
import { eventually } from "../../base/eventually.js";
import { limitDescriptors } from "../probe/restrict.js";
import {
  CHURN_HEAD,
  type ChurnOrder,
  type ChurnResult,
  type ChurnWork,
  type LimitResult,
} from "./churn.js";
import { makeRawNamespace, openOwnNamespace, tryNamespace } from "./raw.js";

const LIMIT = "/proc/sys/user/max_net_namespaces";
const GONE_MS = 60_000;
/** Namespaces that count and stay: the one that the child begins in. */
const OWN = 1;
/** How many more are held at the limit. */
const HELD = 3;

const order = JSON.parse(process.argv[2] ?? "{}") as ChurnOrder;

async function observe(): Promise<ChurnResult> {
  const home = openOwnNamespace();
  // One each, so that what a first call keeps open is there before it is counted.
  await allGone(home);
  const before = counts();
  const churn = await runChurn();
  const goneMs = await allGone(home);
  const limit = await tryLimit(home);
  await allGone(home);
  const openErrno = tryDescriptors(home);
  await allGone(home);
  const result = { ...churn, goneMs, limit, openErrno, before, after: counts() };
  close(home);
  return result;
}

function counts() {
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    devices: readFileSync("/proc/self/net/dev", "latin1").split("\n").length,
  };
}

/**
 * Waits until no other namespace of this user namespace is alive: when one more than its own is
 * allowed, it can be made.
 * @returns milliseconds.
 */
async function allGone(home: number): Promise<number> {
  const usual = readFileSync(LIMIT, "latin1");
  const from = nowMs();
  writeFileSync(LIMIT, String(OWN + 1));
  try {
    const isGone = (): boolean => tryNamespace(home) === 0;
    await eventually("namespaces to be gone", isGone, { timeoutMs: GONE_MS });
  } finally {
    writeFileSync(LIMIT, usual);
  }
  return nowMs() - from;
}

async function runChurn() {
  const { count, creators, destroyers, deviceEvery } = order;
  const words = new Int32Array(new SharedArrayBuffer((CHURN_HEAD + count) * 4));
  const microseconds = new Float64Array(new SharedArrayBuffer(count * 8));
  const from = nowMs();
  const workers = (["creator", "destroyer"] as const).flatMap((role) => {
    const workerData: ChurnWork = { role, count, words, microseconds, deviceEvery };
    const threads = role === "creator" ? creators : destroyers;
    return Array.from({ length: threads }, () => {
      return new Worker(new URL("./churn-worker.js", import.meta.url), { workerData });
    });
  });
  // An error of a worker rejects here, and ends the child with its message.
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  const made = [...words.subarray(CHURN_HEAD)];
  return {
    count,
    errnos: made.filter((one) => one < 0).map((one) => -one),
    seconds: (nowMs() - from) / 1000,
    microseconds: [...microseconds],
  };
}

/** Three are held at the limit, and a fourth is refused; after it is raised, it can be made. */
async function tryLimit(home: number): Promise<LimitResult> {
  const usual = readFileSync(LIMIT, "latin1");
  const held: number[] = [];
  const hold = (): boolean => {
    const { fd } = makeRawNamespace(home);
    if (fd >= 0) held.push(fd);
    return fd >= 0;
  };
  writeFileSync(LIMIT, String(OWN + HELD));
  for (let n = 0; n < HELD; n++) {
    // The one that told that all were gone may be on its way still.
    await eventually("a namespace within the limit", hold, { timeoutMs: GONE_MS });
  }
  const errno = -tryNamespace(home);
  writeFileSync(LIMIT, String(OWN + HELD + 1));
  const raisedErrno = -tryNamespace(home);
  writeFileSync(LIMIT, usual);
  for (const fd of held) close(fd);
  return { limit: OWN + HELD, own: OWN, held: held.length, errno, raisedErrno };
}

/** Without a descriptor to spare the namespace is made, and cannot be opened. */
function tryDescriptors(home: number): number {
  const giveBack = limitDescriptors("none");
  try {
    const { fd, failed } = makeRawNamespace(home);
    if (fd >= 0) close(fd);
    return failed === "open" ? -fd : 0;
  } finally {
    giveBack();
  }
}

// A parent that died before its child was tied to it.
if (process.ppid !== order.parent) process.exit(0);
process.stdout.write(`${JSON.stringify(await observe())}\n`);
