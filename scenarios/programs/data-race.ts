// A flag that is not atomic: whoever reads it may read at the moment of the write.
import { program, read, st, write } from "packetpath/explore";

interface Shared {
  flag: number;
  seen: number;
}

export default program({
  name: "data-race",
  cells: { flag: 0, seen: 0 },
  threads: {
    writer: ({ flag }: Shared) => write(flag, 1),
    reader: ({ flag, seen }: Shared) => st(seen, read(flag)),
  },
  expect: "RACE",
});
