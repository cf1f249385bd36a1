// Work stealing after Chase and Lev: the owner takes from the bottom, thieves from the top; over the
// last task they compete with a compare-and-exchange.
import { add, assert, cas, ld, program, st } from "packetpath/explore";

interface Deque {
  top: number;
  bottom: number;
  tasks: number[];
  done: number[];
}

function take({ top, bottom, tasks }: Deque): number {
  const b = ld(bottom) - 1;
  st(bottom, b);
  const t = ld(top);
  if (t < b) return ld(tasks[b]!);
  const task = t === b && cas(top, t, t + 1) === t ? ld(tasks[b]!) : -1;
  st(bottom, b + 1);
  return task;
}

function steal({ top, bottom, tasks }: Deque): number {
  const t = ld(top);
  if (t >= ld(bottom)) return -1;
  const task = ld(tasks[t]!);
  return cas(top, t, t + 1) === t ? task : -1;
}

function run({ done }: Deque, task: number) {
  if (task >= 0) assert(add(done[task]!, 1) === 0, `task ${task} runs twice`);
}

const thief = (deque: Deque) => run(deque, steal(deque));

export default program({
  name: "chase-lev-deque",
  cells: { top: 0, bottom: 2, tasks: [0, 1], done: [0, 0] },
  threads: {
    owner(deque: Deque) {
      for (let i = 0; i < 2; i++) run(deque, take(deque));
    },
    thief,
    another: (deque: Deque) => run(deque, steal(deque)),
  },
  final({ done }: Deque) {
    for (const task of done) assert(ld(task) === 1, "a task got lost");
  },
});
