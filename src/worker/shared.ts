// What every thread of a run is given: the shared memories and the constants. Made by the main
// thread, structured-cloned into each worker's `workerData`, opened again on the other side.
import type { BalancerConfig } from "../balancer/types.js";
import { PacketpathError } from "../base/errors.js";
import type { Flow } from "../flow/types.js";
import type { BackendDescriptor } from "../host/types.js";
import { DEV } from "../path/core/netdevice.js";
import { attachKernel, type Kernel, type KernelConfig } from "../path/kernel.js";
import { builtInGuard, type Guard, isGuardName, userGuard } from "../path/guards.js";
import type { UserGuard } from "../path/guards.js";
import { findProfile, type Profile } from "../path/profiles.js";
import type { ReceiverPorts } from "./balancer/server-side.js";
import { EventRing } from "../sync/events.js";

/** The words of a device that each trace record copies. */
export const TRACED_WORDS = {
  realNumTxQueues: DEV.realNumTxQueues,
  regState: DEV.regState,
} as const;

/** Structured-clonable. One object per run; the same for all threads. */
export interface SharedParts {
  readonly kernel: SharedArrayBuffer;
  readonly kernelConfig: KernelConfig;
  readonly profile: string;
  /** A built-in guard's name, or the URL of a JavaScript module. */
  readonly guard: string;
  /** One frame pool for all workers; each has its own part. */
  readonly pool: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly queueTable: SharedArrayBuffer;
  readonly workers: number;
  /** Datagrams that leave together are written as one super-frame, where the devices can. */
  readonly uso: boolean;
  readonly ports: number;
  readonly backend: BackendDescriptor;
  /** The switch: its flow table and what its slow path shares. */
  readonly switch: SwitchParts;
}

export interface SwitchParts {
  readonly flows: readonly Flow[];
  /** Statistics of the flows: one buffer per worker. */
  readonly flowRecords: readonly ArrayBufferLike[];
  readonly macTable: SharedArrayBuffer;
  /** Counters of the fast path (DATAPATH_COUNTER): one buffer per worker. */
  readonly datapathCounters: readonly SharedArrayBuffer[];
  /** Meters of all workers. */
  readonly meters: SharedArrayBuffer;
  /** Tracked connections of all workers. */
  readonly connections: SharedArrayBuffer;
  /** How far each worker has come with the main thread's orders (live/orders.ts). */
  readonly orderWords: SharedArrayBuffer;
  readonly ports: SharedArrayBuffer;
  /** The load balancer behind one of the ports; null: there is none. */
  readonly balancer: BalancerShared | null;
}

/** A load balancer, as all workers share it. */
export interface BalancerShared {
  /** Number of its port. */
  readonly port: number;
  readonly config: BalancerConfig;
  /** `Connections.buffer`. */
  readonly connections: SharedArrayBuffer;
  /** Turns of its schedulers. */
  readonly turns: SharedArrayBuffer;
  /** BALANCER_DOUBLES doubles for each worker. */
  readonly counters: readonly SharedArrayBuffer[];
  /** What its servers learn of their clients. */
  readonly receivers: readonly ReceiverPorts[];
}

export interface CaptureRequest {
  readonly folder: string;
  readonly ports: readonly { readonly number: number; readonly name: string }[];
  /** Wall-clock seconds at monotonic time 0, a whole number. */
  readonly epochSeconds: number;
}

/** One thread's own data beside the shared parts. */
export interface ThreadData {
  readonly parts: SharedParts;
  /** Index of a queue worker, or of a kernel thread behind them. */
  readonly index: number;
  /** Name in reports: "rxq3", "kworker/8:0". */
  readonly name: string;
  readonly cpu: number;
  readonly events: SharedArrayBuffer;
  /** Folder for capture files and the ports to capture; null: none. */
  readonly capture: CaptureRequest | null;
}

/** The kernel of the run, with its guard loaded, as this thread sees it. */
export async function openKernel(parts: SharedParts): Promise<Kernel> {
  const m = new Int32Array(parts.kernel);
  const profile = profileOf(parts.profile);
  return attachKernel(m, parts.kernelConfig, profile, await loadGuard(parts.guard));
}

export function profileOf(id: string): Profile {
  const profile = findProfile(id);
  if (profile === null) throw new PacketpathError("INTERNAL", `no kernel profile "${id}"`);
  return profile;
}

/** A built-in guard, or the default export of the module at a URL. */
export async function loadGuard(guard: string): Promise<Guard> {
  if (isGuardName(guard)) return builtInGuard(guard);
  const module = (await import(guard)) as { default?: unknown };
  if (typeof module.default !== "function") {
    throw new PacketpathError("GUARD_INVALID", `${guard}: the default export is not a function`);
  }
  return userGuard(guard, module.default as UserGuard);
}

export function openEvents(shared: SharedArrayBuffer): EventRing {
  return new EventRing(shared, TRACED_WORDS);
}
