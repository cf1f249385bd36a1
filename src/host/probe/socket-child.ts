// Entry of the child that asks the kernel for sockets: takes from itself what it is told to, then
// calls socket(2) for each row, closes what it got, and says what came. One child per restriction,
// because most of them cannot be given back.
import { readdirSync, readFileSync } from "node:fs";
import { close, socket } from "@packetpath/libc";
import { eventually } from "../../base/eventually.js";
import {
  enterNamespaceOfParent,
  failureMessage,
  sendToParent,
} from "../witness/namespaced-child.js";
import { dropRaw, limitDescriptors, refuseSockets } from "./restrict.js";
import type { Counts, SocketAnswers, SocketOrder } from "./socket-probe.js";

try {
  enterNamespaceOfParent();
  process.on("message", (order: SocketOrder) => {
    void answerOrder(order).finally(() => process.exit(0));
  });
  await sendToParent({ kind: "ready" });
} catch (error) {
  await sendToParent(failureMessage(error));
  process.exit(1);
}

async function answerOrder(order: SocketOrder): Promise<void> {
  try {
    await sendToParent({ kind: "answers", ...(await ask(order)) });
  } catch (error) {
    await sendToParent(failureMessage(error));
  }
}

async function ask({ restriction, calls }: SocketOrder): Promise<SocketAnswers> {
  const { withoutRaw, descriptors, refusal } = restriction;
  // What follows must not open anything between the limit and its end.
  const before = countsNow();
  if (withoutRaw === true) dropRaw();
  if (refusal !== undefined) refuseSockets(refusal);
  const giveBack = descriptors === undefined ? null : limitDescriptors(descriptors);
  const errnos = calls.map(([family, type, protocol]) => {
    const fd = socket(family, type, protocol);
    if (fd < 0) return -fd;
    close(fd);
    return 0;
  });
  giveBack?.();
  return { errnos, before, after: await countsAgain(before) };
}

/** A netlink socket that is closed goes after a grace period. */
const GONE_MS = 60_000;

/** The counts when they are as before, or after the deadline as they are. */
async function countsAgain(before: Counts): Promise<Counts> {
  const isBefore = (): boolean => countsNow().sockets === before.sockets;
  try {
    await eventually("sockets to be gone", isBefore, { timeoutMs: GONE_MS, everyMs: 10 });
  } catch {
    // The parent prints what is left.
  }
  return countsNow();
}

/** Sockets of the namespace as the kernel counts them, and open descriptors of this process. */
function countsNow(): Counts {
  const text = readFileSync("/proc/self/net/sockstat", "latin1");
  const sockets = Number(/^sockets: used (\d+)/m.exec(text)?.[1] ?? -1);
  return { sockets, descriptors: readdirSync("/proc/self/fd").length };
}
