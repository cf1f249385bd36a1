// A namespace in which one packet, written to a TAP, becomes more than a thousand: it is forwarded
// to the loopback device, whose MTU is 68, in pieces of 48 bytes, all inside of one write(2). Needs
// root. Synchronous; main thread. Kernel: net/ipv4/ip_output.c, ip_do_fragment.
import { readFileSync, writeFileSync } from "node:fs";
import { withNetns } from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { tableOf } from "../linux.js";
import { counters } from "../netns.js";
import { RtnetlinkSocket } from "../rtnetlink.js";
import type { BackendDescriptor, NamespaceRef } from "../types.js";

/** The smallest MTU of IPv4 (RFC 791): a header of 20 bytes and six units of 8. */
const MTU = 68;
export const PIECE_BYTES = 48;
/** The loopback device is the first of every namespace. */
const LOOPBACK = 1;

/** Of one namespace, since it was made. */
export interface ForwardCounters {
  /** Ip.InReceives: packets that were taken in, whatever became of them. */
  readonly received: number;
  /** Ip.FragCreates: pieces that were made. */
  readonly pieces: number;
}

/**
 * @param cidr packets to there are forwarded to the loopback device.
 * @throws PacketpathError SYSTEM_CALL.
 */
export function forwardInPieces(
  descriptor: BackendDescriptor,
  namespace: NamespaceRef,
  cidr: string,
): void {
  const netlink = new RtnetlinkSocket(tableOf(descriptor), namespace);
  try {
    const must = (deed: string, result: number): void => {
      if (result >= 0) return;
      const where = `lo in ${namespace.name}`;
      throw new PacketpathError("SYSTEM_CALL", `${where}: ${errnoName(result)} (${deed})`);
    };
    must("set mtu", netlink.changeLink(LOOPBACK, { mtu: MTU }));
    must("add route", netlink.addLinkRoute(LOOPBACK, cidr));
  } finally {
    netlink.close();
  }
  withNetns(namespace.handle, () => writeFileSync("/proc/sys/net/ipv4/ip_forward", "1"));
}

export function readForwardCounters(namespace: NamespaceRef): ForwardCounters {
  const text = withNetns(namespace.handle, () =>
    readFileSync("/proc/thread-self/net/snmp", "latin1"),
  );
  const all = counters(text);
  return { received: all.get("Ip.InReceives") ?? 0, pieces: all.get("Ip.FragCreates") ?? 0 };
}

/** net.core.netdev_max_backlog: one for the whole host, hence never changed. */
export function readBacklogLimit(): number {
  return Number(readFileSync("/proc/sys/net/core/netdev_max_backlog", "latin1"));
}
