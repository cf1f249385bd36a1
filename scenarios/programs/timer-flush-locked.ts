// The repair of timer-flush.ts that comes to mind, and deadlocks: delTimerSync waits for the timer,
// under the lock that the timer waits for.
import { alloc, delTimerSync, free, ld, modTimer, program } from "packetpath/explore";
import { spinLock, spinLockBh, spinUnlock, spinUnlockBh, st } from "packetpath/explore";

interface Shared {
  bucket: number;
  entry: number;
  expire: number;
}

export default program({
  name: "timer-flush-locked",
  cells: { entry: 0 },
  locks: ["bucket"],
  cpus: 2,
  heap: 2,
  threads: {
    insert: {
      cpu: 0,
      run({ entry, expire }: Shared) {
        const made = alloc(1);
        st(made, 7);
        st(entry, made);
        modTimer(expire, made);
      },
    },
    flush: {
      cpu: 1,
      run({ bucket, entry, expire }: Shared) {
        spinLockBh(bucket);
        const found = ld(entry);
        if (found !== 0) {
          st(entry, 0);
          delTimerSync(expire);
          free(found);
        }
        spinUnlockBh(bucket);
      },
    },
    expire: {
      context: "timer",
      run({ bucket }: Shared, found: number) {
        spinLock(bucket);
        st(found, ld(found) - 1);
        spinUnlock(bucket);
      },
    },
  },
  expect: "DEADLOCK",
});
