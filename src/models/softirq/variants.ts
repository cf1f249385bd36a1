// The rows of the truth table: users of a lock, its kind, and what exploring them comes to. Data;
// any thread. Rules: Documentation/kernel-hacking/locking.rst; kernel/softirq.c.
import type { VariedSystem } from "packetpath/explore";

const RULES = "kernel-hacking/locking.rst, minimum requirements of locks";
const SELF = "spins on a lock that this CPU holds";

/** A lock around one update, in its four kinds. */
const PLAIN = ["spin_lock a", "update", "spin_unlock a"];
const BH = ["spin_lock_bh a", "update", "spin_unlock_bh a"];
const IRQ = ["spin_lock_irq a", "update", "spin_unlock_irq a"];
const IRQSAVE = ["spin_lock_irqsave a", "update", "spin_unlock_irqrestore a"];

/** Two locks, one inside of the other. */
const A_IN_B = ["spin_lock b", "spin_lock a", "spin_unlock a", "spin_unlock b"];
const B_IN_A = ["spin_lock a", "spin_lock b", "spin_unlock b", "spin_unlock a"];
const B_IN_A_BH = ["spin_lock_bh a", "spin_lock b", "spin_unlock b", "spin_unlock_bh a"];
const ONLY_A = ["spin_lock a", "spin_unlock a"];
const ONLY_B = ["spin_lock b", "spin_unlock b"];

const NET_RX = ["receive"];
const BOTH_RX = ["receive", "receive1"];
const HARD = ["interrupt"];

/** A task of each of two CPUs, and a softirq that interrupts the second one. */
const INVERSION = {
  cpus: 2,
  process: B_IN_A_BH,
  process1: ONLY_B,
  receive1: ONLY_A,
  raised: ["receive1"],
};

const BACKLOG = { receive: ["process_backlog"], maxBacklog: 1000 };

