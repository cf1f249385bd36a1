// UOA's table of clients (DPVS, kmod/uoa/uoa.c): an entry that its timer takes out after a while,
// and uoa_map_flush, which takes all of them out. As it stands here: repaired.
import {
  alloc,
  delTimer,
  delTimerSync,
  free,
  ld,
  modTimer,
  program,
  spinLock,
  spinLockBh,
  spinUnlock,
  spinUnlockBh,
  st,
} from "packetpath/explore";

const parameters = {
  /** How the flush stops a timer: without waiting, waiting with or without the bucket's lock. */
  flush: "sync-after-unlock" as "delete" | "sync-under-lock" | "sync-after-unlock",
};

interface Table {
  bucket: number;
  /** The entry of the bucket, or NULL. */
  entry: number;
  expire: number;
}

export default program({
  name: "uoa-timer",
  cells: { entry: 0 },
  locks: ["bucket"],
  cpus: 2,
  heap: 1,
  leaks: true,
  threads: {
    /** A packet of a new client. */
    insert: {
      cpu: 0,
      run({ bucket, entry, expire }: Table) {
        const made = alloc(1);
        st(made, 1);
        spinLockBh(bucket);
        st(entry, made);
        modTimer(expire, made);
        spinUnlockBh(bucket);
      },
    },
    /** uoa_map_flush, when the module goes. */
    flush: {
      cpu: 1,
      run({ bucket, entry, expire }: Table) {
        spinLockBh(bucket);
        const found = ld(entry);
        if (found !== 0) {
          st(entry, 0);
          st(found, 0);
          if (parameters.flush === "delete") delTimer(expire);
          if (parameters.flush === "sync-under-lock") delTimerSync(expire);
          if (parameters.flush !== "sync-after-unlock") free(found);
        }
        spinUnlockBh(bucket);
        if (found !== 0 && parameters.flush === "sync-after-unlock") {
          delTimerSync(expire);
          free(found);
        }
      },
    },
    /** uoa_map_expire. */
    expire: {
      context: "timer",
      run({ bucket, entry }: Table, found: number) {
        spinLock(bucket);
        const isLinked = ld(found) === 1;
        if (isLinked) st(entry, 0);
        spinUnlock(bucket);
        if (isLinked) free(found);
      },
    },
  },
});
