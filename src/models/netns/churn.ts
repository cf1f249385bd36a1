// Namespaces that are created and destroyed at the same time, while an operation is registered:
// the pernet lock, the list of namespaces, the worker that takes them down, and who holds a file
// of one (net/core/net_namespace.c). As it stands here: as in 6.9.
import {
  add,
  alloc,
  assert,
  flushWork,
  free,
  ld,
  mutexLock,
  mutexUnlock,
  program,
  queueWork,
  st,
  waitUntil,
} from "packetpath/explore";

const parameters = {
  /** Namespaces; 1 or 2. Each has a task that creates it, and drops its reference. */
  namespaces: 2,
  /** Somebody holds a file of the first one (/proc/PID/ns/net) for a while. */
  isHeld: false,
  /** The file counts as a reference. */
  isCounted: true,
  /** An operation is registered meanwhile. */
  registers: false,
  /** Registering takes the pernet lock. */
  locks: true,
  /** The worker runs the exits in the reverse order of the inits. */
  reverses: true,
  /** A holder of RTNL waits for the worker, whose exits close a socket that may want RTNL. */
  rtnl: "nobody" as "nobody" | "always-wanted" | "looked-at-first",
};

interface Kernel {
  pernet: number;
  rtnl: number;
  /** Of each namespace: references, whether it is in the list, inits that were run. */
  references: number[];
  listed: number[];
  depth: number[];
  /** Its struct net. */
  net: number[];
  /** Operations that are registered. */
  operations: number;
  /** Namespaces that are to be taken down (cleanup_list). */
  dying: number[];
  /** A file of the first namespace. */
  opened: number;
  file: number;
  cleanup: number;
}

const count = parameters.namespaces;

/** copy_net_ns: the inits of all operations, under the pernet lock. */
function create(k: Kernel, n: number) {
  const net = alloc(1);
  st(net, 1);
  mutexLock(k.pernet);
  st(k.net[n]!, net);
  const operations = ld(k.operations);
  for (let i = 0; i < operations; i++) runInit(k, n, i);
  st(k.references[n]!, n === 0 && parameters.isHeld && parameters.isCounted ? 2 : 1);
  st(k.listed[n]!, 1);
  if (n === 0 && parameters.isHeld) {
    st(k.file, net);
    st(k.opened, 1);
  }
  mutexUnlock(k.pernet);
}

function runInit(k: Kernel, n: number, operation: number) {
  ld(ld(k.net[n]!));
  const before = add(k.depth[n]!, 1);
  assert(before === operation, "an operation is not initialised in this namespace");
}

function runExit(k: Kernel, n: number, operation: number) {
  ld(ld(k.net[n]!));
  const before = add(k.depth[n]!, -1);
  assert(before === operation + 1, "exits run in the reverse order of inits");
  if (parameters.rtnl === "always-wanted") {
    // ip6mr_sk_done before f2f2325ec799.
    mutexLock(k.rtnl);
    mutexUnlock(k.rtnl);
  }
}

/** put_net. */
function put(k: Kernel, n: number) {
  if (add(k.references[n]!, -1) > 1) return;
  st(k.dying[n]!, 1);
  queueWork(k.cleanup);
}

function takeDown(k: Kernel, n: number) {
  st(k.listed[n]!, 0);
  const operations = ld(k.operations);
  for (let i = 0; i < operations; i++) {
    runExit(k, n, parameters.reverses ? operations - 1 - i : i);
  }
  free(ld(k.net[n]!));
  st(k.net[n]!, 0);
}

/** A task that unshares and ends. */
function life(n: number) {
  return (k: Kernel) => {
    if (n >= count) return;
    create(k, n);
    put(k, n);
  };
}

export default program({
  name: "netns-churn",
  cells: {
    references: [0, 0],
    listed: [0, 0],
    depth: [0, 0],
    net: [0, 0],
    operations: 2,
    dying: [0, 0],
    opened: 0,
    file: 0,
  },
  locks: ["pernet", "rtnl"],
  heap: 2,
  leaks: true,
  threads: {
    creator0: life(0),
    creator1: life(1),
    /** Keeps a file of the first namespace open, and closes it at some time. */
    holder(k: Kernel) {
      if (!parameters.isHeld) return;
      waitUntil(k.opened, 1);
      ld(ld(k.file));
      if (parameters.isCounted) put(k, 0);
    },
    /** register_pernet_operations, of a module that is loaded. */
    registrar(k: Kernel) {
      if (!parameters.registers) return;
      if (parameters.locks) mutexLock(k.pernet);
      for (let n = 0; n < count; n++) {
        if (ld(k.listed[n]!) === 1) runInit(k, n, ld(k.operations));
      }
      add(k.operations, 1);
      if (parameters.locks) mutexUnlock(k.pernet);
    },
    /** Has RTNL, and waits for namespaces to go. */
    waiter(k: Kernel) {
      if (parameters.rtnl === "nobody") return;
      mutexLock(k.rtnl);
      flushWork(k.cleanup);
      mutexUnlock(k.rtnl);
    },
    /** cleanup_net. */
    cleanup: {
      context: "work",
      unbound: true,
      run(k: Kernel) {
        mutexLock(k.pernet);
        for (let n = 0; n < count; n++) {
          if (ld(k.dying[n]!) === 0) continue;
          st(k.dying[n]!, 0);
          takeDown(k, n);
        }
        mutexUnlock(k.pernet);
      },
    },
  },
  final({ depth, net }: Kernel) {
    for (let n = 0; n < count; n++) {
      assert(ld(depth[n]!) === 0, "an operation was not taken back");
      assert(ld(net[n]!) === 0, "a namespace is left");
    }
  },
});
