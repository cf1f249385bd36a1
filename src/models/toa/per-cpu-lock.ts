// TOA's lock of each CPU (toa_ip6_sk_lock): a reader takes that of its own CPU, module exit takes
// all of them, and inside of it the lock of a bucket. As it stands here: repaired.
import {
  cas,
  FREE,
  localBhDisable,
  localBhEnable,
  program,
  spinLock,
  spinLockBh,
  spinUnlock,
  spinUnlockBh,
  st,
  thisCpu,
  waitWhile,
} from "packetpath/explore";

const parameters = {
  /** The own CPU's lock is looked up with softirqs off, or before. */
  lookup: "inside" as "inside" | "before",
  /** A task can be moved to the other CPU. */
  migrates: true,
  /** Locks that know their owner, or words that anybody can set back, as the kernel's are. */
  locks: "checked" as "checked" | "words",
  /** Module exit takes the locks of the CPUs before that of the bucket, or after. */
  exit: "cpus-first" as "cpus-first" | "bucket-first" | "none",
  /** Possible CPUs of the machine: how many locks exit takes. */
  possible: 2,
  hasGetname: true,
  hasDestruct: true,
};

interface Shared {
  perCpu: number[];
  words: number[];
  bucket: number;
}

const isChecked = parameters.locks === "checked";

/** lock_cpu of a lock that was looked up before. */
function lockOf(shared: Shared, cpu: number) {
  if (isChecked) {
    spinLockBh(shared.perCpu[cpu]!);
    return;
  }
  localBhDisable();
  lockWord(shared.words[cpu]!);
}

function unlockOf(shared: Shared, cpu: number) {
  if (isChecked) {
    spinUnlockBh(shared.perCpu[cpu]!);
    return;
  }
  st(shared.words[cpu]!, 0);
  localBhEnable();
}

function lockWord(word: number) {
  while (cas(word, 0, 1) !== 0) waitWhile(word, 1);
}

export default program({
  name: "toa-per-cpu-lock",
  cells: { words: Array.from({ length: parameters.possible }, () => 0) },
  locks: { perCpu: Array.from({ length: parameters.possible }, () => FREE), bucket: FREE },
  cpus: 2,
  threads: {
    /** inet_getname_toa: a task that asks for the name of its peer. */
    getname: {
      cpu: 0,
      migrates: parameters.migrates,
      run(shared: Shared) {
        if (!parameters.hasGetname) return;
        if (parameters.lookup === "inside") {
          localBhDisable();
          lockOf(shared, thisCpu());
          unlockOf(shared, thisCpu());
          localBhEnable();
          return;
        }
        const cpu = thisCpu();
        lockOf(shared, cpu);
        // unlock_cpu looks it up once more, before and outside of what it ends.
        unlockOf(shared, thisCpu());
      },
    },
    /** tcp_v6_sk_destruct_toa: unlinks an entry. */
    destruct: {
      cpu: 1,
      context: "softirq",
      raised: true,
      run(shared: Shared) {
        if (!parameters.hasDestruct) return;
        lockOf(shared, thisCpu());
        spinLock(shared.bucket);
        spinUnlock(shared.bucket);
        unlockOf(shared, thisCpu());
      },
    },
    /** lock_all, and what toa_exit does inside. */
    exit: {
      cpu: 0,
      run(shared: Shared) {
        if (parameters.exit === "none") return;
        if (parameters.exit === "bucket-first") spinLockBh(shared.bucket);
        for (let cpu = 0; cpu < parameters.possible; cpu++) lockOf(shared, cpu);
        if (parameters.exit === "cpus-first") {
          spinLock(shared.bucket);
          spinUnlock(shared.bucket);
        }
        for (let cpu = parameters.possible - 1; cpu >= 0; cpu--) unlockOf(shared, cpu);
        if (parameters.exit === "bucket-first") spinUnlockBh(shared.bucket);
      },
    },
  },
});
