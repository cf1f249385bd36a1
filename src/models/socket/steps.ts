// The steps of socket(2) that can fail, in their order, and what each answers. Data that the rules
// and the tests of the explored model share; any thread.

/** A call as a program writes it; flags are in the type. */
export interface SocketCall {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
}

/** What of the host and of the calling thread decides. */
export interface SocketFacts {
  /** Names of /proc/net/protocols. */
  readonly protocols: ReadonlySet<string>;
  /** Netlink protocols that somebody in the kernel answers. */
  readonly netlink: ReadonlySet<number>;
  /** Whether the kernel would load a module for this alias. */
  readonly loads: (alias: string) => boolean;
  /** The kernel has no memory for the thread, so there is no inode. */
  readonly lacksMemory: boolean;
  /** CAP_NET_RAW in the user namespace of the network namespace. */
  readonly mayRaw: boolean;
  /** A group of the thread is in net.ipv4.ping_group_range. */
  readonly mayPing: boolean;
  /** net.mptcp.enabled. */
  readonly mptcp: boolean;
  readonly hasVsockDatagrams: boolean;
  /** How many descriptors RLIMIT_NOFILE leaves. */
  readonly descriptorsLeft: number;
  /** A filter answers the call, of one family or of all; null: no filter. */
  readonly seccomp: { readonly errno: number; readonly family: number | null } | null;
  /** A BPF program of the cgroup says no (BPF_CGROUP_INET_SOCK_CREATE). */
  readonly cgroupDenies: boolean;
}

/** 0 and "created", or the errno and the step that fails. */
export interface Answer {
  readonly step: StepName;
  readonly errno: number;
}

interface Step {
  /** Number in the order of the kernel's path; 0: before it. */
  readonly number: number;
  /** As the explored model calls it; null: it has nothing to undo, and is not modelled. */
  readonly model: string | null;
  /** What it answers by itself. */
  readonly errno: number;
}

const EPERM = 1;
const ENODEV = 19;
const EACCES = 13;
const EINVAL = 22;
const ENFILE = 23;
const EMFILE = 24;
const EPROTONOSUPPORT = 93;
const ESOCKTNOSUPPORT = 94;
const EAFNOSUPPORT = 97;

/** In the order in which a call meets them. */
export const STEPS = {
  /** Outside of the kernel's path: the call does not come that far. */
  seccomp: { number: 0, model: null, errno: EACCES },
  flags: { number: 1, model: "flags", errno: EINVAL },
  range: { number: 2, model: "range", errno: EAFNOSUPPORT },
  type: { number: 2, model: "type", errno: EINVAL },
  inode: { number: 4, model: "inode", errno: ENFILE },
  family: { number: 5, model: "family", errno: EAFNOSUPPORT },
  number: { number: 7, model: "number", errno: EINVAL },
  list: { number: 7, model: "list", errno: ESOCKTNOSUPPORT },
  protocol: { number: 7, model: "protocol", errno: EPROTONOSUPPORT },
  capability: { number: 8, model: "capability", errno: EPERM },
  /** proto->init: what comes after it must be taken back with the sk. */
  init: { number: 9, model: "init", errno: EACCES },
  /** What AF_VSOCK has in its place; the explored model has one family. */
  transport: { number: 9, model: null, errno: ENODEV },
  cgroup: { number: 9, model: "cgroup", errno: EPERM },
  descriptor: { number: 12, model: "descriptor", errno: EMFILE },
  created: { number: 13, model: null, errno: 0 },
} as const satisfies Readonly<Record<string, Step>>;

export type StepName = keyof typeof STEPS;

export function answer(step: StepName, errno: number = STEPS[step].errno): Answer {
  return { step, errno };
}
