// What socket(2) answers, and at which step, from what a host has: the steps of `__sock_create` and
// of the create functions of the families, as a pure function (net/socket.c, net/ipv4/af_inet.c,
// net/ipv6/af_inet6.c, net/unix/af_unix.c, net/netlink/af_netlink.c, net/packet/af_packet.c,
// net/vmw_vsock/af_vsock.c, net/xdp/xsk.c; read in 6.9, held against 6.18). `socket.ts` explores
// the same steps for what each leaves behind. Any thread.
import { answer, type Answer, type SocketCall, type SocketFacts } from "./steps.js";

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const AF_PACKET = 17;
const AF_VSOCK = 40;
const AF_XDP = 44;

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_SEQPACKET = 5;
const SOCK_DCCP = 6;
const SOCK_PACKET = 10;

/** SOCK_TYPE_MASK: what of the type is a type; SOCK_CLOEXEC and SOCK_NONBLOCK are the rest. */
const TYPE_MASK = 0xf;
const FLAGS = 0o2004000;
/** AF_MAX since 5.15 (AF_MCTP), SOCK_MAX, MAX_LINKS of netlink, IPPROTO_MAX since 5.6 (MPTCP). */
const FAMILIES = 46;
const TYPES = 11;
const NETLINK_PROTOCOLS = 32;
const IP_PROTOCOLS = 263;

/** A family is there when its socket's `struct proto` is in /proc/net/protocols. */
const FAMILY_PROTO: Readonly<Record<number, string>> = {
  [AF_UNIX]: "UNIX",
  [AF_INET]: "TCP",
  [AF_INET6]: "TCPv6",
  [AF_NETLINK]: "NETLINK",
  [AF_PACKET]: "PACKET",
  [AF_VSOCK]: "AF_VSOCK",
  [AF_XDP]: "XDP",
};

/** The same of families whose create function is not told here. */
const FOREIGN_PROTOS: Readonly<Record<string, number>> = {
  AX25: 3,
  IPX: 4,
  DDP: 5,
  NETROM: 6,
  VCC: 20,
  X25: 9,
  ROSE: 11,
  KEY: 15,
  RDS: 21,
  PPPOX: 24,
  LLC: 26,
  CAN_RAW: 29,
  CAN_BCM: 29,
  TIPC: 30,
  HCI: 31,
  L2CAP: 31,
  RXRPC: 33,
  PHONET: 35,
  CAIF: 37,
  ALG: 38,
  NFC: 39,
  KCM: 41,
  QIPCRTR: 42,
  SMC: 43,
  MCTP: 45,
};

/** Rows of inetsw and inetsw6: number, type, and the names of the two protos. */
const INET_PROTOCOLS: readonly [protocol: number, type: number, v4: string, v6: string][] = [
  [6, SOCK_STREAM, "TCP", "TCPv6"],
  [17, SOCK_DGRAM, "UDP", "UDPv6"],
  [1, SOCK_DGRAM, "PING", ""],
  [58, SOCK_DGRAM, "", "PINGv6"],
  [0, SOCK_RAW, "RAW", "RAWv6"],
  [136, SOCK_DGRAM, "UDP-Lite", "UDPLITEv6"],
  [262, SOCK_STREAM, "MPTCP", "MPTCPv6"],
  [256, SOCK_STREAM, "INET_SMC", "INET6_SMC"],
  [132, SOCK_STREAM, "SCTP", "SCTPv6"],
  [132, SOCK_SEQPACKET, "SCTP", "SCTPv6"],
  [33, SOCK_DCCP, "DCCP", "DCCPv6"],
  [115, SOCK_DGRAM, "L2TP/IP", "L2TP/IPv6"],
];

/**
 * What a call of socket(2) comes to.
 * @returns null where this cannot be said: a family without rules here, or one that the kernel
 * would load a module for.
 */
export function predictSocket(call: SocketCall, facts: SocketFacts): Answer | null {
  const { seccomp } = facts;
  if (seccomp !== null && (seccomp.family === null || seccomp.family === call.family)) {
    return answer("seccomp", seccomp.errno);
  }
  const type = call.type & TYPE_MASK;
  if ((call.type & ~TYPE_MASK & ~FLAGS) !== 0) return answer("flags");
  if (call.family < 0 || call.family >= FAMILIES) return answer("range");
  if (type >= TYPES) return answer("type");
  if (facts.lacksMemory) return answer("inode");
  // The old way to a packet socket.
  const isOldPacket = call.family === AF_INET && type === SOCK_PACKET;
  const family = isOldPacket ? AF_PACKET : call.family;
  const created = createSocket({ ...call, family, type }, facts);
  if (created === null || created.errno !== 0) return created;
  return facts.descriptorsLeft > 0 ? created : answer("descriptor");
}

