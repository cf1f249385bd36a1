// A lock per CPU, found before preemption is off: a task that is moved in between takes the lock of
// one CPU and gives back that of another.
import { FREE, program, spinLockBh, spinUnlockBh, thisCpu } from "packetpath/explore";

interface Shared {
  perCpu: number[];
}

export default program({
  name: "per-cpu-lock",
  locks: { perCpu: [FREE, FREE] },
  cpus: 2,
  threads: {
    getname: {
      cpu: 0,
      migrates: true,
      run({ perCpu }: Shared) {
        const mine = perCpu[thisCpu()]!;
        spinLockBh(mine);
        spinUnlockBh(perCpu[thisCpu()]!);
      },
    },
  },
  expect: "MISUSE",
});
