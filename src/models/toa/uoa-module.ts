// The life of the UOA module (DPVS, kmod/uoa/uoa.c): when its sockopt can be called, and when there
// are statistics for it to count in; and where the hooks of further namespaces are registered. As
// it stands here: repaired.
import {
  add,
  alloc,
  assert,
  cas,
  free,
  ld,
  program,
  rcuReadLock,
  rcuReadUnlock,
  st,
  synchronizeRcu,
  waitUntil,
} from "packetpath/explore";

const parameters = {
  /** The sockopt is registered when there are statistics, or before (in uoa_map_init). */
  opens: "after-stats" as "after-stats" | "before-stats",
  /** Statistics are freed when the sockopt is gone, or before (in uoa_stats_exit). */
  frees: "after-sockopt" as "after-sockopt" | "before-sockopt",
  /** The sockopt names its module, which who calls it then holds. */
  hasOwner: true,
  /** Namespaces beside the first one; 0 or 1. */
  others: 0,
  /** Where the hooks of such a namespace are registered. */
  hooks: "own" as "own" | "init_net",
};

const GOING = -1;

interface Module {
  /** Whether the sockopt is in the kernel's list. */
  sockopt: number;
  /** uoa_stats.cpustats, or NULL. */
  stats: number;
  /** References of the module, or GOING. */
  users: number;
  /** Hooks of each namespace. */
  hooked: number[];
}

/** try_module_get: succeeds while a module is coming, too. */
function tryModuleGet(m: Module): boolean {
  for (;;) {
    const before = ld(m.users);
    if (before === GOING) return false;
    if (cas(m.users, before, before + 1) === before) return true;
  }
}

function uoaInit(m: Module) {
  if (parameters.opens === "before-stats") st(m.sockopt, 1);
  const stats = alloc(1);
  st(stats, 0);
  st(m.stats, stats);
  if (parameters.opens === "after-stats") st(m.sockopt, 1);
  add(m.hooked[0]!, 1);
  // The init of each further namespace.
  for (let n = 1; n <= parameters.others; n++) {
    add(m.hooked[parameters.hooks === "own" ? n : 0]!, 1);
  }
}

function uoaExit(m: Module) {
  for (let n = 0; n <= parameters.others; n++) st(m.hooked[n]!, 0);
  synchronizeRcu();
  const stats = ld(m.stats);
  if (parameters.frees === "before-sockopt") free(stats);
  st(m.sockopt, 0);
  if (parameters.frees === "after-sockopt") free(stats);
}

export default program({
  name: "uoa-module",
  cells: { sockopt: 0, stats: 0, users: 0, hooked: [0, 0] },
  cpus: 2,
  heap: 1,
  leaks: true,
  threads: {
    /** insmod, and at some time rmmod: only of what nobody holds. */
    module: {
      cpu: 0,
      run(m: Module) {
        uoaInit(m);
        do waitUntil(m.users, 0);
        while (cas(m.users, 0, GOING) !== 0);
        uoaExit(m);
      },
    },
    /** getsockopt of somebody who wants a client's address. */
    asker: {
      cpu: 1,
      run(m: Module) {
        if (ld(m.sockopt) === 0) return;
        if (parameters.hasOwner && !tryModuleGet(m)) return;
        const stats = ld(m.stats);
        const words = "counted through a per-CPU base that is NULL";
        assert(stats !== 0, words, "CORRUPTION");
        add(stats, 1);
        if (parameters.hasOwner) add(m.users, -1);
      },
    },
    /** A packet of the first namespace. */
    packet: {
      cpu: 1,
      context: "softirq",
      raised: true,
      run(m: Module) {
        rcuReadLock();
        const times = ld(m.hooked[0]!);
        assert(times <= 1, `one packet, and its options are read ${times} times`);
        rcuReadUnlock();
      },
    },
  },
});
