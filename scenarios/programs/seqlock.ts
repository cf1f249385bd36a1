// A sequence lock: readers do not lock, and read again if a writer was at work.
import { add, assert, ld, program, st } from "packetpath/explore";

interface Shared {
  sequence: number;
  a: number;
  b: number;
}

function readBoth({ sequence, a, b }: Shared): readonly [number, number] {
  for (;;) {
    const before = ld(sequence);
    if (before % 2 === 1) continue;
    const both = [ld(a), ld(b)] as const;
    if (ld(sequence) === before) return both;
  }
}

export default program({
  name: "seqlock",
  cells: { sequence: 0, a: 0, b: 0 },
  threads: {
    writer({ sequence, a, b }: Shared) {
      for (let value = 1; value <= 2; value++) {
        add(sequence, 1);
        st(a, value);
        st(b, value);
        add(sequence, 1);
      }
    },
    reader(shared: Shared) {
      const [a, b] = readBoth(shared);
      assert(a === b, `torn: ${a} and ${b}`);
    },
  },
});
