// The way out of a failed allocation gives back what was allocated before; a step later it forgets.
import { alloc, fault, free, program, st } from "packetpath/explore";

interface Shared {
  ready: number;
}

export default program({
  name: "alloc-failure",
  cells: { ready: 0 },
  maxFaults: 1,
  heap: 2,
  leaks: true,
  threads: {
    init({ ready }: Shared) {
      const locks = alloc(1);
      if (locks === 0) return;
      const table = alloc(1);
      if (table === 0) {
        free(locks);
        return;
      }
      if (fault("register")) {
        free(table);
        return;
      }
      st(ready, 1);
      free(table);
      free(locks);
    },
  },
  expect: "LEAK",
});
