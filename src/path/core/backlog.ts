// The per-CPU input queue (struct softnet_data; net/core/dev.c: netif_rx, enqueue_to_backlog,
// process_backlog, flush_backlog). Any CPU may enqueue to its own; flush_all_backlogs runs on the
// unregistering task. An entry is a device: the packet itself stays with the worker that has it,
// which empties its backlog right after each transmit, as the softirq would.
import {
  type Addr,
  ld,
  NULL,
  smpProcessorId,
  spinLock,
  spinUnlock,
  st,
  tick,
} from "../../sync/index.js";
import type { Kernel } from "../kernel.js";
import { SITE } from "../trace-events.js";
import { XMIT } from "../verdict.js";
import { DEV, netifRunning, NETREG } from "./netdevice.js";

/** netdev_max_backlog is 1000 by default; what one worker can have in flight is far less. */
const BACKLOG_MAX = 12;

export const BACKLOG = { lock: 0, length: 1, flushed: 2, entries: 4 } as const;
export const BACKLOG_WORDS = BACKLOG.entries + BACKLOG_MAX;

function backlogOf(k: Kernel, cpu: number): Addr {
  return k.map.backlogs + cpu * BACKLOG_WORDS;
}

/** netif_rx(): puts a packet for `dev` on this CPU's backlog. START is tested under the lock. */
export function netifRx(k: Kernel, dev: Addr): number {
  const m = k.m;
  const b = backlogOf(k, smpProcessorId());
  spinLock(m, b + BACKLOG.lock);
  let verdict: number = XMIT.ok;
  if (!netifRunning(k, dev)) verdict = XMIT["peer-not-ready"];
  else {
    const length = ld(m, b + BACKLOG.length);
    if (length >= BACKLOG_MAX) verdict = XMIT["backlog-full"];
    else {
      st(m, b + BACKLOG.entries + length, dev);
      st(m, b + BACKLOG.length, length + 1);
    }
  }
  spinUnlock(m, b + BACKLOG.lock);
  return verdict;
}

/**
 * process_backlog(), one packet: takes the oldest entry of this CPU's backlog.
 * @returns the device it is for; NULL when the backlog is empty (or was flushed).
 */
export function processBacklog(k: Kernel): Addr {
  const m = k.m;
  const b = backlogOf(k, smpProcessorId());
  spinLock(m, b + BACKLOG.lock);
  const length = ld(m, b + BACKLOG.length);
  const dev = length === 0 ? NULL : ld(m, b + BACKLOG.entries);
  for (let i = 1; i < length; i++) {
    st(m, b + BACKLOG.entries + i - 1, ld(m, b + BACKLOG.entries + i));
  }
  if (length > 0) st(m, b + BACKLOG.length, length - 1);
  spinUnlock(m, b + BACKLOG.lock);
  return dev;
}

/** flush_all_backlogs(): drops, on every CPU, what waits for a device that is UNREGISTERING. */
export function flushAllBacklogs(k: Kernel): void {
  for (let cpu = 0; cpu < k.config.cpus; cpu++) {
    tick(k.m, SITE.flushBacklogs, NULL, cpu, 0, 0);
    if (ld(k.m, backlogOf(k, cpu) + BACKLOG.length) !== 0) flushBacklog(k, cpu);
  }
}

function flushBacklog(k: Kernel, cpu: number): void {
  const m = k.m;
  const b = backlogOf(k, cpu);
  spinLock(m, b + BACKLOG.lock);
  const length = ld(m, b + BACKLOG.length);
  let kept = 0;
  for (let i = 0; i < length; i++) {
    const dev = ld(m, b + BACKLOG.entries + i);
    if (ld(m, dev + DEV.regState) === NETREG.unregistering) {
      st(m, b + BACKLOG.flushed, ld(m, b + BACKLOG.flushed) + 1);
    } else st(m, b + BACKLOG.entries + kept++, dev);
  }
  st(m, b + BACKLOG.length, kept);
  spinUnlock(m, b + BACKLOG.lock);
}

/** Packets that flush_all_backlogs took from this CPU's backlog since the last call. */
export function takeFlushed(k: Kernel): number {
  const word = backlogOf(k, smpProcessorId()) + BACKLOG.flushed;
  const flushed = ld(k.m, word);
  if (flushed !== 0) st(k.m, word, 0);
  return flushed;
}
