// A small kernel for the tests of src/path: devices, ports and one packet, driven by the test's own
// thread, which is task 0 on CPU 0 in process context. Grace periods take no time here. What other
// kernel threads would do is called by hand (`runLinkwatch`, `runNotifyWork`, `runRcuCallbacks`),
// so that a test stands at exactly the point it means.
import { linkwatchEvent } from "../../src/path/core/link-watch.js";
import { DEV, KIND, type KindName, registerNetdevice } from "../../src/path/core/netdevice.js";
import { vethPair } from "../../src/path/core/netdevice.js";
import { devOpen } from "../../src/path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../../src/path/core/rtnl.js";
import { newSkb, type Skb } from "../../src/path/core/skb.js";
import { tunAttachAll } from "../../src/path/drivers/ops.js";
import { DeviceView } from "../../src/path/device-view.js";
import { builtInGuard, type Guard, type GuardName } from "../../src/path/guards.js";
import { createKernel, globalWord, KERNEL, type Kernel } from "../../src/path/kernel.js";
import { kernelBytes, type KernelConfig, deviceIndex } from "../../src/path/kernel.js";
import { doOutput } from "../../src/path/openvswitch/actions.js";
import { ovsDpNotifyWq } from "../../src/path/openvswitch/dp-notify.js";
import { ovsVportAdd, runRcuCallback } from "../../src/path/openvswitch/vport.js";
import { findProfile, type Profile } from "../../src/path/profiles.js";
import { EVENT_NAMES, type EventName } from "../../src/path/trace-events.js";
import { XMIT_NAMES, type XmitName } from "../../src/path/verdict.js";
import { EVENT_RING_BYTES, EventRing, type TraceRecord } from "../../src/sync/events.js";
import {
  acquireCpu,
  type Addr,
  bindThread,
  CALLBACK_RING_SIZE,
  callbackRing,
  HEADER,
  ld,
  type Mem,
  NULL,
  rcuReadLock,
  rcuReadUnlock,
  st,
} from "../../src/sync/index.js";

export const NO_TIME = { expeditedMin: 0, expeditedMax: 0, normalMin: 0, normalMax: 0 };
export const TRACED = { realNumTxQueues: DEV.realNumTxQueues, regState: DEV.regState };

export interface LabOptions {
  /** A profile's name, and what is different in it. Default "6.12". */
  readonly profile?: string;
  readonly but?: Partial<Profile>;
  readonly guard?: GuardName | Guard;
  readonly config?: Partial<KernelConfig>;
}

export interface Lab {
  readonly k: Kernel;
  readonly m: Mem;
  readonly memory: SharedArrayBuffer;
  readonly skb: Skb;
  readonly ring: SharedArrayBuffer;
  /** What `deed` was asked to do: code and device. */
  readonly deeds: { code: number; dev: Addr }[];
}

export function profileNamed(id: string, but: Partial<Profile> = {}): Profile {
  const profile = findProfile(id);
  if (profile === null) throw new Error(`no profile ${id}`);
  return { ...profile, gracePeriodUs: NO_TIME, ...but };
}

export function makeLab(options: LabOptions = {}): Lab {
  const config: KernelConfig = {
    cpus: 4,
    devices: 32,
    queues: 32,
    ports: 8,
    socks: 4,
    seed: 1,
    ...options.config,
  };
  const memory = new SharedArrayBuffer(kernelBytes(config));
  const m = new Int32Array(memory);
  const guard = options.guard ?? "none";
  const k = createKernel(
    m,
    config,
    profileNamed(options.profile ?? "6.12", options.but),
    typeof guard === "string" ? builtInGuard(guard) : guard,
  );
  const ring = new SharedArrayBuffer(EVENT_RING_BYTES);
  const skb = newSkb();
  skb.guardView = new DeviceView(k);
  const lab: Lab = { k, m, memory, skb, ring, deeds: [] };
  bindTest(lab);
  acquireCpu(m);
  return lab;
}

/** Binds the test's thread to a lab's kernel; `cpu` says whose CPU it plays. */
export function bindTest(lab: Lab, cpu = 0): void {
  const events = new EventRing(lab.ring, TRACED);
  const deed = (code: number, dev: Addr) => void lab.deeds.push({ code, dev });
  bindThread({ task: 0, cpu, maySleep: cpu === 0, events, deed });
}

export interface PlugOptions {
  /** Allocated transmit queues and, unless `real` says otherwise, real ones. Default 4. */
  readonly queues?: number;
  readonly real?: number;
  /** Port number; default 1. null: the device is not made a port. */
  readonly port?: number | null;
  readonly netns?: number;
}

