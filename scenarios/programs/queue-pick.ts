// The loop that chooses a transmit queue, in small: the count is read once, the device goes away
// first, and the subtraction of 0 never ends. tick says on which values the loop goes on.
import { ld, program, st, tick } from "packetpath/explore";

type Cells = Record<"count" | "chosen", number>;

export default program({
  name: "queue-pick",
  cells: { count: 4, chosen: 0 },
  threads: {
    transmit({ count, chosen }: Cells) {
      const queues = ld(count);
      let hash = 6;
      while (hash >= queues) {
        tick(hash, queues);
        hash -= queues;
      }
      st(chosen, hash);
    },
    unregister({ count }: Cells) {
      st(count, 0);
    },
  },
  expect: "LOCKUP",
});
