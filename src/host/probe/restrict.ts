// What a thread takes from itself, so that its calls of socket(2) fail in known ways: capabilities,
// descriptors, and system calls by a seccomp filter. All of it holds for the calling thread (the
// limit of descriptors for its process) and most of it for good: only for a child of its own.
import { block, C, close, getrlimit, open, prctl, setrlimit, syscall } from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";

/** Numbers of system calls (asm/unistd.h). */
const CALLS = {
  x64: { socket: 41, capget: 125, capset: 126, seccomp: 317, arch: 0xc000003e },
  arm64: { socket: 198, capget: 90, capset: 91, seccomp: 277, arch: 0xc00000b7 },
};

function numbers() {
  if (process.arch === "x64" || process.arch === "arm64") return CALLS[process.arch];
  throw new PacketpathError("ENVIRONMENT", `no numbers of system calls for ${process.arch}`);
}

function must(what: string, result: number): number {
  if (result >= 0) return result;
  throw new PacketpathError("SYSTEM_CALL", `${what}: ${errnoName(result)}`);
}

const CAP_NET_RAW = 13;
/** _LINUX_CAPABILITY_VERSION_3 of linux/capability.h: a header of two words, two sets of three. */
const CAPABILITY_VERSION = 0x20080522;

/** Takes CAP_NET_RAW out of the thread's effective set. */
export function dropRaw(): void {
  const { capget, capset } = numbers();
  const memory = block(32);
  memory.view.setUint32(0, CAPABILITY_VERSION, true);
  const sets = memory.address + 8;
  must("capget", syscall(capget, memory.address, sets));
  const effective = memory.view.getUint32(8, true);
  memory.view.setUint32(8, effective & ~(1 << CAP_NET_RAW), true);
  must("capset", syscall(capset, memory.address, sets));
}

/** Whether the thread has CAP_NET_RAW in its effective set. */
export function hasRaw(): boolean {
  const memory = block(32);
  memory.view.setUint32(0, CAPABILITY_VERSION, true);
  must("capget", syscall(numbers().capget, memory.address, memory.address + 8));
  return (memory.view.getUint32(8, true) & (1 << CAP_NET_RAW)) !== 0;
}

/** How many descriptors the process may open from now on; "zero": the limit itself is 0. */
export type Room = "zero" | "none" | "one";

/**
 * Lowers the soft limit of descriptors, with those that are open staying open.
 * @returns puts it back.
 */
export function limitDescriptors(room: Room): () => void {
  const before = getrlimit(C.RLIMIT_NOFILE);
  if (typeof before === "number") {
    throw new PacketpathError("SYSTEM_CALL", `getrlimit: ${errnoName(before)}`);
  }
  const next = must("open /dev/null", open("/dev/null", C.O_RDONLY | C.O_CLOEXEC));
  close(next);
  // A descriptor is refused when its number is the limit or above.
  const limit = { zero: 0, none: next, one: next + 1 }[room];
  must("setrlimit", setrlimit(C.RLIMIT_NOFILE, limit, before.hard));
  return () => void setrlimit(C.RLIMIT_NOFILE, before.soft, before.hard);
}

/** What a filter answers to socket(2): the errno, for one family or for all (null). */
export interface Refusal {
  readonly errno: number;
  readonly family: number | null;
}

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
// linux/filter.h and linux/seccomp.h: BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K.
const LOAD = 0x20;
const IF_EQUAL = 0x15;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
/** Offsets in struct seccomp_data: the number, the architecture, the low word of argument 0. */
const NR = 0;
const ARCH = 4;
const ARGUMENT_0 = 16;

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, value: number];

/** Answers calls of socket(2) by an errno, before the kernel's socket code sees them. */
export function refuseSockets({ errno, family }: Refusal): void {
  const { socket, arch } = numbers();
  const onFamily: Instruction[] =
    family === null
      ? []
      : [
          [LOAD, 0, 0, ARGUMENT_0],
          [IF_EQUAL, 0, 1, family >>> 0],
        ];
  const rest = onFamily.length + 1;
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCH],
    [IF_EQUAL, 0, rest + 2, arch],
    [LOAD, 0, 0, NR],
    [IF_EQUAL, 0, rest, socket],
    ...onFamily,
    [RETURN, 0, 0, ERRNO | errno],
    [RETURN, 0, 0, ALLOW],
  ];
  const code = block(program.length * 8);
  program.forEach(([op, jumpTrue, jumpFalse, value], i) => {
    code.view.setUint16(i * 8, op, true);
    code.view.setUint8(i * 8 + 2, jumpTrue);
    code.view.setUint8(i * 8 + 3, jumpFalse);
    code.view.setUint32(i * 8 + 4, value, true);
  });
  const header = block(16);
  header.view.setUint16(0, program.length, true);
  header.view.setBigUint64(8, BigInt(code.address), true);
  // Without it the filter would need CAP_SYS_ADMIN.
  must("prctl", prctl(PR_SET_NO_NEW_PRIVS, 1));
  must("seccomp", syscall(numbers().seccomp, SECCOMP_SET_MODE_FILTER, 0, header.address));
}
