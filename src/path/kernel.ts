// The kernel that the path runs in: its shared memory, laid out once, and the values that do not
// change during a run (profile, guard). Every function of this room takes it as first argument.
//
// Layout behind the primitives' own words (src/sync/memory.ts):
//
//   KERNEL words     global locks, work items, list heads
//   ports[]          dp->ports: one word per port number, the published vport or NULL
//   vports[]         VPORT_WORDS each
//   devices[]        struct net_device: DEV words, then per-queue words (see core/netdevice.ts)
//   socks[]          SOCK_WORDS each (only what queue selection reads)
//   backlogs[]       one per CPU: struct softnet_data's input queue
import { type Addr, firstFreeWord, initMemory, ld, type Mem, NULL, st } from "../sync/index.js";
import { BACKLOG_WORDS } from "./core/backlog.js";
import { DEV_FIXED_WORDS, QUEUE_WORDS } from "./core/netdevice.js";
import { VPORT_WORDS } from "./openvswitch/vport.js";
import type { Guard } from "./guards.js";
import type { Profile } from "./profiles.js";

/** Words of global state. The lock or thread in each line is the only one that may store to it. */
export const KERNEL = {
  /** rtnl_mutex. */
  rtnl: 0,
  /** ovs_mutex. */
  ovsMutex: 1,
  /** ovs_net->dp_notify_work: pending, CPU. */
  dpNotifyWork: 2,
  /** linkwatch_work: pending, CPU. */
  linkwatchWork: 4,
  /** Head of net_todo_list (through DEV.todoNext). Under RTNL. */
  todoHead: 6,
  /** Device structures in use, by index; only grows. Under RTNL. */
  deviceCount: 7,
  /** Next ifindex. Under RTNL. */
  nextIfindex: 8,
  /** Vport structures handed out so far. Under ovs_mutex. */
  vportCount: 9,
  /** Sockets handed out so far (tests and explored programs). */
  sockCount: 10,
  /** Last of net_todo_list. Under RTNL. */
  todoTail: 11,
} as const;
const KERNEL_WORDS = 16;

/** What queue selection reads of a struct sock. */
export const SOCK = {
  /** sk_tx_queue_mapping; NO_QUEUE_MAPPING when empty. Any CPU. */
  txQueueMapping: 0,
  /** sk_rx_queue_mapping; NO_QUEUE_MAPPING when empty. */
  rxQueueMapping: 1,
  /** sk_fullsock(). */
  full: 2,
  /** A cached dst is present (sk_dst_cache). */
  dstCached: 3,
  /** 1 once the cached queue is older than txq_reselection (6.19 and later). */
  aged: 4,
} as const;
export const SOCK_WORDS = 8;
/** USHRT_MAX: no queue is cached (include/net/sock.h). */
export const NO_QUEUE_MAPPING = 0xffff;

export interface KernelConfig {
  readonly cpus: number;
  /** Most device structures that may be in use at once, unregistered ones included. */
  readonly devices: number;
  /** Most transmit queues of one device. */
  readonly queues: number;
  /** Port numbers 0 to ports - 1. */
  readonly ports: number;
  readonly socks: number;
  readonly seed: number;
}

/** First word of each area, from KernelConfig. */
interface KernelMap {
  readonly global: Addr;
  readonly ports: Addr;
  readonly vports: Addr;
  readonly devices: Addr;
  readonly deviceWords: number;
  readonly socks: Addr;
  readonly backlogs: Addr;
  readonly words: number;
}

export interface Kernel {
  readonly m: Mem;
  readonly config: KernelConfig;
  readonly map: KernelMap;
  readonly profile: Profile;
  readonly guard: Guard;
}

function layout(config: KernelConfig): KernelMap {
  const global = firstFreeWord(config.cpus);
  const ports = global + KERNEL_WORDS;
  const vports = ports + config.ports;
  // Two vports per port number: the old one is freed by RCU while its successor is published.
  const devices = vports + 2 * config.ports * VPORT_WORDS;
  const deviceWords = DEV_FIXED_WORDS + config.queues * QUEUE_WORDS;
  const socks = devices + config.devices * deviceWords;
  const backlogs = socks + config.socks * SOCK_WORDS;
  const words = backlogs + config.cpus * BACKLOG_WORDS;
  return { global, ports, vports, devices, deviceWords, socks, backlogs, words };
}

/** Bytes of shared memory that a kernel of this size needs. */
export function kernelBytes(config: KernelConfig): number {
  return layout(config).words * 4;
}

/** A view of kernel memory that another thread has initialized. */
export function attachKernel(m: Mem, config: KernelConfig, profile: Profile, guard: Guard): Kernel {
  return { m, config, map: layout(config), profile, guard };
}

/** Lays a kernel out in fresh (zeroed) memory. Once, before other threads see it. */
export function createKernel(m: Mem, config: KernelConfig, profile: Profile, guard: Guard): Kernel {
  initMemory(m, config.cpus, profile.gracePeriodUs, config.seed);
  const k = attachKernel(m, config, profile, guard);
  st(m, k.map.global + KERNEL.nextIfindex, 2);
  return k;
}

/** Address of a global word. */
export function globalWord(k: Kernel, word: number): Addr {
  return k.map.global + word;
}

/** Address of the word dp->ports[portNo]; port numbers out of range have none. */
export function portSlot(k: Kernel, portNo: number): Addr {
  return portNo >= 0 && portNo < k.config.ports ? k.map.ports + portNo : NULL;
}

/** Index of a device, as observers name it: 0 for the first device made. */
export function deviceIndex(k: Kernel, dev: Addr): number {
  return (dev - k.map.devices) / k.map.deviceWords;
}

export function deviceAt(k: Kernel, index: number): Addr {
  return k.map.devices + index * k.map.deviceWords;
}

/** A fresh socket structure with empty caches. */
export function allocSock(k: Kernel, full: boolean, dstCached: boolean): Addr {
  const m = k.m;
  const index = ld(m, globalWord(k, KERNEL.sockCount));
  if (index >= k.config.socks) throw new Error(`more than ${k.config.socks} sockets`);
  st(m, globalWord(k, KERNEL.sockCount), index + 1);
  const sk = k.map.socks + index * SOCK_WORDS;
  st(m, sk + SOCK.txQueueMapping, NO_QUEUE_MAPPING);
  st(m, sk + SOCK.rxQueueMapping, NO_QUEUE_MAPPING);
  st(m, sk + SOCK.full, full ? 1 : 0);
  st(m, sk + SOCK.dstCached, dstCached ? 1 : 0);
  return sk;
}
