// The repair of timer-flush.ts: the entry is taken out under the lock, and its timer waited for
// after it; an insert arms the timer under the lock too, so that none is armed later.
import { alloc, delTimerSync, free, ld, modTimer, program } from "packetpath/explore";
import { spinLock, spinLockBh, spinUnlock, spinUnlockBh, st } from "packetpath/explore";

interface Shared {
  bucket: number;
  entry: number;
  expire: number;
}

export default program({
  name: "timer-flush-fixed",
  cells: { entry: 0 },
  locks: ["bucket"],
  cpus: 2,
  heap: 2,
  threads: {
    insert: {
      cpu: 0,
      run({ bucket, entry, expire }: Shared) {
        const made = alloc(1);
        st(made, 7);
        spinLockBh(bucket);
        st(entry, made);
        modTimer(expire, made);
        spinUnlockBh(bucket);
      },
    },
    flush: {
      cpu: 1,
      run({ bucket, entry, expire }: Shared) {
        spinLockBh(bucket);
        const found = ld(entry);
        if (found !== 0) st(entry, 0);
        spinUnlockBh(bucket);
        if (found === 0) return;
        delTimerSync(expire);
        free(found);
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
});
