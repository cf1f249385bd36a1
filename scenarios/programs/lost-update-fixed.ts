// The same with an atomic addition: no schedule loses one.
import { add, assert, ld, program } from "packetpath/explore";

type Cells = Record<"x", number>;

export default program({
  name: "lost-update-fixed",
  cells: { x: 0 },
  threads: Array.from({ length: 3 }, () => ({ x }: Cells) => {
    add(x, 1);
  }),
  final({ x }: Cells) {
    assert(ld(x) === 3, "an addition got lost");
  },
});
