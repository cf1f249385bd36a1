// Which queue of a TAP the kernel transmits a frame on. Left alone, a TAP follows the queue that a
// flow's last frame was WRITTEN to (tun_flow_update, drivers/net/tun.c), one packet late: with a
// switch that chooses queues by the kernel's rules on the other side, a flow then wanders from
// queue to queue and TCP sees its segments out of order. A veth, whose place the TAP takes, does
// nothing of the kind: its queue is the sender's choice. So a small steering program makes the
// queue a function of the frame's addresses and ports alone (TUNSETSTEERINGEBPF, Linux 4.16).
import { arch } from "node:os";
import { block, close, ioctl, syscall } from "@packetpath/libc";

const BPF_SYSCALL = { x64: 321, arm64: 280 }[arch()] ?? -1;
const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_SOCKET_FILTER = 1;
/** _IOR('T', 224, int) */
const TUNSETSTEERINGEBPF = 0x800454e0;

// Opcodes (linux/bpf.h). r0: what an absolute load gives; r6: the packet; r7: the hash so far.
const MOV = 0xbf;
const MOV_IMM = 0xb7;
const XOR = 0xaf;
const AND_IMM = 0x57;
const MUL32_IMM = 0x24;
const SHIFT_RIGHT_32 = 0x74;
const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const EXIT = 0x95;

/** Source and destination are mixed so that both directions of a flow get the same number. */
function program() {
  const code = [];
  const at = {};
  const emit = (op, dst, src, imm = 0, label = null) => code.push({ op, dst, src, imm, label });
  const mix = (load, offset) => {
    emit(load, 0, 0, offset);
    emit(XOR, 7, 0);
  };
  emit(MOV, 6, 1);
  emit(MOV_IMM, 7, 0);
  emit(LOAD_HALF, 0, 0, 12);
  emit(JUMP_EQUAL, 0, 0, 0x0800, "ipv4");
  emit(JUMP_EQUAL, 0, 0, 0x86dd, "ipv6");
  emit(JUMP, 0, 0, 0, "done");
  at.ipv4 = code.length;
  for (const offset of [26, 30]) mix(LOAD_WORD, offset);
  emit(LOAD_BYTE, 0, 0, 23);
  emit(JUMP_EQUAL, 0, 0, 6, "ports4");
  emit(JUMP_EQUAL, 0, 0, 17, "ports4");
  emit(JUMP, 0, 0, 0, "done");
  at.ports4 = code.length;
  for (const offset of [34, 36]) mix(LOAD_HALF, offset);
  emit(JUMP, 0, 0, 0, "done");
  at.ipv6 = code.length;
  for (let offset = 22; offset < 54; offset += 4) mix(LOAD_WORD, offset);
  emit(LOAD_BYTE, 0, 0, 20);
  emit(JUMP_EQUAL, 0, 0, 6, "ports6");
  emit(JUMP_EQUAL, 0, 0, 17, "ports6");
  emit(JUMP, 0, 0, 0, "done");
  at.ports6 = code.length;
  for (const offset of [54, 56]) mix(LOAD_HALF, offset);
  at.done = code.length;
  emit(MUL32_IMM, 7, 0, 0x9e3779b1);
  emit(SHIFT_RIGHT_32, 7, 0, 16);
  emit(MOV, 0, 7);
  emit(AND_IMM, 0, 0, 0xffff);
  emit(EXIT, 0, 0);
  return { code, at };
}

function assemble() {
  const { code, at } = program();
  const memory = block(code.length * 8);
  for (const [i, { op, dst, src, imm, label }] of code.entries()) {
    memory.view.setUint8(8 * i, op);
    memory.view.setUint8(8 * i + 1, (src << 4) | dst);
    memory.view.setInt16(8 * i + 2, label === null ? 0 : at[label] - i - 1, true);
    memory.view.setInt32(8 * i + 4, imm | 0, true);
  }
  return { memory, count: code.length };
}

/** Loads the program; answers its descriptor or a negative errno. */
function load() {
  const { memory, count } = assemble();
  const license = block(8);
  license.bytes.set(new TextEncoder().encode("MIT\0"));
  const attributes = block(128);
  attributes.view.setUint32(0, BPF_PROG_TYPE_SOCKET_FILTER, true);
  attributes.view.setUint32(4, count, true);
  attributes.view.setBigUint64(8, BigInt(memory.address), true);
  attributes.view.setBigUint64(16, BigInt(license.address), true);
  return syscall(BPF_SYSCALL, BPF_PROG_LOAD, attributes.address, 128);
}

/**
 * Makes the queue of each frame that the device's kernel sends a function of its flow.
 * @param fd any attached queue.
 * @returns 0, or a negative errno: a kernel without bpf(2) leaves the TAP to its own steering.
 */
export function setFlowSteering(fd) {
  const program = load();
  if (program < 0) return program;
  const argument = block(8);
  argument.view.setInt32(0, program, true);
  const result = ioctl(fd, TUNSETSTEERINGEBPF, argument.address);
  // The device holds the program from here on.
  close(program);
  return result;
}
