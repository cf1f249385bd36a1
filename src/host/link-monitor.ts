// Tells what happens to the links of the watched namespaces, as the kernel reports it (RTM_NEWLINK
// and RTM_DELLINK of group RTMGRP_LINK). One per thread that calls `watch`: main or control.
//
// A listening socket has a queue, and when it overflows the kernel says ENOBUFS once and drops.
// The monitor then lists the links anew and reports the difference to what it knew, so that a
// deletion is late in the worst case but never lost.
import { C } from "@packetpath/libc";
import { nowNs } from "../base/clock.js";
import { errnoName } from "../base/errno.js";
import { PacketpathError } from "../base/errors.js";
import type { FdTable } from "./fd-table.js";
import type { Link } from "./link-message.js";
import { RtnetlinkSocket } from "./rtnetlink.js";
import type { LinkEvent, NamespaceRef } from "./types.js";

interface Watch {
  readonly namespace: NamespaceRef;
  /** Receives the events. */
  readonly events: RtnetlinkSocket;
  /** Lists the links; a second socket, as events and answers would mix on one. */
  readonly requests: RtnetlinkSocket;
  readonly known: Map<number, Link>;
}

export class LinkMonitor {
  private readonly watches = new Map<number, Watch>();
  private readonly table: FdTable;

  constructor(table: FdTable) {
    this.table = table;
  }

  /** Begins to watch; a second call for the same namespace changes nothing. */
  watch(namespace: NamespaceRef): void {
    if (this.watches.has(namespace.handle)) return;
    // Listen first, list second: a link made in between is in the list, and its event, read
    // later, is then only a change.
    const events = new RtnetlinkSocket(this.table, namespace, C.RTMGRP_LINK);
    const requests = new RtnetlinkSocket(this.table, namespace);
    const known = new Map(requests.dumpLinks().map((link) => [link.ifindex, link]));
    this.watches.set(namespace.handle, { namespace, events, requests, known });
  }

  /** File descriptors to poll. */
  *fds(): Iterable<number> {
    for (const watch of this.watches.values()) yield watch.events.fd;
  }

  /** What has arrived, in order per namespace, without waiting. */
  take(): LinkEvent[] {
    const out: LinkEvent[] = [];
    for (const watch of this.watches.values()) {
      const result = watch.events.receiveLinks((link) => note(watch, link, out));
      if (result < 0) this.recover(watch, result, out);
    }
    return out;
  }

  private recover(watch: Watch, result: number, out: LinkEvent[]): void {
    if (errnoName(result) !== "ENOBUFS") {
      throw new PacketpathError(
        "SYSTEM_CALL",
        `netlink recv in ${watch.namespace.name}: ${errnoName(result)}`,
      );
    }
    relist(watch, watch.requests.dumpLinks(), out);
  }

  close(): void {
    for (const watch of this.watches.values()) {
      watch.events.close();
      watch.requests.close();
    }
    this.watches.clear();
  }
}

/** Reports the difference between what was known and `links`, the list as it is now. */
export function relist(
  watch: { readonly namespace: NamespaceRef; readonly known: Map<number, Link> },
  links: readonly Link[],
  out: LinkEvent[],
): void {
  const present = new Set(links.map((link) => link.ifindex));
  for (const old of [...watch.known.values()]) {
    if (!present.has(old.ifindex)) note(watch, { ...old, deleted: true }, out);
  }
  for (const link of links) {
    const old = watch.known.get(link.ifindex);
    const same = old?.flags === link.flags && old.carrier === link.carrier;
    if (!same || old.name !== link.name) note(watch, link, out);
  }
}

function note(
  watch: { readonly namespace: NamespaceRef; readonly known: Map<number, Link> },
  link: Link,
  out: LinkEvent[],
): void {
  const { ifindex, name, up, carrier } = link;
  const wasKnown = watch.known.has(ifindex);
  if (link.deleted) watch.known.delete(ifindex);
  else watch.known.set(ifindex, link);
  // A deletion that a re-listing has already told.
  if (link.deleted && !wasKnown) return;
  const kind = link.deleted ? "deleted" : wasKnown ? "changed" : "new";
  const namespace = watch.namespace.name;
  out.push({ atNs: nowNs(), kind, namespace, name, ifindex, up, carrier });
}
