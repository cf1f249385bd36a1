// The rows of the table: which calls of socket(2) are asked, and under which restrictions of the
// calling thread. Pure; any thread.
import type { Call, Restriction } from "../../host/probe/socket-probe.js";

/** A restriction, and what the table calls it. */
export interface Condition {
  readonly name: string;
  readonly what: string;
  readonly restriction: Restriction;
  /** The BPF program of a cgroup refuses sockets of IP. */
  readonly cgroupDenies: boolean;
  /** The thread gets no kernel memory. */
  readonly lacksMemory: boolean;
  readonly calls: readonly Call[];
}

const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;

/** All families from below the first to behind the last, and one far out. */
const FAMILIES = [...range(-1, 46), 99];
const TYPES = range(0, 11);
/** UNIX, INET, INET6, NETLINK, PACKET. */
const DEEP_FAMILIES = [1, 2, 10, 16, 17];
const PROTOCOLS = [-1, 0, 1, 6, 17, 58, 132, 136, 255, 256, 262, 263];
/** Flags that are known, and some that are not, or make the type another. */
const FLAGS = [CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK, 0x10, 0x100, 0x1000, 1 << 30, -1];

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Every family with every type, every protocol where families have many, and flags. */
export function allCalls(): Call[] {
  const wide = FAMILIES.flatMap((family) => TYPES.map((type): Call => [family, type, 0]));
  const flagged = [...DEEP_FAMILIES, 99].flatMap((family) =>
    [1, 2, 3, 11, 15].flatMap((type) => FLAGS.map((flags): Call => [family, type | flags, 0])),
  );
  return unique([...wide, ...deepCalls(), ...flagged]);
}

/** What differs between restrictions: the families with protocols, and one that is not there. */
export function deepCalls(): Call[] {
  const deep = DEEP_FAMILIES.flatMap((family) =>
    TYPES.flatMap((type) => PROTOCOLS.map((protocol): Call => [family, type, protocol])),
  );
  return [...deep, [99, 1, 0], [-1, 1, 0], [2, 0x11, 0], [2, 1 | CLOEXEC, 6]];
}

function unique(calls: readonly Call[]): Call[] {
  return [...new Map(calls.map((call) => [call.join(), call])).values()];
}

const EACCES = 13;
/** An errno that no step of socket(2) has: EPROTO. */
const EPROTO = 71;

/** Conditions that need nothing but a thread of one's own. */
export function plainConditions(): Condition[] {
  const calls = deepCalls();
  const under = (name: string, what: string, restriction: Restriction): Condition => {
    return { name, what, restriction, cgroupDenies: false, lacksMemory: false, calls };
  };
  return [
    { ...under("plain", "all capabilities, no limit", {}), calls: allCalls() },
    under("no-raw", "without CAP_NET_RAW", { withoutRaw: true }),
    under("one-descriptor", "RLIMIT_NOFILE leaves one descriptor", { descriptors: "one" }),
    under("no-descriptor", "RLIMIT_NOFILE leaves none", { descriptors: "none" }),
    under("nofile-0", "RLIMIT_NOFILE is 0", { descriptors: "zero" }),
    under("no-raw-no-descriptor", "both: the earlier step answers", {
      withoutRaw: true,
      descriptors: "none",
    }),
    under("seccomp", "a seccomp filter answers EACCES", {
      refusal: { errno: EACCES, family: null },
    }),
    under("seccomp-inet6", "a seccomp filter answers EPROTO for AF_INET6", {
      refusal: { errno: EPROTO, family: 10 },
    }),
  ];
}

/** The condition that needs a cgroup of its own. */
export function cgroupCondition(): Condition {
  return {
    name: "cgroup-bpf",
    what: "a BPF program of the cgroup refuses IP sockets (INET_SOCK_CREATE)",
    restriction: {},
    cgroupDenies: true,
    lacksMemory: false,
    calls: deepCalls(),
  };
}

/** The condition that needs a memory cgroup of its own. */
export function memoryCondition(): Condition {
  return {
    name: "no-memory",
    what: "a memory cgroup leaves the thread none: no inode, whatever the family",
    restriction: {},
    cgroupDenies: false,
    lacksMemory: true,
    calls: [...deepCalls(), [45, 1, 0], [0, 1, 0]],
  };
}
