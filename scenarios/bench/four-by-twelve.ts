// Three transmitting CPUs and one that takes the device down, twelve accesses each: flags, queue
// count, rings and counters of one's own. All of its states are what `packetpath bench explore`
// counts.
import { ld, program, st } from "packetpath/explore";

interface Cells {
  running: number;
  carrier: number;
  queues: number;
  ring: number[];
  packets: number[];
  bytes: number[];
}

const transmit = (me: number) => (c: Cells) => {
  const isUp = ld(c.running) + ld(c.carrier);
  const queues = ld(c.queues);
  st(c.ring[me]!, isUp === 2 ? queues : -1);
  const packets = ld(c.packets[me]!);
  st(c.packets[me]!, packets + 1);
  const bytes = ld(c.bytes[me]!);
  st(c.bytes[me]!, bytes + 60);
  ld(c.ring[me]!);
  st(c.ring[me]!, 0);
  ld(c.packets[me]!);
  st(c.ring[me]!, 1);
};

export default program({
  name: "four-by-twelve",
  cells: {
    running: 1,
    carrier: 1,
    queues: 4,
    ring: [0, 0, 0],
    packets: [0, 0, 0],
    bytes: [0, 0, 0],
  },
  threads: {
    cpu0: transmit(0),
    cpu1: transmit(1),
    cpu2: transmit(2),
    down(c: Cells) {
      st(c.carrier, 0);
      st(c.running, 0);
      ld(c.running);
      ld(c.carrier);
      st(c.queues, 0);
      ld(c.queues);
      st(c.ring[0]!, 0);
      ld(c.running);
      st(c.ring[1]!, 0);
      ld(c.carrier);
      ld(c.queues);
      ld(c.queues);
    },
  },
});
