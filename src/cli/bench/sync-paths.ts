// A path of 30 shared accesses (15 loads, 9 stores, 6 adds), as a packet meets them, written twice:
// through `src/sync`, and with Atomics by hand. The two differ in nothing else. Any thread.
import { add, type Addr, ld, type Mem, st } from "../../sync/index.js";

export const ACCESSES = { loads: 15, stores: 9, adds: 6 };
/** Words that one path touches, from its first address on. */
export const PATH_WORDS = 32;

/** Walks the path once; returns a value that depends on every load. */
export type Path = (m: Mem, at: Addr) => number;

export const throughSync: Path = (m, at) => {
  let sum = ld(m, at) + ld(m, at + 1);
  add(m, at + 16, 1);
  if ((ld(m, at + 2) & 1) === 0) sum += ld(m, at + 3);
  st(m, at + 17, sum);
  sum += ld(m, at + 4) + ld(m, at + 5);
  st(m, at + 18, sum);
  add(m, at + 19, 2);
  sum += ld(m, at + 6);
  st(m, at + 20, sum);
  st(m, at + 21, sum & 7);
  sum += ld(m, at + 7) + ld(m, at + 8);
  add(m, at + 22, 1);
  sum += ld(m, at + 9);
  st(m, at + 23, sum);
  add(m, at + 24, 1);
  sum += ld(m, at + 10) + ld(m, at + 11);
  st(m, at + 25, sum);
  st(m, at + 26, sum >> 1);
  sum += ld(m, at + 12);
  add(m, at + 27, 1);
  st(m, at + 28, sum);
  sum += ld(m, at + 13) + ld(m, at + 14);
  st(m, at + 29, sum);
  add(m, at + 30, 1);
  return sum;
};

export const byHand: Path = (m, at) => {
  let sum = Atomics.load(m, at) + Atomics.load(m, at + 1);
  Atomics.add(m, at + 16, 1);
  if ((Atomics.load(m, at + 2) & 1) === 0) sum += Atomics.load(m, at + 3);
  Atomics.store(m, at + 17, sum);
  sum += Atomics.load(m, at + 4) + Atomics.load(m, at + 5);
  Atomics.store(m, at + 18, sum);
  Atomics.add(m, at + 19, 2);
  sum += Atomics.load(m, at + 6);
  Atomics.store(m, at + 20, sum);
  Atomics.store(m, at + 21, sum & 7);
  sum += Atomics.load(m, at + 7) + Atomics.load(m, at + 8);
  Atomics.add(m, at + 22, 1);
  sum += Atomics.load(m, at + 9);
  Atomics.store(m, at + 23, sum);
  Atomics.add(m, at + 24, 1);
  sum += Atomics.load(m, at + 10) + Atomics.load(m, at + 11);
  Atomics.store(m, at + 25, sum);
  Atomics.store(m, at + 26, sum >> 1);
  sum += Atomics.load(m, at + 12);
  Atomics.add(m, at + 27, 1);
  Atomics.store(m, at + 28, sum);
  sum += Atomics.load(m, at + 13) + Atomics.load(m, at + 14);
  Atomics.store(m, at + 29, sum);
  Atomics.add(m, at + 30, 1);
  return sum;
};
