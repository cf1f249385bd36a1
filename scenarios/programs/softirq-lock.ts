// A lock that a task takes with softirqs on, and a softirq takes too: when the interrupt comes while
// the task has it, its own CPU spins for ever. The task needs spinLockBh, not the softirq.
import { ld, program, spinLock, spinUnlock, st } from "packetpath/explore";

interface Shared {
  table: number;
  entries: number;
}

function insert({ table, entries }: Shared) {
  spinLock(table);
  st(entries, ld(entries) + 1);
  spinUnlock(table);
}

export default program({
  name: "softirq-lock",
  cells: { entries: 0 },
  locks: ["table"],
  cpus: 2,
  threads: {
    reinject: { cpu: 0, run: (shared: Shared) => insert(shared) },
    receive: { cpu: 0, context: "softirq", raised: true, run: (shared: Shared) => insert(shared) },
    other: { cpu: 1, context: "softirq", raised: true, run: (shared: Shared) => insert(shared) },
  },
  expect: "DEADLOCK",
});
