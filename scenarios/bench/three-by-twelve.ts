// Two transmitting CPUs and one that takes the device down, twelve accesses each: flags, queue count,
// hash, ring, counters. What `packetpath bench explore` runs at random.
import { add, assert, ld, program, st } from "packetpath/explore";

interface Cells {
  running: number;
  carrier: number;
  queues: number;
  hash: number;
  head: number;
  tail: number;
  ring: number[];
  packets: number;
  bytes: number;
  sent: number[];
}

const transmit = (me: number) => (c: Cells) => {
  const isUp = ld(c.running) + ld(c.carrier);
  const queues = ld(c.queues);
  const hash = ld(c.hash);
  const tail = ld(c.tail);
  const room = tail - ld(c.head) < 4;
  st(c.ring[tail & 3]!, 1 + me);
  st(c.tail, tail + 1);
  add(c.packets, 1);
  add(c.bytes, 60);
  st(c.hash, queues === 0 ? hash : (hash + 1) % queues);
  st(c.sent[me]!, isUp === 2 && room ? 2 : 1);
};

export default program({
  name: "three-by-twelve",
  cells: {
    running: 1,
    carrier: 1,
    queues: 4,
    hash: 1,
    head: 0,
    tail: 0,
    ring: [0, 0, 0, 0],
    packets: 0,
    bytes: 0,
    sent: [0, 0],
  },
  threads: {
    cpu0: transmit(0),
    cpu1: transmit(1),
    down(c: Cells) {
      st(c.carrier, 0);
      st(c.running, 0);
      const packets = ld(c.packets);
      st(c.queues, 0);
      const head = ld(c.head);
      const tail = ld(c.tail);
      st(c.head, tail);
      st(c.ring[head & 3]!, 0);
      add(c.bytes, -60 * packets);
      add(c.packets, -packets);
      st(c.hash, 0);
      ld(c.queues);
    },
  },
  final(c: Cells) {
    assert(ld(c.sent[0]!) > 0 && ld(c.sent[1]!) > 0, "a CPU did not get to its end");
    assert(ld(c.packets) * 60 === ld(c.bytes), "packets and bytes do not agree");
  },
});
