// A list entry is freed as soon as it is taken out, while readers may still hold it.
import {
  alloc,
  assert,
  free,
  ld,
  program,
  rcuReadLock,
  rcuReadUnlock,
  st,
} from "packetpath/explore";

interface Shared {
  head: number;
}

function read({ head }: Shared) {
  rcuReadLock();
  const entry = ld(head);
  if (entry !== 0) assert(ld(entry) === 42, "the entry is not whole");
  rcuReadUnlock();
}

export default program({
  name: "rcu-retire",
  cells: { head: 0 },
  heap: 1,
  leaks: true,
  threads: {
    updater({ head }: Shared) {
      const entry = alloc(1);
      st(entry, 42);
      st(head, entry);
      st(head, 0);
      free(entry);
    },
    reader: (shared: Shared) => read(shared),
    another: (shared: Shared) => read(shared),
  },
  expect: "USE-AFTER-FREE",
});
