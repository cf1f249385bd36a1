// Each thread gives way when the other's lock is taken, and tries again: nobody is ever blocked,
// and nobody need ever get on.
import { lock, program, tryLock, unlock } from "packetpath/explore";

type Locks = Record<"left" | "right", number>;

function eat(first: number, second: number) {
  for (;;) {
    lock(first);
    if (tryLock(second)) break;
    unlock(first);
  }
  unlock(second);
  unlock(first);
}

export default program({
  name: "polite-philosophers",
  locks: ["left", "right"],
  threads: {
    a: ({ left, right }: Locks) => eat(left, right),
    b: ({ left, right }: Locks) => eat(right, left),
  },
  expect: "LIVELOCK",
});
