// The queue of Michael and Scott: two lock-free ends, the tail at most one behind, which anybody
// moves on.
import { alloc, assert, cas, ld, program, st, waitUntil } from "packetpath/explore";

interface Queue {
  head: number;
  tail: number;
  /** The node that is there from the start: value, next. */
  dummy: number[];
  ready: number;
}

const NEXT = 1;

function enqueue({ tail }: Queue, value: number) {
  const node = alloc(2);
  st(node, value);
  st(node + NEXT, 0);
  for (;;) {
    const last = ld(tail);
    const next = ld(last + NEXT);
    if (next !== 0) {
      cas(tail, last, next);
    } else if (cas(last + NEXT, 0, node) === 0) {
      cas(tail, last, node);
      return;
    }
  }
}

/** Null if the queue is empty. */
function dequeue({ head, tail }: Queue): number | null {
  for (;;) {
    const first = ld(head);
    const last = ld(tail);
    const next = ld(first + NEXT);
    if (first !== ld(head)) continue;
    if (next === 0) return null;
    if (first === last) {
      cas(tail, last, next);
      continue;
    }
    const value = ld(next);
    if (cas(head, first, next) === first) return value;
  }
}

export default program({
  name: "michael-scott-queue",
  cells: { dummy: [0, 0], head: 0, tail: 0, ready: 0 },
  heap: 6,
  threads: {
    producer(queue: Queue) {
      const { head, tail, dummy, ready } = queue;
      st(head, dummy[0]!);
      st(tail, dummy[0]!);
      st(ready, 1);
      enqueue(queue, 1);
      enqueue(queue, 2);
    },
    other(queue: Queue) {
      waitUntil(queue.ready, 1);
      enqueue(queue, 3);
    },
    consumer(queue: Queue) {
      waitUntil(queue.ready, 1);
      const got = [dequeue(queue), dequeue(queue)];
      assert(got[0] !== 2, "2 came before 1");
      assert(got[0] === null || got[0] !== got[1], `${got[0]} came twice`);
    },
  },
});
