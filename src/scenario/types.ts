// A scenario as the rest of the program sees it: checked, every default filled in, every name
// resolved. Plain data, frozen by convention; may be posted to other threads. `parse.ts` is the
// only maker. What a user may write (and leave out) is in `schema.ts`.
import type { Flow } from "../flow/types.js";
import type { PortVlan } from "../pipeline/ports.js";
import type { Mirror } from "../pipeline/switching/mirrors.js";
import type { Sample, Verdict } from "../report/types.js";
import type { ScenarioBalancer } from "./balancer/resolve.js";

/** Kernel versions whose transmit path can be emulated; the switches are data in `path`. */
export const PROFILES = [
  "5.4",
  "5.4-stable",
  "5.10",
  "5.10-stable",
  "5.15",
  "6.1",
  "6.1-stable",
  "6.9",
  "6.12",
  "current",
] as const;
export type ProfileName = (typeof PROFILES)[number];

/** Guards of `do_output` that are built in; anything else is the path of a user's module. */
export const GUARDS = [
  "none",
  "carrier",
  "running-carrier",
  "running",
  "registered",
  "qcount",
] as const;

/** Whether a guard's name is a path: `./my-guard.js`, `guards/mine.ts`. */
export function isModulePath(guard: string): boolean {
  return guard.includes("/") || /\.(js|mjs|ts|mts)$/.test(guard);
}

/** Verdicts that a scenario may expect. */
export const VERDICTS = ["SAFE", "LOCKUP", "DEADLOCK", "LEAK", "ASSERT", "INVALID"] as const;

/** The kinds of OVS-side devices. */
export const PORT_KINDS = [
  "veth",
  "tun",
  "internal",
  "dummy",
  "bond",
  "macvlan",
  "vxlan",
  "ifb",
  "balancer",
] as const;
export type PortKind = (typeof PORT_KINDS)[number];

/** Kinds with a real device in a namespace; frames of users enter and leave through these. */
export const KINDS_IN_NAMESPACE: readonly PortKind[] = ["veth", "tun", "internal"];
/** Kinds that hand their frames to another device. */
export const KINDS_ABOVE_LOWER: readonly PortKind[] = ["bond", "macvlan", "vxlan"];