/** net_families[family], and its create function. */
function createSocket(call: SocketCall, facts: SocketFacts): Answer | null {
  const { family } = call;
  const proto = FAMILY_PROTO[family];
  if (proto === undefined || !facts.protocols.has(proto)) {
    const isForeign = [...facts.protocols].some((name) => FOREIGN_PROTOS[name] === family);
    return isForeign || facts.loads(`net-pf-${family}`) ? null : answer("family");
  }
  if (family === AF_UNIX) return unixCreate(call);
  if (family === AF_NETLINK) return netlinkCreate(call, facts);
  if (family === AF_PACKET) return packetCreate(call, facts);
  if (family === AF_VSOCK) return vsockCreate(call, facts);
  if (family === AF_XDP) return xskCreate(call, facts);
  return inetCreate(call, facts);
}

/** A raw one is a datagram socket: BSD has it, and so it is let through. */
function unixCreate({ type, protocol }: SocketCall): Answer {
  if (protocol !== 0 && protocol !== AF_UNIX) return answer("protocol");
  const types = [SOCK_STREAM, SOCK_RAW, SOCK_DGRAM, SOCK_SEQPACKET];
  return types.includes(type) ? answer("created") : answer("list");
}

function netlinkCreate({ type, protocol }: SocketCall, facts: SocketFacts): Answer | null {
  if (type !== SOCK_RAW && type !== SOCK_DGRAM) return answer("list");
  if (protocol < 0 || protocol >= NETLINK_PROTOCOLS) return answer("protocol");
  if (facts.netlink.has(protocol)) return answer("created");
  return facts.loads(`net-pf-16-proto-${protocol}`) ? null : answer("protocol");
}

/** The capability is asked for first; any protocol is an EtherType. */
function packetCreate({ type }: SocketCall, facts: SocketFacts): Answer {
  if (!facts.mayRaw) return answer("capability");
  const types = [SOCK_DGRAM, SOCK_RAW, SOCK_PACKET];
  return types.includes(type) ? answer("created") : answer("list");
}

/** Datagrams need a transport at once, and only VMware's VMCI has them. */
function vsockCreate({ type, protocol }: SocketCall, facts: SocketFacts): Answer {
  if (protocol !== 0 && protocol !== AF_VSOCK) return answer("protocol");
  if (type === SOCK_DGRAM && !facts.hasVsockDatagrams) return answer("transport");
  const types = [SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET];
  return types.includes(type) ? answer("created") : answer("list");
}

function xskCreate({ type, protocol }: SocketCall, facts: SocketFacts): Answer {
  if (!facts.mayRaw) return answer("capability");
  if (type !== SOCK_RAW) return answer("list");
  return protocol === 0 ? answer("created") : answer("protocol");
}

/** inet_create, inet6_create. */
function inetCreate({ family, type, protocol }: SocketCall, facts: SocketFacts): Answer | null {
  if (protocol < 0 || protocol >= IP_PROTOCOLS) return answer("number");
  const rows = INET_PROTOCOLS.filter(([, , v4, v6]) => {
    return facts.protocols.has(family === AF_INET ? v4 : v6);
  });
  const list = rows.filter((row) => row[1] === type).map((row) => row[0]);
  const chosen = lookUp(list, protocol);
  if (chosen === null) {
    const module = `net-pf-${family}-proto-${protocol}`;
    if (facts.loads(`${module}-type-${type}`) || facts.loads(module)) return null;
    return answer(list.length === 0 ? "list" : "protocol");
  }
  if (type === SOCK_RAW && !facts.mayRaw) return answer("capability");
  if (chosen === 262 && !facts.mptcp) return answer("init", 92);
  // ping_init_sock: the group must be in net.ipv4.ping_group_range, for both families.
  if (type === SOCK_DGRAM && (chosen === 1 || chosen === 58) && !facts.mayPing) {
    return answer("init");
  }
  return facts.cgroupDenies ? answer("cgroup") : answer("created");
}

/**
 * The walk over inetsw[type]: an exact match, except for 0; 0 asked takes the first that is not a
 * wildcard; 0 in the list is the wildcard.
 * @returns the protocol of the row that is taken, or null.
 */
function lookUp(list: readonly number[], protocol: number): number | null {
  for (const one of list) {
    if (one === protocol && protocol !== 0) return one;
    if (one !== protocol && (protocol === 0 || one === 0)) return one;
  }
  return null;
}
