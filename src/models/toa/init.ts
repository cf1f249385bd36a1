// The life of the TOA module (DPVS, kmod/toa/toa.c): what toa_init allocates, initialises and
// publishes, in which order; what it takes back when a step fails; toa_exit. A segment that ends a
// handshake comes in at any time, and a task asks for its peer's name. As it stands here: repaired.
import {
  add,
  alloc,
  assert,
  free,
  initLock,
  ld,
  program,
  spinLock,
  spinLockBh,
  spinUnlock,
  spinUnlockBh,
  st,
  synchronizeRcu,
  rcuReadLock,
  rcuReadUnlock,
  UNINIT,
  waitWhile,
} from "packetpath/explore";

const parameters = {
  /** CPUs, each with its lock; 1 or 2. */
  cpus: 1,
  /** init_toa_ip6: allocates the locks before it initialises them (e05dc4be), or after. */
  order: "allocate-first" as "allocate-first" | "initialise-first",
  /** How much of memory a lock is: 4 bytes; 24 with its magic number; 72 with lockdep. */
  lock: "lockdep" as "small" | "magic" | "lockdep",
  /** The hooks are the last thing that is published, or the first. */
  hooks: "last" as "last" | "first",
  /** Which step fails: none, the allocation of the locks, the one after init_toa_ip6. */
  fails: "nothing" as "nothing" | "locks" | "sockopt",
  /** A failure takes back all that was done; as shipped, only the statistics. */
  takesBack: true,
  /** What toa_init returns then; do_init_module takes 1 for a success. */
  failure: -1,
  /** What comes in from outside. */
  hasSegment: true,
  hasGetname: false,
  /** The module is unloaded in the end. */
  unloads: true,
  /** getname holds a reference to the module while it is inside. */
  holdsModule: false,
};

/** What the stack protector keeps at offset 40 of each CPU's area. */
const CANARY = 777;

interface Module {
  /** Each CPU's area: 40 bytes that nobody uses, then the canary. */
  padding: number[];
  canary: number[];
  /** toa_ip6_sk_lock.lock: where the locks are, or NULL. */
  base: number;
  /** One bucket of the table: its lock, and the head of its list, which is zero at the start. */
  bucket: number;
  list: number;
  /** The links of the sockopt in the kernel's list, and that list. */
  sockopt: number;
  sockopts: number;
  stats: number;
  kprobe: number;
  /** What inet_stream_ops and ipv4_specific point to: 0 the kernel's own, 1 the module's. */
  hooked: number;
  text: number;
  users: number;
  state: number;
  /** Locks that were written through NULL. */
  wild: number;
}

const COMING = 1;
const LIVE = 2;
const GOING = 3;

/** per_cpu_ptr(toa_ip6_sk_lock.lock, cpu), then spin_lock_init. */
function initPerCpuLock(m: Module, cpu: number) {
  const base = ld(m.base);
  if (base !== 0) {
    // Zeroes are an initialised lock where a lock is 4 bytes: the allocation has done it.
    if (parameters.lock !== "small") initLock(base + cpu);
    return;
  }
  // The per-CPU space begins at 0 on x86-64: this is the first byte of the CPU's area.
  add(m.wild, 1);
  st(m.padding[cpu]!, 1);
  if (parameters.lock === "lockdep") st(m.canary[cpu]!, 0);
}

/** alloc_percpu; false: no memory. */
function allocatePerCpuLocks(m: Module): boolean {
  const locks = parameters.fails === "locks" ? 0 : alloc(parameters.cpus);
  st(m.base, locks);
  if (locks === 0) return false;
  for (let cpu = 0; cpu < parameters.cpus; cpu++) {
    if (parameters.lock === "small") initLock(locks + cpu);
  }
  return true;
}

function initPerCpuLocks(m: Module) {
  for (let cpu = 0; cpu < parameters.cpus; cpu++) initPerCpuLock(m, cpu);
}

function initTable(m: Module) {
  initLock(m.bucket);
  st(m.list, m.list);
}

/** init_toa_ip6: false when there is no memory. */
function initToaIp6(m: Module): boolean {
  if (parameters.order === "allocate-first") {
    if (!allocatePerCpuLocks(m)) return false;
    initPerCpuLocks(m);
    initTable(m);
    return true;
  }
  initPerCpuLocks(m);
  initTable(m);
  return allocatePerCpuLocks(m);
}

