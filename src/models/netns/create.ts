// Creating a network namespace and taking it back: setup_net runs the init of each pernet operation
// in the order of registration, and after a failure the exits of those before in reverse
// (net/core/net_namespace.c). The operations are those of IPv6 that touch each other. As it stands
// here: the order and the repairs of today, with each step failing in turn.
import { alloc, assert, free, ld, program, st } from "packetpath/explore";

const parameters = {
  /** Operations as they are registered; without those of a stack that is off (ipv6.disable=1). */
  order: ["inet6", "ip6mr", "icmpv6", "ndisc", "igmp6", "addrconf"] as readonly string[],
  /** What fails: "none", "any" (each in turn), or an operation and the number of its step. */
  fails: "any",
  /** Possible CPUs: how many control sockets icmpv6 makes. 4 at most. */
  cpus: 2,
  /** Since 5.18 (6a17b961ec19), ICMP sockets are of no namespace. */
  icmpSockets: "of-each-namespace" as "of-each-namespace" | "global",
  /** CONFIG_IPV6_MROUTE_MULTIPLE_TABLES: tables in a list, not one pointer. */
  multipleTables: true,
  /** ip6mr_sk_done looks at devconf_all first (f2f2325ec799). */
  exitsEarly: true,
  /** Who frees devconf_all forgets the pointer: at exit (7d9b1b578d67), after a failed init. */
  forgetsAtExit: true,
  forgetsAtFailure: true,
  /** net.ipv6.conf.all.disable_ipv6 of the parent; a new namespace does not look at it. */
  disableIpv6: false,
};

const ENFILE = 23;
const ENOMEM = 12;

/** struct net, as far as it matters; zeroed when it is allocated. */
interface Net {
  /** How many operations are initialised: inits count up, exits down. */
  depth: number;
  /** Head of the list of multicast routing tables; the one table where there is no list. */
  tables: number;
  /** Sockets of icmpv6 by CPU, of ndisc, and two of igmp6. */
  icmp: number[];
  ndisc: number;
  igmp: number[];
  devconfAll: number;
  devconfDefault: number;
  statistics: number;
  rules: number;
  disabled: number;
}

/** Memory, or NULL where it is this step that fails. */
function allocate(words: number, operation: string, step: number): number {
  return parameters.fails === `${operation} ${step}` ? 0 : alloc(words);
}

/** inet_ctl_sock_create: 0, or what sock_alloc fails with. */
function createSocket(at: number, operation: string, step: number): number {
  const socket = allocate(1, operation, step);
  if (socket === 0) return ENFILE;
  st(socket, 1);
  st(at, socket);
  return 0;
}

/** inet_ctl_sock_destroy: rawv6_close, ip6mr_sk_done. */
function destroySocket(net: Net, at: number) {
  const socket = ld(at);
  ip6mrSkDone(net, socket);
  free(socket);
  st(at, 0);
}

/** Whether a socket that closes was the one of a multicast router. */
function ip6mrSkDone(net: Net, socket: number) {
  if (parameters.exitsEarly) {
    const all = ld(net.devconfAll);
    // mc_forwarding: no router, nothing to look for.
    if (all === 0 || ld(all) === 0) return;
  }
  const head = net.tables;
  if (!parameters.multipleTables) {
    const only = ld(head);
    if (only !== 0 && ld(only + 1) === socket) st(only + 1, 0);
    return;
  }
  for (let table = ld(head); table !== head;) {
    if (ld(table + 1) === socket) st(table + 1, 0);
    table = ld(table);
  }
}

function initOperation(name: string, net: Net): number {
  if (name === "ip6mr") return initIp6mr(net);
  if (name === "icmpv6") return initIcmp(net);
  if (name === "ndisc") return createSocket(net.ndisc, name, 0);
  if (name === "igmp6") return initIgmp(net);
  if (name === "addrconf") return initAddrconf(net);
  const statistics = allocate(1, "inet6", 0);
  st(net.statistics, statistics);
  return statistics === 0 ? ENOMEM : 0;
}

