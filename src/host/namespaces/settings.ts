// Which settings a new namespace begins with, seen from a parent whose settings were changed
// before, and what IPv6 can do where it is switched off. Nothing of the host's own is changed: all
// of it happens in namespaces of this call. Main thread, root.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { block, C, bind, close, socket, withNetns } from "@packetpath/libc";
import { loopbackUp, makeNamespace } from "../netns.js";
import { makeRawNamespace, openOwnNamespace } from "./raw.js";

/** Values of one setting: in the first namespace, in the parent, compiled in, and in the child. */
export interface Setting {
  readonly key: string;
  readonly protocol: "ipv4" | "ipv6";
  /** null where this process does not run in the first namespace. */
  readonly initNet: string | null;
  readonly parent: string;
  readonly defaults: string;
  readonly child: string;
}

export interface Settings {
  /** net.core.devconf_inherit_init_net; null outside of the first namespace. */
  readonly inherit: number | null;
  readonly settings: readonly Setting[];
  /** errno of bind(::1), and of opening a raw ICMPv6 socket, with disable_ipv6=1 and without. */
  readonly disabled: { readonly bind: number; readonly raw: number };
  readonly enabled: { readonly bind: number; readonly raw: number };
}

const INHERIT = "/proc/sys/net/core/devconf_inherit_init_net";

/** Keys with what is compiled in, and what the parent is given. */
const KEYS = [
  ["ipv6", "all/disable_ipv6", "0", "1"],
  ["ipv6", "default/disable_ipv6", "0", "1"],
  ["ipv6", "lo/disable_ipv6", "0", "1"],
  ["ipv6", "default/hop_limit", "64", "77"],
  ["ipv4", "all/arp_ignore", "0", "5"],
  ["ipv4", "default/arp_ignore", "0", "6"],
  ["ipv4", "default/arp_announce", "0", "2"],
] as const;

/** null on a kernel without IPv6. @throws PacketpathError without the right to make namespaces. */
export function readSettings(): Settings | null {
  if (!existsSync("/proc/sys/net/ipv6")) return null;
  // The file is there in the first namespace, and in no other.
  const isInit = existsSync(INHERIT);
  const first = KEYS.map(([protocol, key]) => (isInit ? read(protocol, key) : null));
  const parent = makeNamespace("parent");
  try {
    const child = withNetns(parent, makeChild);
    try {
      const seen = withNetns(child, () => KEYS.map(([protocol, key]) => read(protocol, key)));
      const settings = KEYS.map(([protocol, key, defaults, value], i): Setting => {
        return { key, protocol, initNet: first[i]!, parent: value, defaults, child: seen[i]! };
      });
      return {
        inherit: isInit ? Number(readFileSync(INHERIT, "latin1")) : null,
        settings,
        disabled: withNetns(parent, tryIpv6),
        enabled: withNetns(child, tryIpv6),
      };
    } finally {
      close(child);
    }
  } finally {
    close(parent);
  }
}

/** Inside of the parent: changes its settings, and makes a namespace from there. */
function makeChild(): number {
  for (const [protocol, key, , value] of KEYS) writeFileSync(pathOf(protocol, key), value);
  const home = openOwnNamespace();
  const { fd } = makeRawNamespace(home, loopbackUp);
  close(home);
  return fd;
}

function tryIpv6(): { bind: number; raw: number } {
  const fd = socket(C.AF_INET6, C.SOCK_DGRAM | C.SOCK_CLOEXEC, 0);
  // struct sockaddr_in6: family, port, flow, address (::1), scope.
  const address = block(28);
  address.view.setUint16(0, C.AF_INET6, true);
  address.view.setUint8(23, 1);
  const bound = bind(fd, address.address, 28);
  close(fd);
  const raw = socket(C.AF_INET6, C.SOCK_RAW | C.SOCK_CLOEXEC, IPPROTO_ICMPV6);
  if (raw >= 0) close(raw);
  return { bind: Math.abs(bound), raw: raw < 0 ? -raw : 0 };
}

const IPPROTO_ICMPV6 = 58;

const pathOf = (protocol: string, key: string): string => `/proc/sys/net/${protocol}/conf/${key}`;

function read(protocol: string, key: string): string {
  return readFileSync(pathOf(protocol, key), "latin1").trim();
}
