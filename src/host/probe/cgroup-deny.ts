// A control group whose processes get no IP sockets: a BPF program of two instructions on
// BPF_CGROUP_INET_SOCK_CREATE. The kernel asks it at the end of inet_create, with the sk already
// made, so its no exercises what is taken back there. Main thread, root.
import { block, C, close, open, syscall } from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { makeCgroup, type OwnCgroup } from "./cgroup.js";

const BPF_CALL: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };
// enum bpf_cmd, bpf_prog_type, bpf_attach_type of linux/bpf.h.
const PROG_LOAD = 5;
const PROG_ATTACH = 8;
const CGROUP_SOCK = 9;
const INET_SOCK_CREATE = 2;

/** r0 = 0 (no); exit. Eight bytes each: code, registers, offset, immediate. */
const PROGRAM = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
/** Offsets in the attr of PROG_LOAD; those of PROG_ATTACH are three words from 0. */
const LOAD = { type: 0, count: 4, instructions: 8, license: 16, attachType: 68, size: 72 };

/** @returns the group, or why there is none. */
export function deniedCgroup(): OwnCgroup | string {
  const group = makeCgroup("v2", "sockets");
  if (typeof group === "string") return group;
  const error = attach(group.folder);
  if (error === null) return group;
  // Nobody is in it yet.
  void group.remove();
  return error;
}

/** @returns null, or which call failed. The program stays for as long as the group. */
function attach(folder: string): string | null {
  const number = BPF_CALL[process.arch];
  if (number === undefined) return `no number of bpf(2) for ${process.arch}`;
  const program = load(number);
  if (program < 0) return `bpf(BPF_PROG_LOAD): ${errnoName(program)}`;
  const directory = open(folder, C.O_RDONLY | C.O_CLOEXEC);
  const words = block(16);
  [directory, program, INET_SOCK_CREATE].forEach((word, i) => {
    words.view.setInt32(i * 4, word, true);
  });
  const attached = syscall(number, PROG_ATTACH, words.address, 16);
  close(program);
  close(directory);
  return attached < 0 ? `bpf(BPF_PROG_ATTACH): ${errnoName(attached)}` : null;
}

function load(number: number): number {
  const code = block(PROGRAM.length);
  code.bytes.set(PROGRAM);
  const license = block(4);
  license.bytes.set(new TextEncoder().encode("GPL"));
  const words = block(LOAD.size);
  words.view.setUint32(LOAD.type, CGROUP_SOCK, true);
  words.view.setUint32(LOAD.count, PROGRAM.length / 8, true);
  words.view.setBigUint64(LOAD.instructions, BigInt(code.address), true);
  words.view.setBigUint64(LOAD.license, BigInt(license.address), true);
  words.view.setUint32(LOAD.attachType, INET_SOCK_CREATE, true);
  return syscall(number, PROG_LOAD, words.address, LOAD.size);
}