/** ip6mr_rules_init: the rules are registered before the list is initialised. */
function initIp6mr(net: Net): number {
  const rules = allocate(1, "ip6mr", 0);
  if (rules === 0) return ENOMEM;
  st(net.rules, rules);
  if (parameters.multipleTables) st(net.tables, net.tables);
  const table = allocate(2, "ip6mr", 1);
  if (table === 0) {
    free(rules);
    return ENOMEM;
  }
  st(table, parameters.multipleTables ? net.tables : 0);
  st(table + 1, 0);
  st(net.tables, table);
  return 0;
}

/** icmpv6_sk_init: one control socket for each possible CPU; closes those that it has made. */
function initIcmp(net: Net): number {
  if (parameters.icmpSockets === "global") return 0;
  for (let cpu = 0; cpu < parameters.cpus; cpu++) {
    const error = createSocket(net.icmp[cpu]!, "icmpv6", cpu);
    if (error === 0) continue;
    for (let made = 0; made < cpu; made++) destroySocket(net, net.icmp[made]!);
    return error;
  }
  return 0;
}

function initIgmp(net: Net): number {
  const error = createSocket(net.igmp[0]!, "igmp6", 0);
  if (error !== 0) return error;
  const second = createSocket(net.igmp[1]!, "igmp6", 1);
  if (second !== 0) destroySocket(net, net.igmp[0]!);
  return second;
}

/** addrconf_init_net: two blocks of settings. */
function initAddrconf(net: Net): number {
  const all = allocate(1, "addrconf", 0);
  if (all === 0) return ENOMEM;
  st(all, 0);
  st(net.devconfAll, all);
  const byDefault = allocate(1, "addrconf", 1);
  if (byDefault === 0) {
    free(all);
    if (parameters.forgetsAtFailure) st(net.devconfAll, 0);
    return ENOMEM;
  }
  st(net.devconfDefault, byDefault);
  // What the sysctl decides: addresses of interfaces, and no socket of any kind.
  st(net.disabled, 0);
  return 0;
}

function exitOperation(name: string, net: Net) {
  if (name === "inet6") free(ld(net.statistics));
  if (name === "ip6mr") exitIp6mr(net);
  if (name === "icmpv6" && parameters.icmpSockets === "of-each-namespace") {
    for (let cpu = 0; cpu < parameters.cpus; cpu++) destroySocket(net, net.icmp[cpu]!);
  }
  if (name === "ndisc") destroySocket(net, net.ndisc);
  if (name === "igmp6") {
    destroySocket(net, net.igmp[0]!);
    destroySocket(net, net.igmp[1]!);
  }
  if (name === "addrconf") {
    free(ld(net.devconfDefault));
    free(ld(net.devconfAll));
    if (parameters.forgetsAtExit) st(net.devconfAll, 0);
  }
}

function exitIp6mr(net: Net) {
  free(ld(net.tables));
  st(net.tables, parameters.multipleTables ? net.tables : 0);
  free(ld(net.rules));
}

/** ops_exit_list of the first `count` operations, the last one first. */
function exitAll(count: number, net: Net) {
  for (let i = count - 1; i >= 0; i--) {
    assert(ld(net.depth) === i + 1, "exits run in the reverse order of inits");
    exitOperation(parameters.order[i]!, net);
    st(net.depth, i);
  }
}

export default program({
  name: "netns-create",
  cells: {
    depth: 0,
    tables: 0,
    icmp: [0, 0, 0, 0],
    ndisc: 0,
    igmp: [0, 0],
    devconfAll: 0,
    devconfDefault: 0,
    statistics: 0,
    rules: 0,
    disabled: parameters.disableIpv6 ? 1 : 0,
  },
  heap: 16,
  // In "any", each allocation fails in turn.
  maxFaults: parameters.fails === "any" ? 1 : 0,
  leaks: true,
  threads: {
    /** unshare(CLONE_NEWNET), and the end of the namespace if it came to life. */
    unshare(net: Net) {
      for (let i = 0; i < parameters.order.length; i++) {
        const error = initOperation(parameters.order[i]!, net);
        if (error !== 0) {
          exitAll(i, net);
          return;
        }
        st(net.depth, i + 1);
      }
      exitAll(parameters.order.length, net);
    },
  },
  final({ depth }: Net) {
    assert(ld(depth) === 0, "an operation was not taken back");
  },
});
