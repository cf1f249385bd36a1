// How the MAC table lies in memory, and its lists: chains of the hash table, and for each port its
// entries in the order of use. Everything here but `scan`-like reading is done under the table's
// lock, by mac-table.ts alone.
//
// Words: header; two for each chain (sequence, first entry); one record for each port number;
// entries. References are indexes of words; 0 is none.

/** Header words 2 to 7 are counters (MAC_COUNTER). */
export const HEADER = {
  revision: 0,
  chains: 1,
  lock: 8,
  maxEntries: 9,
  aging: 10,
  size: 11,
  staticSize: 12,
  /** Entries that were ever used: those after them are still as the allocation left them. */
  taken: 13,
  /** First of the entries that were released, linked by `portNext`. */
  free: 14,
  /** First and last port that has entries. */
  firstPort: 15,
  /** Counts list insertions; gives the global order of use. */
  clock: 16,
} as const;
export const HEADER_WORDS = 32;

/** Port records, by number: their pages are touched only where ports are. */
export const PORT = { count: 0, first: 1, last: 2, next: 3, previous: 4 } as const;
const PORT_WORDS = 5;
const PORTS = 65536;

/** Entry: MAC[0..3]; MAC[4..5] << 16 | VLAN; port << 16 | generation (0: free); last use, s. */
export const AT = {
  high: 0,
  tail: 1,
  place: 2,
  used: 3,
  flags: 4,
  order: 5,
  chainNext: 6,
  portNext: 7,
  portPrevious: 8,
} as const;
export const ENTRY_WORDS = 9;

export function tableWords(chains: number, entries: number): number {
  return HEADER_WORDS + chains * 2 + PORTS * PORT_WORDS + entries * ENTRY_WORDS;
}

export function portAt(chains: number, port: number): number {
  return HEADER_WORDS + chains * 2 + port * PORT_WORDS;
}

export function entryAt(chains: number, index: number): number {
  return portAt(chains, PORTS) + index * ENTRY_WORDS;
}

/** Puts an entry at the head of its chain. */
export function linkFirst(words: Int32Array, chain: number, at: number): void {
  Atomics.store(words, at + AT.chainNext, words[chain + 1]!);
  Atomics.store(words, chain + 1, at);
}

/** Takes an entry off its chain. */
export function unlink(words: Int32Array, chain: number, at: number): void {
  let link = chain + 1;
  while (words[link] !== at) link = words[link]! + AT.chainNext;
  Atomics.store(words, link, words[at + AT.chainNext]!);
}

/** Makes an entry the most recently used of its port. */
export function linkLast(words: Int32Array, chains: number, at: number): void {
  const port = portAt(chains, words[at + AT.place]! >>> 16);
  const last = words[port + PORT.last]!;
  words[at + AT.portPrevious] = last;
  words[at + AT.portNext] = 0;
  if (last === 0) words[port + PORT.first] = at;
  else words[last + AT.portNext] = at;
  words[port + PORT.last] = at;
  if (words[port + PORT.count]!++ === 0) linkPort(words, port);
  words[at + AT.order] = words[HEADER.clock]!++;
}

/** Takes an entry off its port's list. */
export function unlinkPort(words: Int32Array, chains: number, at: number): void {
  const port = portAt(chains, words[at + AT.place]! >>> 16);
  const previous = words[at + AT.portPrevious]!;
  const next = words[at + AT.portNext]!;
  if (previous === 0) words[port + PORT.first] = next;
  else words[previous + AT.portNext] = next;
  if (next === 0) words[port + PORT.last] = previous;
  else words[next + AT.portPrevious] = previous;
  if (--words[port + PORT.count]! === 0) forgetPort(words, port);
}

function linkPort(words: Int32Array, port: number): void {
  const first = words[HEADER.firstPort]!;
  words[port + PORT.next] = first;
  words[port + PORT.previous] = 0;
  if (first !== 0) words[first + PORT.previous] = port;
  words[HEADER.firstPort] = port;
}

function forgetPort(words: Int32Array, port: number): void {
  const previous = words[port + PORT.previous]!;
  const next = words[port + PORT.next]!;
  if (previous === 0) words[HEADER.firstPort] = next;
  else words[previous + PORT.next] = next;
  if (next !== 0) words[next + PORT.previous] = previous;
}
