// Two transmitting CPUs and one that takes the device down, twelve accesses each: flags, queue count,
// and per CPU hash, ring and counters. What `packetpath bench explore` runs at random.
import { assert, ld, program, st } from "packetpath/explore";

interface Cells {
  running: number;
  carrier: number;
  queues: number;
  hash: number[];
  head: number[];
  tail: number[];
  packets: number[];
  bytes: number[];
}

const transmit = (me: number) => (c: Cells) => {
  const isUp = ld(c.running) + ld(c.carrier);
  const queues = ld(c.queues);
  const hash = ld(c.hash[me]!);
  st(c.hash[me]!, queues === 0 ? hash : (hash + 1) % queues);
  const tail = ld(c.tail[me]!);
  const room = tail - ld(c.head[me]!) < 4;
  st(c.tail[me]!, isUp === 2 && room ? tail + 1 : tail);
  const packets = ld(c.packets[me]!);
  st(c.packets[me]!, packets + 1);
  const bytes = ld(c.bytes[me]!);
  st(c.bytes[me]!, bytes + 60);
};

export default program({
  name: "three-by-twelve",
  cells: {
    running: 1,
    carrier: 1,
    queues: 4,
    hash: [1, 2],
    head: [0, 0],
    tail: [0, 0],
    packets: [0, 0],
    bytes: [0, 0],
  },
  threads: {
    cpu0: transmit(0),
    cpu1: transmit(1),
    down(c: Cells) {
      st(c.carrier, 0);
      st(c.running, 0);
      st(c.queues, 0);
      for (let cpu = 0; cpu < 2; cpu++) {
        ld(c.packets[cpu]!);
        ld(c.bytes[cpu]!);
        const tail = ld(c.tail[cpu]!);
        st(c.head[cpu]!, tail);
      }
      ld(c.queues);
    },
  },
  final(c: Cells) {
    assert(ld(c.packets[0]!) === 1 && ld(c.packets[1]!) === 1, "a CPU did not get to its end");
    assert(ld(c.bytes[0]!) === 60 && ld(c.bytes[1]!) === 60, "packets and bytes do not agree");
  },
});
