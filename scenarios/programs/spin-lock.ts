// A spin lock of compare-and-exchange. The spin is a cycle of states, not a length, and fairness
// says that it ends: proved, not cut off at a bound.
import { assert, cas, ld, program, st } from "packetpath/explore";

type Cells = Record<"word" | "inside", number>;

function acquire(word: number) {
  while (cas(word, 0, 1) !== 0);
}

function critical({ word, inside }: Cells) {
  acquire(word);
  assert(ld(inside) === 0, "two threads inside");
  st(inside, 1);
  st(inside, 0);
  st(word, 0);
}

export default program({
  name: "spin-lock",
  cells: { word: 0, inside: 0 },
  threads: { a: critical, b: critical, c: critical },
});
