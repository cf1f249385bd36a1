// The repair of rcu-retire.ts: a callback frees the entry, after a grace period.
import { alloc, assert, callRcu, free, ld, program, st } from "packetpath/explore";
import { rcuReadLock, rcuReadUnlock } from "packetpath/explore";

interface Shared {
  head: number;
  reclaim: number;
}

function read({ head }: Shared) {
  rcuReadLock();
  const entry = ld(head);
  if (entry !== 0) assert(ld(entry) === 42, "the entry is not whole");
  rcuReadUnlock();
}

export default program({
  name: "rcu-retire-fixed",
  cells: { head: 0 },
  heap: 1,
  leaks: true,
  threads: {
    updater({ head, reclaim }: Shared) {
      const entry = alloc(1);
      st(entry, 42);
      st(head, entry);
      st(head, 0);
      callRcu(reclaim, entry);
    },
    reader: (shared: Shared) => read(shared),
    another: (shared: Shared) => read(shared),
    reclaim: { context: "rcu", run: (_shared: Shared, entry: number) => free(entry) },
  },
});