export interface Plugged {
  readonly dev: Addr;
  /** A veth's far end, or the device below; NULL for kinds that have none. */
  readonly other: Addr;
}

/** Makes, opens and publishes a device of a kind, as the control thread of a run does. */
export function plug(lab: Lab, kind: KindName, options: PlugOptions = {}): Plugged {
  const { k, m } = lab;
  const { queues = 4, real = queues, port = 1, netns = 0 } = options;
  rtnlLock(k);
  const dev = registerNetdevice(k, { kind, numTxQueues: queues, realNumTxQueues: real, netns });
  let other: Addr = NULL;
  if (kind === "veth") {
    other = registerNetdevice(k, { kind, numTxQueues: queues, realNumTxQueues: real, netns: 7 });
    vethPair(k, dev, other);
    devOpen(k, other);
  } else if (kind === "bond" || kind === "macvlan" || kind === "vxlan") {
    other = registerNetdevice(k, { kind: "dummy", numTxQueues: 1 });
    devOpen(k, other);
    st(m, dev + DEV.lower, other);
  } else if (kind === "tun") tunAttachAll(k, dev, real);
  devOpen(k, dev);
  rtnlUnlock(k);
  runLinkwatch(lab);
  if (port !== null && !ovsVportAdd(k, port, dev)) throw new Error(`port ${port} is refused`);
  return { dev, other };
}

/** Runs linkwatch_event if it is queued; says whether it was. */
export function runLinkwatch(lab: Lab): boolean {
  return runItem(lab, KERNEL.linkwatchWork, linkwatchEvent);
}

/** Runs ovs_dp_notify_wq if it is queued; says whether it was. */
export function runNotifyWork(lab: Lab): boolean {
  return runItem(lab, KERNEL.dpNotifyWork, ovsDpNotifyWq);
}

function runItem(lab: Lab, word: number, run: (k: Kernel) => void): boolean {
  const item = globalWord(lab.k, word);
  if (ld(lab.m, item) === 0) return false;
  st(lab.m, item, 0);
  run(lab.k);
  return true;
}

/** Runs the RCU callbacks that wait; says how many. */
export function runRcuCallbacks(lab: Lab): number {
  const { k, m } = lab;
  let ran = 0;
  for (let done = ld(m, HEADER.callbacksDone); done !== ld(m, HEADER.callbacksQueued); ran++) {
    const slot = callbackRing(k.config.cpus) + 2 * (done % CALLBACK_RING_SIZE);
    runRcuCallback(k, ld(m, slot), ld(m, slot + 1));
    st(m, HEADER.callbacksDone, ++done);
  }
  return ran;
}

export type Packet = Partial<Omit<Skb, "guardView">>;

/** Sets the lab's packet: everything as new, but for what is given. */
export function packet(lab: Lab, fields: Packet = {}): Skb {
  const guardView = lab.skb.guardView;
  Object.assign(lab.skb, newSkb(), { len: 100, hash: 0x8000_0000 }, fields, { guardView });
  return lab.skb;
}

/** One packet to one port, in a read section as the data plane has it; answers the verdict. */
export function output(lab: Lab, port: number, fields: Packet = {}): XmitName {
  const skb = packet(lab, fields);
  rcuReadLock(lab.m);
  const verdict = doOutput(lab.k, skb, port);
  rcuReadUnlock(lab.m);
  return XMIT_NAMES[verdict]!;
}

export interface Told extends TraceRecord {
  readonly name: EventName;
  /** Index of the device in the order of registration; -1 without one. */
  readonly index: number;
}

/** What has been traced in a ring since `from`. */
export function told(lab: Lab, from = 0, ring = lab.ring): Told[] {
  return new EventRing(ring, TRACED).read(from).records.map((record) => ({
    ...record,
    name: EVENT_NAMES[record.event]!,
    index: record.device === NULL ? -1 : deviceIndex(lab.k, record.device),
  }));
}

/** How many events have been traced so far: the `from` of a later `told`. */
export function mark(lab: Lab): number {
  return new EventRing(lab.ring, TRACED).read(0).next;
}

/** The values of some words of a device, by name, for comparison with an object. */
export function words(lab: Lab, dev: Addr, names: readonly (keyof typeof DEV)[]) {
  return Object.fromEntries(names.map((name) => [name, ld(lab.m, dev + DEV[name])]));
}

export function kindOf(lab: Lab, dev: Addr): number {
  return ld(lab.m, dev + DEV.kind);
}

export { KIND };
