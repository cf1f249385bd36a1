// A ping to 127.0.0.1 with a raw ICMP socket, one system call per step, so that a trace shows which
// call does what. Needs root. Synchronous; the thread that shall be seen in the trace.
import { C, STRUCTS, block, close, poll, recv, sendto, socket, withNetns } from "@packetpath/libc";
import { ERRNO, errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import type { NamespaceRef } from "../types.js";

const { sockaddr_in, pollfd } = STRUCTS;
const IPPROTO_ICMP = 1;
/** RFC 792: an echo request of 16 bytes. The receiving socket gets the IP header, too. */
const MESSAGE = { bytes: 16, identifier: 4, sequence: 6, checksum: 2 } as const;
const IP_HEADER_BYTES = 20;
/** Of a request or a reply, as the loopback device counts it when it receives. */
export const PING_BYTES = IP_HEADER_BYTES + MESSAGE.bytes;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const RECEIVE_BYTES = 256;
/** A raw socket sees the request, too; in a namespace of our own, nobody else sends more. */
const MESSAGES_MAX = 16;

export interface LoopbackPing {
  /** @returns 0, or a negative errno of sendto(2). */
  send(sequence: number): number;
  /** Whether the reply is there. @param timeoutMs 0: look once, without waiting. */
  hasReply(sequence: number, timeoutMs: number): boolean;
  close(): void;
}

/** @throws PacketpathError SYSTEM_CALL without a raw socket. */
export function openLoopbackPing(namespace: NamespaceRef): LoopbackPing {
  const type = C.SOCK_RAW | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK;
  const fd = withNetns(namespace.handle, () => socket(C.AF_INET, type, IPPROTO_ICMP));
  if (fd < 0) throw new PacketpathError("SYSTEM_CALL", `raw ICMP socket: ${errnoName(fd)}`);
  const target = block(sockaddr_in.size);
  target.view.setUint16(sockaddr_in.family, C.AF_INET, true);
  target.bytes.set([127, 0, 0, 1], sockaddr_in.addr);
  const message = block(MESSAGE.bytes);
  const answer = block(RECEIVE_BYTES);
  const entry = block(pollfd.size);
  const identifier = process.pid & 0xffff;

  /** Takes one message from the socket: the reply, another message, or none. */
  function take(sequence: number): "reply" | "other" | "none" {
    const n = recv(fd, answer.address, RECEIVE_BYTES, C.MSG_DONTWAIT);
    if (n === -ERRNO.EINTR) return "other";
    if (n < 0) return "none";
    const at = IP_HEADER_BYTES;
    const isReply =
      n >= at + MESSAGE.bytes &&
      answer.bytes[at] === ECHO_REPLY &&
      answer.view.getUint16(at + MESSAGE.identifier) === identifier &&
      answer.view.getUint16(at + MESSAGE.sequence) === sequence;
    return isReply ? "reply" : "other";
  }

  return {
    send(sequence) {
      writeEcho(message.view, identifier, sequence);
      const to = { address: target.address, length: sockaddr_in.size };
      const n = sendto(fd, message.address, MESSAGE.bytes, 0, to);
      return n < 0 ? n : 0;
    },
    hasReply(sequence, timeoutMs) {
      for (let i = 0; i < MESSAGES_MAX; i++) {
        const taken = take(sequence);
        if (taken === "reply") return true;
        if (taken === "other") continue;
        entry.view.setInt32(pollfd.fd, fd, true);
        entry.view.setInt16(pollfd.events, C.POLLIN, true);
        if (timeoutMs === 0 || poll(entry.address, 1, timeoutMs) <= 0) return false;
      }
      return false;
    },
    close: () => void close(fd),
  };
}

function writeEcho(view: DataView, identifier: number, sequence: number): void {
  view.setUint16(0, ECHO_REQUEST << 8);
  view.setUint16(MESSAGE.identifier, identifier);
  view.setUint16(MESSAGE.sequence, sequence);
  // The other bytes are 0, and the sum is below 2^17.
  const sum = (ECHO_REQUEST << 8) + identifier + sequence;
  view.setUint16(MESSAGE.checksum, 0xffff - ((sum & 0xffff) + (sum >>> 16)));
}
