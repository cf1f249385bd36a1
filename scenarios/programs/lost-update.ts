// Two threads add 1 by a load and a store: one addition can get lost.
import { assert, ld, program, st } from "packetpath/explore";

type Cells = Record<"x", number>;

function increment({ x }: Cells) {
  const value = ld(x);
  st(x, value + 1);
}

export default program({
  name: "lost-update",
  cells: { x: 0 },
  threads: { a: increment, b: increment },
  final({ x }: Cells) {
    assert(ld(x) === 2, "an addition got lost");
  },
  expect: "ASSERT",
});