/** nf_register_sockopt, after it nf_unregister_sockopt: a node in a list. */
function registerSockopt(m: Module): boolean {
  if (parameters.fails === "sockopt") return false;
  st(m.sockopt, m.sockopts);
  st(m.sockopts, m.sockopt);
  return true;
}

function unregisterSockopt(m: Module) {
  const next = ld(m.sockopt);
  // list_del: next->prev = prev. Links that were never set are NULL.
  st(next, next);
  st(m.sockopt, 0);
}

/** toa_init: 0, or what it returns for a failure. */
function toaInit(m: Module): number {
  st(m.stats, alloc(1));
  st(m.kprobe, alloc(1));
  if (parameters.hooks === "first") st(m.hooked, 1);
  if (initToaIp6(m) && registerSockopt(m)) {
    if (parameters.hooks === "last") st(m.hooked, 1);
    return 0;
  }
  free(ld(m.stats));
  if (parameters.takesBack) {
    free(ld(m.kprobe));
    free(ld(m.base));
  }
  return parameters.failure;
}

/** toa_exit. */
function toaExit(m: Module) {
  st(m.hooked, 0);
  synchronizeRcu();
  unregisterSockopt(m);
  // lock_all: every CPU's lock, so that nobody is inside.
  const base = ld(m.base);
  for (let cpu = 0; cpu < parameters.cpus; cpu++) spinLockBh(base + cpu);
  spinLock(m.bucket);
  for (let entry = ld(m.list); entry !== m.list;) {
    const next = ld(entry);
    free(entry);
    entry = next;
  }
  st(m.list, m.list);
  spinUnlock(m.bucket);
  for (let cpu = parameters.cpus - 1; cpu >= 0; cpu--) spinUnlockBh(base + cpu);
  free(ld(m.stats));
  free(ld(m.kprobe));
  free(base);
}

export default program({
  name: "toa-init",
  cells: {
    padding: [0, 0],
    canary: [CANARY, CANARY],
    base: 0,
    list: 0,
    sockopt: 0,
    sockopts: 0,
    stats: 0,
    kprobe: 0,
    hooked: 0,
    text: 0,
    users: 0,
    state: 0,
    wild: 0,
  },
  locks: { bucket: UNINIT },
  cpus: 2,
  heap: 8,
  leaks: true,
  threads: {
    insmod: {
      cpu: 0,
      run(m: Module) {
        const text = alloc(1);
        st(text, 1);
        st(m.text, text);
        st(m.state, COMING);
        // The frame of do_one_initcall holds the canary as it is now.
        const canary = ld(m.canary[0]!);
        const result = toaInit(m);
        const now = ld(m.canary[0]!);
        assert(now === canary, `the stack's canary is another: toa_init ${result}`, "CORRUPTION");
        // do_init_module: only a negative value is a failure.
        if (result < 0) {
          free(text);
          return;
        }
        st(m.state, LIVE);
        if (!parameters.unloads) return;
        st(m.state, GOING);
        toaExit(m);
        if (parameters.holdsModule) while (ld(m.users) !== 0) waitWhile(m.users, 1);
        free(text);
      },
    },
    /** tcp_v6_syn_recv_sock_toa: stores the client's address. */
    segment: {
      cpu: 1,
      context: "softirq",
      raised: parameters.hasSegment,
      run(m: Module) {
        rcuReadLock();
        if (ld(m.hooked) === 1) {
          const base = ld(m.base);
          spinLock(base + parameters.cpus - 1);
          spinLock(m.bucket);
          const entry = alloc(1);
          st(entry, ld(m.list));
          st(m.list, entry);
          spinUnlock(m.bucket);
          spinUnlock(base + parameters.cpus - 1);
        }
        rcuReadUnlock();
      },
    },
    /** inet_getname_toa, by accept or getpeername: in process context, in no read section. */
    getname: {
      cpu: 1,
      run(m: Module) {
        if (!parameters.hasGetname) return;
        if (parameters.holdsModule) add(m.users, 1);
        if (ld(m.hooked) === 1) {
          // Two instructions of the module's text.
          ld(ld(m.text));
          ld(ld(m.text));
        }
        if (parameters.holdsModule) add(m.users, -1);
      },
    },
  },
  final({ wild }: Module) {
    assert(ld(wild) === 0, "locks were written through a per-CPU base that is NULL", "CORRUPTION");
  },
});
