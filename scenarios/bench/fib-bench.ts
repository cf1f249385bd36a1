// fib_bench of the SV-COMP and GenMC suites with five rounds: 218,243 traces, which
// `packetpath bench explore` runs one by one.
import { ld, program, st } from "packetpath/explore";

interface Cells {
  i: number;
  j: number;
}

export default program({
  name: "fib-bench",
  cells: { i: 1, j: 1 },
  threads: {
    one({ i, j }: Cells) {
      for (let k = 0; k < 5; k++) st(i, ld(i) + ld(j));
    },
    two({ i, j }: Cells) {
      for (let k = 0; k < 5; k++) st(j, ld(j) + ld(i));
    },
    look({ i, j }: Cells) {
      ld(i);
      ld(j);
    },
  },
});
