// UDP flood: a worker thread that sends from many source ports, and one that counts what arrives.
// Started by linux.ts. The sender never blocks: what the kernel refuses is counted by errno and
// not tried again. Both watch the stop word, since a thread in such a loop reads no messages.
//
//   mmsghdr[i] -> msg_name: the target          one struct per datagram of a batch,
//              -> msg_iov:  one iovec -> payload  all alike, laid out once
import { isIPv6 } from "node:net";
import * as libc from "@packetpath/libc";
import { nowMs, nowNs } from "../base/clock.js";
import { ERRNO } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import { enterNamespace } from "../host/open.js";
import {
  bindSocket,
  closeSockets,
  ErrnoCounts,
  isUnresolved,
  openSocket,
  Pacer,
  ReadableWait,
  reportErrors,
  setReceiveBuffer,
  socketAddress,
} from "./datagrams.js";
import { connectRole, type RoleLine } from "./threads.js";
import { LOAD_COUNTER, type UdpFloodSpec } from "./types.js";

const { C, STRUCTS } = libc;

/** A tick sends to `flows` ports in turn, in system calls of this many datagrams at most. */
const BATCH_MAX = 64;
/** Below this, a system call per datagram costs more than uneven flows would. */
const BATCH_PREFERRED = 8;
const FLOWS_MAX = 4096;
const PAYLOAD_MAX = 65_507;
/** The kernel asks three times, a second apart, before it gives a neighbor up. */
const NEIGHBOR_WAIT_MS = 3000;
/** What has not arrived when nothing has for so long after the sender's end is lost. */
const SILENCE_MS = 300;
/** The receiver looks at the shared words so often while nothing arrives. */
const LOOK_MS = 20;
const RECEIVE_BUFFER_BYTES = 8 << 20;

export type FloodRole = "send" | "receive";
export interface FloodRoleSpec {
  readonly role: FloodRole;
  readonly flood: UdpFloodSpec;
}
export interface FloodSenderResult {
  readonly sent: number;
  readonly errors: Record<string, number>;
  readonly seconds: number;
}

class FloodSender {
  private readonly spec: UdpFloodSpec;
  private readonly words: Int32Array;
  private readonly sockets: number[] = [];
  private readonly errors = new ErrnoCounts();
  private readonly messages: libc.Block;
  private sent = 0;
  private nextSocket = 0;

  constructor(line: RoleLine<FloodRoleSpec>) {
    this.spec = line.spec.flood;
    this.words = line.words;
    checkSpec(this.spec);
    for (let i = 0; i < this.spec.flows; i++) {
      const socket = openSocket("udp", this.spec.targetAddress);
      reportErrors(socket, this.spec.targetAddress);
      this.sockets.push(socket);
    }
    this.messages = layOutMessages(this.spec);
  }

  run(): FloodSenderResult {
    const startMs = nowMs();
    this.sendTo(0, 1);
    this.awaitNeighbor();
    if (this.spec.ratePerSecond > 0) this.runPaced();
    else this.runUnpaced();
    Atomics.store(this.words, LOAD_COUNTER.datagramsSent, this.sent);
    const seconds = (nowMs() - startMs) / 1000;
    return { sent: this.sent, errors: this.errors.toRecord(), seconds };
  }

  private get isStopped(): boolean {
    return Atomics.load(this.words, LOAD_COUNTER.stop) !== 0;
  }

  /** Ends within a millisecond of the stop: `stop` notifies the word. */
  private pause(): void {
    Atomics.wait(this.words, LOAD_COUNTER.stop, 0, 1);
  }

  private runPaced(): void {
    const pacer = new Pacer(this.spec.ratePerSecond, nowNs());
    while (!this.isStopped) {
      const due = pacer.take(nowNs());
      if (due > 0) this.sendBurst(due);
      this.pause();
    }
  }

  private runUnpaced(): void {
    while (!this.isStopped) {
      const before = this.sent;
      this.sendBurst(BATCH_MAX);
      // Nothing taken: the device is gone or full. Trying again at once would only burn the CPU.
      if (this.sent === before) this.pause();
    }
  }

  /** Sends `due` datagrams, from as many source ports as the batches allow. */
  private sendBurst(due: number): void {
    const even = Math.ceil(due / this.sockets.length);
    const batch = Math.min(BATCH_MAX, Math.max(even, BATCH_PREFERRED));
    let left = due;
    while (left > 0 && !this.isStopped) {
      const count = Math.min(left, batch);
      this.sendTo(this.nextSocket, count);
      this.nextSocket = (this.nextSocket + 1) % this.sockets.length;
      left -= count;
    }
    Atomics.store(this.words, LOAD_COUNTER.datagramsSent, this.sent);
  }

