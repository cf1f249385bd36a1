// A sleeper looks at the flag first and announces itself afterwards: the waker can come between.
import { ld, program, st, waitUntil } from "packetpath/explore";

type Cells = Record<"ready" | "asleep" | "wake", number>;

export default program({
  name: "lost-wakeup",
  cells: { ready: 0, asleep: 0, wake: 0 },
  threads: {
    sleeper({ ready, asleep, wake }: Cells) {
      if (ld(ready) === 1) return;
      st(asleep, 1);
      waitUntil(wake, 1);
    },
    waker({ ready, asleep, wake }: Cells) {
      st(ready, 1);
      if (ld(asleep) === 1) st(wake, 1);
    },
  },
  expect: "DEADLOCK",
});