export const FAULT_KINDS = [
  "netns-delete",
  "link-delete",
  "outsider-link-delete",
  "outsider-netns-delete",
  "link-down",
  "link-up",
  "flap",
  "carrier-off",
  "carrier-on",
  "queue-shrink",
  "queue-grow",
  "queue-detach",
  "queue-attach",
  "del-port",
  "netns-move",
  "re-plug",
  "worker-stall",
  "txqueuelen",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Kinds whose target is a namespace. */
export const NAMESPACE_TARGETS: readonly FaultKind[] = ["netns-delete", "outsider-netns-delete"];

/** What a fault waits for. `framesSeen` counts frames that were read from any port. */
export const TRIGGERS = ["inFlight", "requestsSent", "responses", "framesSeen", "afterMs"] as const;
export type TriggerKind = (typeof TRIGGERS)[number];

export interface ScenarioPort {
  /** Name of the OVS-side device, 1 to 15 characters, unique in the scenario. */
  readonly name: string;
  /** OpenFlow port number, 1 to 1023. */
  readonly number: number;
  readonly kind: PortKind;
  /** Where the peer lives; null for kinds without a real device of their own. */
  readonly namespace: string | null;
  /** Name of the peer inside the namespace. */
  readonly device: string;
  /** 1 to 256, both of the emulated device and of its real peer. */
  readonly queues: number;
  /** CIDR texts of the peer, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** Where the peer sends what is in no subnet of its own. */
  readonly gateways: readonly string[];
  /** null: chosen by the host. */
  readonly mac: string | null;
  readonly mtu: number;
  readonly txQueueLen: number;
  readonly offloads: boolean;
  /** bond, macvlan, vxlan: the port below; otherwise null. */
  readonly lower: string | null;
  /** Write a pcapng file of this port's frames into the run folder. */
  readonly capture: boolean;
  /** How it carries VLANs. */
  readonly vlan: PortVlan;
  /** Bits of PORT_FLAG. */
  readonly flags: number;
}

/** The switch itself. */
export interface ScenarioBridge {
  readonly name: string;
  /** MAC addresses at a time, 10 to 1,000,000. */
  readonly macTableSize: number;
  /** 15 to 3600. */
  readonly macAgingSeconds: number;
  readonly forwardBpdu: boolean;
  readonly floodVlans: readonly number[];
  readonly mirrors: readonly Mirror[];
}

export interface HttpLoad {
  readonly from: string;
  /** A namespace, or a service of the balancer. */
  readonly to: string;
  /**
   * First address of the first port in `to` that shares a subnet with `from` (without prefix); the
   * service's address.
   */
  readonly toAddress: string;
  readonly port: number;
  /** Where the requests end: a namespace and port for each server. */
  readonly servers: readonly { readonly namespace: string; readonly port: number }[];
  /** The target is a service: servers are to learn each client's own address. */
  readonly isBalanced: boolean;
  /** Addresses of `from` that requests come from in turn; empty: the kernel chooses. */
  readonly sourceAddresses: readonly string[];
  readonly requests: number;
  /** The server answers nothing until so many requests are in flight; 0: answers at once. */
  readonly holdUntilInFlight: number;
  /** 0: all at once. */
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly bodyBytes: number;
}

export interface BystanderLoad {
  readonly from: string;
  readonly to: string;
  readonly toAddress: string;
  readonly port: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly bodyBytes: number;
}

export interface FloodLoad {
  readonly from: string;
  /** As written: a namespace or an address. */
  readonly to: string;
  readonly toAddress: string;
  readonly port: number;
  /** Source ports, hence flows, hence queues in use. */
  readonly flows: number;
  /** Datagrams per second; 0: as fast as one thread can. */
  readonly ratePerSecond: number;
  readonly payloadBytes: number;
}

export interface PingLoad {
  readonly from: string;
  readonly to: string;
  readonly toAddress: string;
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface ScenarioFault {
  readonly kind: FaultKind;
  /** A namespace for netns-delete and outsider-netns-delete; "worker N"; otherwise a port. */
  readonly target: string;
  readonly at: { readonly on: TriggerKind; readonly value: number };
  /** Done `times` times in all, plugged in again in between. null: once. */
  readonly repeat: { readonly times: number; readonly everyMs: number } | null;
  /** The fault is undone after so long; null: it lasts to the end of the run. */
  readonly leaseMs: number | null;
  /** A fault that touched no frame makes the run INVALID. */
  readonly expectsEffect: boolean;
  /** queue-shrink, queue-grow: the new number of queues; otherwise null. */
  readonly queueCount: number | null;
  /** queue-detach, queue-attach: queue indexes from 0; otherwise null. */
  readonly queueIndexes: readonly number[] | null;
  /** txqueuelen: the new length in frames; otherwise null. */
  readonly txQueueLen: number | null;
  /** netns-move: where to; otherwise null. */
  readonly toNamespace: string | null;
  /** worker-stall: which worker (from 0) and for how long; otherwise null. */
  readonly worker: number | null;
  readonly stallMs: number | null;
  /** flap: one down-and-up takes `periodMs` and happens `count` times; otherwise null. */
  readonly periodMs: number | null;
  readonly count: number | null;
}

export interface Scenario {
  /** The file it came from, as the user named it. */
  readonly file: string;
  readonly name: string;
  readonly description: string;
  readonly profile: ProfileName;
  /** A name from GUARDS, or the path of a module, relative to the working directory. */
  readonly guard: string;
  readonly seed: number;
  /** Guard to verdict; `default` is always there. Ask `expectedVerdict`. */
  readonly expect: Readonly<Record<string, Verdict>>;
  readonly bridge: ScenarioBridge;
  /** The load balancer behind one of the ports; null: there is none. */
  readonly balancer: ScenarioBalancer | null;
  /** Worker threads; worker k serves queue k, k + workers ... of every port. */
  readonly workers: number;
  /** Datagrams that leave together are written as one super-frame. */
  readonly uso: boolean;
  readonly namespaces: readonly string[];
  readonly ports: readonly ScenarioPort[];
  /** The flow table as written, and as parsed. An empty text means one flow: actions=NORMAL. */
  readonly flowsText: string;
  readonly flows: readonly Flow[];
  readonly load: {
    readonly http: HttpLoad | null;
    readonly bystander: BystanderLoad | null;
    readonly flood: readonly FloodLoad[];
    readonly ping: readonly PingLoad[];
  };
  readonly faults: readonly ScenarioFault[];
  /** Flow dumps that hold ovs_mutex for `dumpMs`, every `dumpEveryMs`; null: none. */
  readonly vswitchd: { readonly dumpEveryMs: number; readonly dumpMs: number } | null;
  readonly watchdog: { readonly threshSeconds: number; readonly onLockup: "end" | "continue" };
  /** Traffic goes on for so long after the last fault or response, before the books are closed. */
  readonly settleMs: number;
  /** Length of a run without HTTP load, and the least length of one with; null: no minimum. */
  readonly durationMs: number | null;
}

/** What the scenario expects of a run with this guard. */
export function expectedVerdict(scenario: Scenario, guard: string): Verdict {
  return scenario.expect[guard] ?? scenario.expect["default"] ?? "SAFE";
}

/** How one run is to be done, beside what the scenario says: the arguments of `runScenario`. */
export interface RunOptions {
  /** As the user wrote it: a name from GUARDS or the path of a module. */
  readonly guard: string;
  /** The user's guard as a loadable file (absolute path, JavaScript); null for built-in guards. */
  readonly guardModule: string | null;
  readonly backend: "linux" | "memory";
  readonly seed: number;
  /** An existing folder for captures and reports; null: keep nothing. */
  readonly outFolder: string | null;
  /** The command that repeats this run. */
  readonly command: string;
  /** Where the tools of Open vSwitch can speak to the switch meanwhile; absent: nowhere. */
  readonly controlPath?: string;
  /** Aborted when the user wants an orderly stop. */
  readonly signal: AbortSignal;
  readonly onProgress: (sample: Sample) => void;
}

/** The arguments of `upScenario`. */
export interface UpOptions {
  readonly guard: string;
  readonly guardModule: string | null;
  readonly backend: "linux" | "memory";
  readonly signal: AbortSignal;
  /** Called once, with what a person needs to know, when frames are forwarded. */
  readonly onReady: (text: string) => void;
}
