// A TAP that moves to another namespace, and that namespace while descriptors keep it: what the
// queue's descriptor can do before, between and after. Main thread, root.
import { readFileSync } from "node:fs";
import { block, C, close, open, read, withNetns, write } from "@packetpath/libc";
import { openDevice } from "tuntap2";
import { nowMs } from "../../base/clock.js";
import { ERRNO, errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { eventually } from "../../base/eventually.js";
import { FdTable } from "../fd-table.js";
import { makeNamespace } from "../netns.js";
import { type LinkChange, RtnetlinkSocket } from "../rtnetlink.js";

export interface HeldResult {
  /** Where the device is listed after the move: in the first namespace, in the second. */
  readonly listed: { readonly first: boolean; readonly second: boolean };
  /** write(2) on the queue after the move: bytes, or a negative errno. */
  readonly writeMoved: number;
  /** The same after one of two descriptors of the second namespace was closed. */
  readonly writeHeld: number;
  readonly listedHeld: boolean;
  /** errno of read(2) once the other one was closed, and how long it took to come. */
  readonly readGone: number;
  readonly goneMs: number;
}

const NAME = "moved0";
const FRAME_BYTES = 60;
const GONE_MS = 30_000;

/** @throws PacketpathError SYSTEM_CALL when a step fails that is not what is looked at. */
export async function moveAndHold(): Promise<HeldResult> {
  const table = FdTable.create();
  const first = makeNamespace("first");
  const second = makeNamespace("second");
  const again = must("open", open(`/proc/self/fd/${second}`, C.O_RDONLY | C.O_CLOEXEC));
  const queue = openDevice({ mode: "tap", name: NAME, queues: 1, netns: first }).fds[0]!;
  // Each is closed once: a number that is free may be somebody else's the next moment.
  const unclosed = new Set([first, second, again, queue]);
  const closeOnce = (fd: number): void => {
    if (unclosed.delete(fd)) close(fd);
  };
  try {
    change(table, first, { netns: second });
    change(table, second, { up: true });
    const listed = { first: isListed(first), second: isListed(second) };
    const writeMoved = writeFrame(queue);
    closeOnce(second);
    const held = { writeHeld: writeFrame(queue), listedHeld: isListed(again) };
    closeOnce(again);
    const from = nowMs();
    const isGone = (): number | false => goneErrno(queue);
    const readGone = await eventually("the device to go", isGone, { timeoutMs: GONE_MS });
    return { listed, writeMoved, ...held, readGone, goneMs: nowMs() - from };
  } finally {
    for (const fd of unclosed) closeOnce(fd);
    table.closeAll();
  }
}

function must(call: string, result: number): number {
  if (result >= 0) return result;
  throw new PacketpathError("SYSTEM_CALL", `${call}: ${errnoName(result)}`);
}

/** The socket is gone afterwards: it would keep the namespace. */
function change(table: FdTable, namespace: number, what: LinkChange): void {
  const ref = { name: "of the observation", handle: namespace, path: null };
  const netlink = new RtnetlinkSocket(table, ref);
  try {
    const link = netlink.getLink(NAME);
    const ifindex = must(`link ${NAME}`, typeof link === "number" ? link : link.ifindex);
    must(`change of ${NAME}`, netlink.changeLink(ifindex, what));
  } finally {
    netlink.close();
  }
}

function isListed(namespace: number): boolean {
  const text = withNetns(namespace, () => readFileSync("/proc/thread-self/net/dev", "latin1"));
  return text.includes(`${NAME}:`);
}

const frame = block(FRAME_BYTES);

/** A broadcast frame of an experimental type, which nobody answers. */
function writeFrame(queue: number): number {
  frame.bytes.fill(0xff, 0, 6);
  frame.bytes.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);
  return write(queue, frame.address, FRAME_BYTES);
}

/** The errno of a queue without a device; false while there is only nothing to read. */
function goneErrno(queue: number): number | false {
  const result = read(queue, frame.address, FRAME_BYTES);
  return result >= 0 || result === -ERRNO.EAGAIN ? false : -result;
}
