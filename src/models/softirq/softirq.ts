// Which lock is enough for what tasks, softirqs and interrupts of one CPU and of two have in
// common. Each of five threads runs a list of the kernel's calls, which are the parameters. As it
// stands here: a task that sends over loopback, and a receive path with a plain lock.
import {
  add,
  assert,
  ld,
  localBhDisable,
  localBhEnable,
  localIrqDisable,
  localIrqEnable,
  program,
  raiseSoftirq,
  spinLock,
  spinLockBh,
  spinLockIrq,
  spinLockIrqsave,
  spinTrylock,
  spinUnlock,
  spinUnlockBh,
  spinUnlockIrq,
  spinUnlockIrqrestore,
  st,
} from "packetpath/explore";

const parameters = {
  /** What a task of CPU 0 and one of the last CPU call. */
  process: ["xmit_lo"] as readonly string[],
  process1: [] as readonly string[],
  /** What the receive softirq of each of them calls, and a hardirq of CPU 0. */
  receive: ["spin_lock a", "update", "spin_unlock a"] as readonly string[],
  receive1: [] as readonly string[],
  interrupt: [] as readonly string[],
  /** Which of the three last ones come in once, at any time; the others when they are raised. */
  raised: [] as readonly string[],
  cpus: 1,
  kernel: "smp" as "smp" | "up" | "rt",
  /** net.core.netdev_max_backlog. */
  maxBacklog: 1000,
};

interface Shared {
  a: number;
  b: number;
  c: number;
  /** What the locks are for: `done` additions to it, each a load and a store. */
  x: number;
  done: number;
  /** Packets that wait for the softirq, and that found the backlog full. */
  backlog: number;
  dropped: number;
  /** A TCP socket: owned by its user; segments put aside; segments that were taken in. */
  owned: number;
  segments: number;
  acked: number;
  receive: number;
  receive1: number;
}

/** Runs the calls of a thread, in their order. `own` is the softirq of its CPU. */
function run(calls: readonly string[], own: number, shared: Shared) {
  let flags = 0;
  for (const call of calls) {
    const [name = "", what = ""] = call.split(" ");
    if (name.startsWith("spin_")) {
      const one = what === "a" ? shared.a : what === "b" ? shared.b : shared.c;
      const result = locked(name, one, flags);
      if (name === "spin_lock_irqsave") flags = result;
      if (name.startsWith("spin_trylock") && result === 0) {
        if (name === "spin_trylock_later") raiseSoftirq(own);
        return;
      }
    } else if (name.includes("sock") || name === "tcp_ack") socket(name, shared);
    else other(name, what, own, shared);
  }
}

function locked(name: string, one: number, flags: number): number {
  if (name === "spin_lock") spinLock(one);
  if (name === "spin_unlock") spinUnlock(one);
  if (name === "spin_lock_bh") spinLockBh(one);
  if (name === "spin_unlock_bh") spinUnlockBh(one);
  if (name === "spin_lock_irq") spinLockIrq(one);
  if (name === "spin_unlock_irq") spinUnlockIrq(one);
  if (name === "spin_lock_irqsave") return spinLockIrqsave(one);
  if (name === "spin_unlock_irqrestore") spinUnlockIrqrestore(one, flags);
  if (name.startsWith("spin_trylock")) return spinTrylock(one) ? 1 : 0;
  return 0;
}

function other(name: string, what: string, own: number, shared: Shared) {
  if (name === "update") {
    st(shared.x, ld(shared.x) + 1);
    add(shared.done, 1);
  }
  if (name === "local_bh_disable") localBhDisable();
  if (name === "local_bh_enable") localBhEnable();
  if (name === "local_irq_disable") localIrqDisable();
  if (name === "local_irq_enable") localIrqEnable();
  if (name === "netif_rx") netifRx(Number(what), own, shared);
  if (name === "xmit_lo") {
    // loopback_xmit, and the end of __dev_queue_xmit.
    localBhDisable();
    raiseSoftirq(own);
    localBhEnable();
  }
  // Raises itself again until so many updates are done.
  if (name === "raise_until" && ld(shared.done) < Number(what)) raiseSoftirq(own);
  if (name === "process_backlog") st(shared.backlog, 0);
  if (name.startsWith("expect_")) expect(name, Number(what), shared);
}

/** enqueue_to_backlog: takes one packet more than the limit says (net/core/dev.c). */
function netifRx(packets: number, own: number, { backlog, dropped }: Shared) {
  for (let i = 0; i < packets; i++) {
    const length = ld(backlog);
    if (length <= parameters.maxBacklog) st(backlog, length + 1);
    else add(dropped, 1);
    if (length === 0) raiseSoftirq(own);
  }
}

/** lock_sock, release_sock; tcp_v4_rcv of an ACK (net/core/sock.c, net/ipv4/tcp_ipv4.c). */
function socket(name: string, { a, owned, segments, acked }: Shared) {
  if (name === "tcp_ack") {
    spinLock(a);
    if (ld(owned) === 0) add(acked, 1);
    else add(segments, 1);
    spinUnlock(a);
    return;
  }
  spinLockBh(a);
  if (name === "lock_sock") st(owned, 1);
  if (name === "release_sock") {
    add(acked, ld(segments));
    st(segments, 0);
    st(owned, 0);
  }
  spinUnlockBh(a);
}

function expect(name: string, count: number, shared: Shared) {
  if (name === "expect_done") assert(ld(shared.done) === count, `not ${count} updates by now`);
  if (name === "expect_least") assert(ld(shared.done) >= count, `fewer than ${count} by now`);
  if (name === "expect_dropped") assert(ld(shared.dropped) === count, `not ${count} drops`);
  if (name === "expect_acked") assert(ld(shared.acked) === count, `not ${count} ACKs by now`);
}

export default program({
  name: "softirq",
  cells: { x: 0, done: 0, backlog: 0, dropped: 0, owned: 0, segments: 0, acked: 0 },
  locks: ["a", "b", "c"],
  cpus: parameters.cpus,
  kernel: parameters.kernel,
  threads: {
    process: {
      cpu: 0,
      run: (shared: Shared) => run(parameters.process, shared.receive, shared),
    },
    process1: {
      cpu: parameters.cpus - 1,
      run: (shared: Shared) => run(parameters.process1, shared.receive1, shared),
    },
    receive: {
      cpu: 0,
      context: "softirq",
      raised: parameters.raised.includes("receive"),
      run: (shared: Shared) => run(parameters.receive, shared.receive, shared),
    },
    receive1: {
      cpu: parameters.cpus - 1,
      context: "softirq",
      raised: parameters.raised.includes("receive1"),
      run: (shared: Shared) => run(parameters.receive1, shared.receive1, shared),
    },
    interrupt: {
      cpu: 0,
      context: "hardirq",
      raised: parameters.raised.includes("interrupt"),
      run: (shared: Shared) => run(parameters.interrupt, shared.receive, shared),
    },
  },
  final({ x, done }: Shared) {
    assert(ld(x) === ld(done), "an update got lost: two were inside of the lock at once");
  },
});