export const softirq: VariedSystem = {
  name: "softirq",
  title: "spin locks between tasks, softirqs and interrupts; receiving in the sender's context",
  file: "models/softirq/softirq.ts",
  variants: [
    {
      id: "L1",
      what: "two CPUs send over loopback; both receive as softirqs, with a plain lock",
      parameters: { cpus: 2, process1: ["xmit_lo"], receive1: PLAIN },
      verdict: "SAFE",
      source: RULES,
    },
    {
      id: "L1r",
      what: "softirqs of two CPUs that come in from outside, with a plain lock",
      parameters: { cpus: 2, process: [], receive1: PLAIN, raised: BOTH_RX },
      verdict: "SAFE",
      source: RULES,
    },
    {
      id: "L2",
      what: "a softirq, and a task that writes to a TAP with softirqs off, with a plain lock",
      parameters: {
        process: ["local_bh_disable", ...PLAIN, "local_bh_enable"],
        raised: NET_RX,
      },
      verdict: "SAFE",
      source: "drivers/net/tun.c, tun_get_user since 4.11",
    },
    {
      id: "L3",
      what: "a task takes it plain, as nf_reinject does with softirqs on; so does a softirq",
      parameters: { process: PLAIN, raised: NET_RX },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: `${RULES}; net/netfilter/nf_queue.c`,
    },
    {
      id: "L4",
      what: "the task takes it with _bh, the softirq plain",
      parameters: { process: BH, raised: NET_RX },
      verdict: "SAFE",
      source: RULES,
    },
    {
      id: "L5",
      what: "the task takes it plain, the softirq with _bh: the wrong side has it",
      parameters: { process: PLAIN, receive: BH, raised: NET_RX },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: RULES,
    },
    {
      id: "L6",
      what: "a task sends over loopback with the plain lock held: no interrupt is needed",
      parameters: { process: ["spin_lock a", "xmit_lo", "spin_unlock a"] },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: "kernel/softirq.c, __local_bh_enable_ip",
    },
    {
      id: "L7",
      what: "the same with _bh around: the softirq runs after the unlock",
      parameters: { process: ["spin_lock_bh a", "xmit_lo", "spin_unlock_bh a"] },
      verdict: "SAFE",
      source: "kernel/softirq.c, __local_bh_enable_ip",
    },
    {
      id: "L8",
      what: "a task and an interrupt, plain",
      parameters: { process: PLAIN, interrupt: PLAIN, raised: HARD },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: RULES,
    },
    {
      id: "L8b",
      what: "a task and an interrupt, _bh: an interrupt comes in all the same",
      parameters: { process: BH, interrupt: PLAIN, raised: HARD },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: RULES,
    },
    {
      id: "L8s",
      what: "a softirq and an interrupt, plain",
      parameters: { process: [], interrupt: PLAIN, raised: ["receive", "interrupt"] },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: RULES,
    },
    {
      id: "L9",
      what: "a task and an interrupt, _irq",
      parameters: { process: IRQ, interrupt: PLAIN, raised: HARD },
      verdict: "SAFE",
      source: RULES,
    },
    {
      id: "L9s",
      what: "a softirq and an interrupt, _irqsave",
      parameters: {
        process: [],
        receive: IRQSAVE,
        interrupt: PLAIN,
        raised: ["receive", "interrupt"],
      },
      verdict: "SAFE",
      source: RULES,
    },
    {
      id: "L10",
      what: "_irq inside of _irqsave lets interrupts in while the outer lock is held",
      parameters: {
        process: [
          "spin_lock_irqsave a",
          "spin_lock_irq b",
          "spin_unlock_irq b",
          "update",
          "spin_unlock_irqrestore a",
        ],
        interrupt: PLAIN,
        raised: HARD,
      },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: "include/linux/spinlock.h",
    },
    {
      id: "L11",
      what: "_bh inside of a section with interrupts off: softirqs would run in it",
      parameters: {
        process: ["local_irq_disable", ...BH, "local_irq_enable"],
      },
      verdict: "MISUSE",
      switches: 0,
      says: "softirqs are enabled while interrupts are off",
      source: "kernel/softirq.c, the WARN of __local_bh_enable_ip",
    },
    {
      id: "L12",
      what: "unlock order crossing: softirqs come on while the plain inner lock is held",
      parameters: {
        process: ["spin_lock_bh a", "spin_lock b", "spin_unlock_bh a", "spin_unlock b"],
        receive: ONLY_B,
        raised: NET_RX,
      },
      verdict: "DEADLOCK",
      switches: 1,
      says: SELF,
      source: "kernel/softirq.c",
    },
    {
      id: "L12f",
      what: "the same, unlocked in the order of the brackets",
      parameters: {
        process: ["spin_lock_bh a", "spin_lock b", "spin_unlock b", "spin_unlock_bh a"],
        receive: ONLY_B,
        raised: NET_RX,
      },
      verdict: "SAFE",
      source: "kernel/softirq.c",
    },
    {
      id: "L13",
      what: "the softirq only tries, and does without",
      parameters: {
        process: PLAIN,
        receive: ["spin_trylock a", "update", "spin_unlock a"],
        raised: NET_RX,
      },
      verdict: "SAFE",
      source: RULES,
    },
    {
      id: "L13r",
      what: "the softirq tries until it succeeds: nothing promises that the task goes on meanwhile",
      parameters: {
        process: PLAIN,
        receive: ["spin_trylock_later a", "update", "spin_unlock a"],
        raised: NET_RX,
      },
      verdict: "LIVELOCK",
      switches: 1,
      source: RULES,
    },
    {
      id: "L14",
      what: "a then b on one CPU, b then a on the other",
      parameters: { cpus: 2, process: B_IN_A, process1: A_IN_B },
      verdict: "DEADLOCK",
      switches: 2,
      source: "locking/lockdep-design.rst",
    },
    {
      id: "L15",
      what: "b is taken inside of a, which softirqs take; and with softirqs on, on another CPU",
      parameters: INVERSION,
      verdict: "DEADLOCK",
      switches: 2,
      source: "locking/lockdep-design.rst, softirq-safe to softirq-unsafe",
    },
    {
      id: "L15u",
      what: "the same on one CPU: who holds b keeps the other task away",
      parameters: { ...INVERSION, cpus: 1 },
      verdict: "SAFE",
      source: "locking/lockdep-design.rst",
    },
    {
      id: "L15f",
      what: "L15 with softirqs off around b everywhere",
      parameters: { ...INVERSION, process1: ["spin_lock_bh b", "spin_unlock_bh b"] },
      verdict: "SAFE",
      source: "locking/lockdep-design.rst",
    },
    {
      id: "L16",
      what: "L3 without other CPUs: nothing spins, so two are inside at once",
      parameters: { process: PLAIN, raised: NET_RX, kernel: "up" },
      verdict: "ASSERT",
      switches: 2,
      says: "an update got lost",
      source: "include/linux/spinlock_api_up.h",
    },
    {
      id: "L16f",
      what: "L4 without other CPUs",
      parameters: { process: BH, raised: NET_RX, kernel: "up" },
      verdict: "SAFE",
      source: "include/linux/spinlock_api_up.h",
    },
    {
      id: "L17",
      what: "L3 with PREEMPT_RT: the lock sleeps, and the softirq is a thread",
      parameters: { process: PLAIN, raised: NET_RX, kernel: "rt" },
      verdict: "SAFE",
      source: "locking/locktypes.rst",
    },
    {
      id: "nest",
      what: "three disablings: the softirq that was raised inside runs at the last enabling",
      parameters: {
        process: [
          "spin_lock_bh a",
          "spin_lock_bh b",
          "local_bh_disable",
          "xmit_lo",
          "expect_done 0",
          "local_bh_enable",
          "spin_unlock_bh b",
          "expect_done 0",
          "spin_unlock_bh a",
          "expect_done 1",
        ],
      },
      verdict: "SAFE",
      source: "kernel/softirq.c, include/linux/preempt.h",
    },
    {
      id: "restart",
      what: "a softirq that raises itself runs ten times; then the task goes on",
      parameters: {
        process: ["xmit_lo", "expect_least 10"],
        receive: ["update", "raise_until 15"],
      },
      verdict: "SAFE",
      source: "kernel/softirq.c, MAX_SOFTIRQ_RESTART",
    },
    {
      id: "restart11",
      what: "and not an eleventh time",
      parameters: {
        process: ["xmit_lo", "expect_least 11"],
        receive: ["update", "raise_until 15"],
      },
      verdict: "ASSERT",
      switches: 2,
      says: "fewer than 11",
      source: "kernel/softirq.c, MAX_SOFTIRQ_RESTART",
    },
    {
      id: "backlog",
      what: "the backlog takes its limit and one more; the next packet is dropped, unseen",
      parameters: {
        ...BACKLOG,
        process: ["local_bh_disable", "netif_rx 1002", "local_bh_enable", "expect_dropped 1"],
      },
      verdict: "SAFE",
      source: "net/core/dev.c, enqueue_to_backlog",
    },
    {
      id: "backlog1001",
      what: "one packet less, and nothing is dropped",
      parameters: {
        ...BACKLOG,
        process: ["local_bh_disable", "netif_rx 1001", "local_bh_enable", "expect_dropped 0"],
      },
      verdict: "SAFE",
      source: "net/core/dev.c, enqueue_to_backlog",
    },
    {
      id: "tcp",
      what: "TCP over loopback: the ACK finds the socket owned, and counts at release_sock",
      parameters: {
        process: ["lock_sock", "xmit_lo", "expect_acked 0", "release_sock", "expect_acked 1"],
        receive: ["tcp_ack"],
      },
      verdict: "SAFE",
      source: "net/core/sock.c, net/ipv4/tcp_ipv4.c",
    },
  ],
};
