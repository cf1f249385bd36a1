// rtnetlink: links, addresses and routes of one namespace over one AF_NETLINK socket.
// Synchronous; one thread per socket (main or control). Deeds return 0 or a negative errno;
// what is malformed in an answer is skipped, never trusted for a length.
//
// A request costs some 15 us; the `ip` program costs 2 ms for the same (it must be started).
// The socket pins its namespace, so whoever opens one must close it for the namespace to go.
import {
  C,
  STRUCTS,
  bind,
  block,
  recv,
  send,
  setsockopt,
  socket,
  withNetns,
} from "@packetpath/libc";
import { ERRNO, errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import { FD_NETLINK, type FdTable } from "./fd-table.js";
import { addressBytes, cString, forEachMessage, macBytes, parseLink } from "./link-message.js";
import type { Link } from "./link-message.js";
import type { NamespaceRef } from "./types.js";

const { nlmsghdr, ifinfomsg, ifaddrmsg, rtmsg } = STRUCTS;

/** The kernel sends dumps in parts of up to 32 KB. */
const RECEIVE_BYTES = 65_536;
const REQUEST_BYTES = 1024;
/** Parts of one answer; a dump of 10,000 links has some 500. */
const PARTS_MAX = 4096;
/** A dump that was interrupted by changes is asked for again, this often at most. */
const DUMPS_MAX = 8;

/** What a link can be told in one request. */
export interface LinkChange {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly txQueueLen?: number;
  readonly mac?: string;
  /** An open namespace file descriptor to move the link to. */
  readonly netns?: number;
}

export class RtnetlinkSocket {
  readonly fd: number;
  private readonly table: FdTable;
  private readonly namespace: NamespaceRef;
  private readonly request = block(REQUEST_BYTES);
  private readonly answer = block(RECEIVE_BYTES);
  private length = 0;
  private sequence = 0;

  /** @param groups multicast groups to listen to (RTMGRP_*); 0 for requests only. */
  constructor(table: FdTable, namespace: NamespaceRef, groups = 0) {
    this.table = table;
    this.namespace = namespace;
    const type = C.SOCK_RAW | C.SOCK_CLOEXEC | (groups === 0 ? 0 : C.SOCK_NONBLOCK);
    const fd = withNetns(namespace.handle, () => socket(C.AF_NETLINK, type, C.NETLINK_ROUTE));
    if (fd < 0) this.fail("socket", fd);
    this.fd = table.own(fd, FD_NETLINK);
    if (groups !== 0) this.listen(groups);
  }

  private listen(groups: number): void {
    // 4 MB hold some 3,000 link messages; the default holds 150 and 32 queues make many.
    this.request.view.setInt32(0, 4 << 20, true);
    setsockopt(this.fd, C.SOL_SOCKET, C.SO_RCVBUFFORCE, this.request.address, 4);
    const address = STRUCTS.sockaddr_nl;
    this.request.bytes.fill(0, 0, address.size);
    this.request.view.setUint16(address.family, C.AF_NETLINK, true);
    this.request.view.setUint32(address.groups, groups, true);
    const result = bind(this.fd, this.request.address, address.size);
    if (result < 0) this.fail("bind", result);
  }

  private fail(call: string, result: number): never {
    throw new PacketpathError(
      "SYSTEM_CALL",
      `netlink ${call} in ${this.namespace.name}: ${errnoName(result)}`,
    );
  }

  close(): void {
    this.table.close(this.fd, FD_NETLINK);
  }

  /** RTM_DELLINK. @returns 0, -ENODEV when there is no such link, or another errno. */
  deleteLink(ifindex: number): number {
    this.beginLink(C.RTM_DELLINK, C.NLM_F_ACK, ifindex);
    return this.transact();
  }

  /** RTM_SETLINK. @returns 0 or a negative errno. */
  changeLink(ifindex: number, change: LinkChange): number {
    this.beginLink(C.RTM_SETLINK, C.NLM_F_ACK, ifindex);
    if (change.up !== undefined) {
      const at = nlmsghdr.size;
      this.request.view.setUint32(at + ifinfomsg.flags, change.up ? C.IFF_UP : 0, true);
      this.request.view.setUint32(at + ifinfomsg.change, C.IFF_UP, true);
    }
    if (change.mtu !== undefined) this.attribute32(C.IFLA_MTU, change.mtu);
    if (change.txQueueLen !== undefined) this.attribute32(C.IFLA_TXQLEN, change.txQueueLen);
    if (change.mac !== undefined) this.attribute(C.IFLA_ADDRESS, macBytes(change.mac));
    if (change.netns !== undefined) this.attribute32(C.IFLA_NET_NS_FD, change.netns);
    return this.transact();
  }

  /** RTM_NEWADDR with IFA_F_NODAD. @param cidr "10.0.0.1/24", "fd00::1/64". */
  addAddress(ifindex: number, cidr: string): number {
    const [text = "", prefix = "0"] = cidr.split("/");
    const address = addressBytes(text);
    this.begin(C.RTM_NEWADDR, C.NLM_F_ACK | C.NLM_F_CREATE | C.NLM_F_EXCL, ifaddrmsg.size);
    const at = nlmsghdr.size;
    const view = this.request.view;
    view.setUint8(at + ifaddrmsg.family, address.length === 4 ? C.AF_INET : C.AF_INET6);
    view.setUint8(at + ifaddrmsg.prefixlen, Number(prefix));
    view.setUint8(at + ifaddrmsg.flags, address.length === 4 ? 0 : C.IFA_F_NODAD);
    view.setUint32(at + ifaddrmsg.index, ifindex, true);
    this.attribute(C.IFA_LOCAL, address);
    this.attribute(C.IFA_ADDRESS, address);
    if (address.length === 4 && Number(prefix) < 31) {
      const hosts = 0xffff_ffff >>> Number(prefix);
      const broadcast = new DataView(new ArrayBuffer(4));
      broadcast.setUint32(0, (new DataView(address.buffer).getUint32(0) | hosts) >>> 0);
      this.attribute(C.IFA_BROADCAST, new Uint8Array(broadcast.buffer));
    }
    return this.transact();
  }

  /** RTM_NEWROUTE: the default route of the gateway's family. */
  addDefaultRoute(ifindex: number, gateway: string): number {
    const address = addressBytes(gateway);
    this.beginRoute(address.length, C.RT_SCOPE_UNIVERSE, 0);
    this.attribute(C.RTA_GATEWAY, address);
    this.attribute32(C.RTA_OIF, ifindex);
    return this.transact();
  }

  /** RTM_NEWROUTE: addresses that are on the link itself. @param cidr "10.9.0.0/16". */
  addLinkRoute(ifindex: number, cidr: string): number {
    const [text = "", prefix = "0"] = cidr.split("/");
    const address = addressBytes(text);
    this.beginRoute(address.length, C.RT_SCOPE_LINK, Number(prefix));
    this.attribute(C.RTA_DST, address);
    this.attribute32(C.RTA_OIF, ifindex);
    return this.transact();
  }

  private beginRoute(addressLength: number, scope: number, prefix: number): void {
    this.begin(C.RTM_NEWROUTE, C.NLM_F_ACK | C.NLM_F_CREATE | C.NLM_F_EXCL, rtmsg.size);
    const at = nlmsghdr.size;
    const view = this.request.view;
    view.setUint8(at + rtmsg.family, addressLength === 4 ? C.AF_INET : C.AF_INET6);
    view.setUint8(at + rtmsg.dst_len, prefix);
    view.setUint8(at + rtmsg.table, C.RT_TABLE_MAIN);
    view.setUint8(at + rtmsg.protocol, C.RTPROT_STATIC);
    view.setUint8(at + rtmsg.scope, scope);
    view.setUint8(at + rtmsg.type, C.RTN_UNICAST);
  }

  /** @param which an index or a name. @returns the link, or a negative errno (-ENODEV). */
  getLink(which: number | string): Link | number {
    this.beginLink(C.RTM_GETLINK, 0, typeof which === "number" ? which : 0);
    if (typeof which === "string") this.attribute(C.IFLA_IFNAME, cString(which));
    let found: Link | null = null;
    const result = this.transact((link) => (found = link));
    return found ?? (result < 0 ? result : -ERRNO.ENODEV);
  }

  /** All links of the namespace. Repeated when links changed while the kernel was listing. */
  dumpLinks(): Link[] {
    for (let i = 0; i < DUMPS_MAX; i++) {
      const links: Link[] = [];
      this.beginLink(C.RTM_GETLINK, C.NLM_F_DUMP, 0);
      const result = this.transact((link) => links.push(link));
      if (result === 0) return links;
      if (result !== -ERRNO.EINTR) this.fail("dump", result);
    }
    return this.fail("dump", -ERRNO.EINTR);
  }

  /**
   * Takes in what has arrived for a listening socket, without waiting.
   * @returns 0 when all has been taken; -ENOBUFS when messages were lost before.
   */
  receiveLinks(each: (link: Link) => void): number {
    for (let i = 0; i < PARTS_MAX; i++) {
      const n = recv(this.fd, this.answer.address, RECEIVE_BYTES, C.MSG_DONTWAIT);
      if (n === -ERRNO.EAGAIN) return 0;
      if (n === -ERRNO.EINTR) continue;
      if (n < 0) return n;
      forEachMessage(this.answer.view, n, (type, at, end) => {
        const link = parseLink(this.answer.view, type, at, end);
        if (link !== null) each(link);
        return true;
      });
    }
    return 0;
  }

  private begin(type: number, flags: number, bodyBytes: number): void {
    this.length = nlmsghdr.size + bodyBytes;
    this.sequence = (this.sequence + 1) >>> 0;
    this.request.bytes.fill(0, 0, this.length);
    const view = this.request.view;
    view.setUint16(nlmsghdr.type, type, true);
    view.setUint16(nlmsghdr.flags, C.NLM_F_REQUEST | flags, true);
    view.setUint32(nlmsghdr.seq, this.sequence, true);
  }

  private beginLink(type: number, flags: number, ifindex: number): void {
    this.begin(type, flags, ifinfomsg.size);
    this.request.view.setInt32(nlmsghdr.size + ifinfomsg.index, ifindex, true);
  }

  private attribute(type: number, value: Uint8Array): void {
    const at = this.length;
    this.request.view.setUint16(at, 4 + value.length, true);
    this.request.view.setUint16(at + 2, type, true);
    this.request.bytes.set(value, at + 4);
    this.length = (at + 4 + value.length + 3) & ~3;
  }

  private attribute32(type: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.attribute(type, bytes);
  }

  /** Sends the request and reads its answer to the end. @returns 0 or a negative errno. */
  private transact(each?: (link: Link) => void): number {
    this.request.view.setUint32(nlmsghdr.len, this.length, true);
    const sent = send(this.fd, this.request.address, this.length, 0);
    if (sent < 0) return sent;
    const flags = this.request.view.getUint16(nlmsghdr.flags, true);
    const isDump = (flags & C.NLM_F_DUMP) === C.NLM_F_DUMP;
    const hasAck = (flags & C.NLM_F_ACK) !== 0;
    let interrupted = false;
    for (let part = 0; part < PARTS_MAX; part++) {
      const n = recv(this.fd, this.answer.address, RECEIVE_BYTES, 0);
      if (n === -ERRNO.EINTR) continue;
      if (n < 0) return n;
      let verdict = 1;
      forEachMessage(this.answer.view, n, (type, at, end) => {
        const view = this.answer.view;
        if (view.getUint32(at + nlmsghdr.seq, true) !== this.sequence) return true;
        if ((view.getUint16(at + nlmsghdr.flags, true) & C.NLM_F_DUMP_INTR) !== 0) {
          interrupted = true;
        }
        if (type === C.NLMSG_ERROR || type === C.NLMSG_DONE) {
          verdict = end - at >= nlmsghdr.size + 4 ? view.getInt32(at + nlmsghdr.size, true) : 0;
          return false;
        }
        const link = parseLink(view, type, at, end);
        if (link !== null) each?.(link);
        if (!isDump && !hasAck) verdict = 0;
        return true;
      });
      if (verdict <= 0) return interrupted ? -ERRNO.EINTR : verdict;
    }
    return -ERRNO.ENOBUFS;
  }
}