  /** Every datagram of the batch ends as sent or as one error, so the loop has `count` rounds. */
  private sendTo(socketIndex: number, count: number): void {
    const socket = this.sockets[socketIndex]!;
    let left = count;
    while (left > 0) {
      const result = libc.sendmmsg(socket, this.messages.address, left, C.MSG_DONTWAIT);
      if (result > 0) {
        this.sent += result;
        left -= result;
      } else {
        this.errors.add(result === 0 ? -ERRNO.EAGAIN : result);
        left--;
      }
    }
  }

  /** The first datagram has made the kernel ask for the neighbor; this waits for the answer. */
  private awaitNeighbor(): void {
    const { targetAddress } = this.spec;
    const deadlineMs = nowMs() + NEIGHBOR_WAIT_MS;
    while (!this.isStopped && nowMs() < deadlineMs) {
      if (!isUnresolved(targetAddress)) return;
      this.pause();
    }
  }
}

function checkSpec(spec: UdpFloodSpec): void {
  if (!(spec.flows >= 1 && spec.flows <= FLOWS_MAX)) {
    throw new PacketpathError("USAGE", `a flood has 1 to ${FLOWS_MAX} flows, not ${spec.flows}`);
  }
  if (!(spec.payloadBytes >= 0 && spec.payloadBytes <= PAYLOAD_MAX)) {
    const why = `a UDP payload has 0 to ${PAYLOAD_MAX} bytes, not ${spec.payloadBytes}`;
    throw new PacketpathError("USAGE", why);
  }
}

/** One block: BATCH_MAX mmsghdr structs, then the iovec, the target address, the payload. */
function layOutMessages(spec: UdpFloodSpec): libc.Block {
  const { mmsghdr, msghdr, iovec } = STRUCTS;
  const name = socketAddress(spec.targetAddress, spec.targetPort);
  const iovecOffset = BATCH_MAX * mmsghdr.size;
  const nameOffset = iovecOffset + iovec.size;
  const payloadOffset = nameOffset + name.length;
  const block = libc.block(payloadOffset + spec.payloadBytes);
  const addressAt = (offset: number): bigint => BigInt(block.address + offset);
  block.bytes.set(name, nameOffset);
  for (let i = 0; i < spec.payloadBytes; i++) block.bytes[payloadOffset + i] = i & 0xff;
  block.view.setBigUint64(iovecOffset + iovec.base, addressAt(payloadOffset), true);
  block.view.setBigUint64(iovecOffset + iovec.len, BigInt(spec.payloadBytes), true);
  for (let i = 0; i < BATCH_MAX; i++) {
    const header = i * mmsghdr.size + mmsghdr.hdr;
    block.view.setBigUint64(header + msghdr.name, addressAt(nameOffset), true);
    block.view.setUint32(header + msghdr.namelen, name.length, true);
    block.view.setBigUint64(header + msghdr.iov, addressAt(iovecOffset), true);
    block.view.setBigUint64(header + msghdr.iovlen, 1n, true);
  }
  return block;
}

/** Counts datagrams until all are there that the sender sent, or the rest must be lost. */
class FloodReceiver {
  private readonly words: Int32Array;
  private readonly socket: number;
  private readonly buffer = libc.block(64);
  private readonly readable = new ReadableWait();
  private received = 0;

  constructor(line: RoleLine<FloodRoleSpec>) {
    const spec = line.spec.flood;
    this.words = line.words;
    this.socket = openSocket("udp", spec.targetAddress);
    const any = isIPv6(spec.targetAddress) ? "::" : "0.0.0.0";
    bindSocket(this.socket, any, spec.targetPort);
    setReceiveBuffer(this.socket, RECEIVE_BUFFER_BYTES);
  }

  run(): number {
    let quietSinceMs = Infinity;
    for (;;) {
      const hasSome = this.readable.wait(this.socket, LOOK_MS);
      if (hasSome) this.drain();
      if (Atomics.load(this.words, LOAD_COUNTER.senderEnded) === 0) continue;
      if (hasSome || quietSinceMs === Infinity) quietSinceMs = nowMs();
      const sent = Atomics.load(this.words, LOAD_COUNTER.datagramsSent);
      if (this.received >= sent || nowMs() - quietSinceMs >= SILENCE_MS) return this.received;
    }
  }

  /** At most some thousand at once, so that the words are looked at under any rate. */
  private drain(): void {
    for (let i = 0; i < 4096; i++) {
      // Longer datagrams are cut off: only the fact that one was there is counted.
      const result = libc.recv(this.socket, this.buffer.address, 64, C.MSG_DONTWAIT);
      if (result === -ERRNO.EAGAIN) break;
      if (result >= 0) this.received++;
    }
    Atomics.store(this.words, LOAD_COUNTER.datagramsReceived, this.received);
  }
}

await connectRole<FloodRoleSpec>(async (line) => {
  await enterNamespace(line.descriptor, line.namespace);
  try {
    const end = line.spec.role === "receive" ? new FloodReceiver(line) : new FloodSender(line);
    line.ready();
    line.finish(end.run());
  } finally {
    closeSockets();
  }
});
