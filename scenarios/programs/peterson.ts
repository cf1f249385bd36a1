// Peterson's mutual exclusion for two threads, with plain loads and stores.
import { assert, ld, program, st } from "packetpath/explore";

interface Cells {
  want: number[];
  turn: number;
  inside: number;
}

function contender(me: number) {
  return ({ want, turn, inside }: Cells) => {
    const other = 1 - me;
    st(want[me]!, 1);
    st(turn, other);
    while (ld(want[other]!) === 1 && ld(turn) === other);
    assert(ld(inside) === 0, "two threads inside");
    st(inside, 1);
    st(inside, 0);
    st(want[me]!, 0);
  };
}

export default program({
  name: "peterson",
  cells: { want: [0, 0], turn: 0, inside: 0 },
  threads: [contender(0), contender(1)],
});
