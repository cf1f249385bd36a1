// A lock-free stack of two nodes; a pop that is overtaken by pop, pop, push puts a node back that
// somebody else has (the ABA problem). A handle is a number: 0 is NULL, cells can hold handles.
import { assert, cas, ld, program, st } from "packetpath/explore";

interface Cells {
  head: number;
  /** next[1] and next[2]; entry 0 is not used. */
  next: number[];
  owner: number[];
}

function pop({ head, next }: Cells): number {
  for (;;) {
    const top = ld(head);
    if (top === 0) return 0;
    const below = ld(next[top]!);
    if (cas(head, top, below) === top) return top;
  }
}

function push({ head, next }: Cells, node: number) {
  for (;;) {
    const top = ld(head);
    st(next[node]!, top);
    if (cas(head, top, node) === top) return;
  }
}

function take({ owner }: Cells, node: number, me: number) {
  if (node === 0) return;
  assert(ld(owner[node]!) === 0, "a node has two owners");
  st(owner[node]!, me);
}

export default program({
  name: "treiber-stack",
  cells: { head: 1, next: [0, 2, 0], owner: [0, 0, 0] },
  threads: {
    slow(cells: Cells) {
      take(cells, pop(cells), 1);
      take(cells, pop(cells), 1);
    },
    fast(cells: Cells) {
      const first = pop(cells);
      const second = pop(cells);
      take(cells, second, 2);
      if (first !== 0) push(cells, first);
    },
  },
  expect: "ASSERT",
});
