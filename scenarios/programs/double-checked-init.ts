// An object is published before it is filled: the second look is under the lock, the first is not.
import { alloc, assert, ld, lock, program, st, unlock } from "packetpath/explore";

interface Shared {
  instance: number;
  m: number;
}

function getInstance({ instance, m }: Shared): number {
  let found = ld(instance);
  if (found === 0) {
    lock(m);
    found = ld(instance);
    if (found === 0) {
      found = alloc(1);
      st(instance, found);
      st(found, 42);
    }
    unlock(m);
  }
  return found;
}

function use(shared: Shared) {
  const value = ld(getInstance(shared));
  assert(value === 42, `sees ${value}`);
}

export default program({
  name: "double-checked-init",
  cells: { instance: 0 },
  locks: ["m"],
  heap: 1,
  threads: [(shared: Shared) => use(shared), (shared: Shared) => use(shared)],
  expect: "CORRUPTION",
});
