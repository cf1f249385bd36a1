// The store-buffer litmus test: sequentially consistent cells never show 0 to both threads.
import { assert, ld, program, st } from "packetpath/explore";

type Cells = Record<"x" | "y" | "sawX" | "sawY", number>;

export default program({
  name: "store-buffer",
  cells: { x: 0, y: 0, sawX: 0, sawY: 0 },
  threads: {
    left({ x, y, sawY }: Cells) {
      st(x, 1);
      st(sawY, ld(y));
    },
    right({ x, y, sawX }: Cells) {
      st(y, 1);
      st(sawX, ld(x));
    },
  },
  final({ sawX, sawY }: Cells) {
    assert(ld(sawX) + ld(sawY) >= 1, "both saw nothing");
  },
});
