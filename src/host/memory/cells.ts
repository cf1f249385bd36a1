// Frame memory of the memory backend: cells of 2 KiB, chained for longer frames, and the copies
// between them and a caller's buffer. Called by queue workers and protocol stacks, per frame:
// nothing here allocates or throws.
import * as layout from "./layout.js";
import type { Image } from "./layout.js";
import { lock, unlock } from "./waiting.js";

const { CELL, CELLS_AT, CELL_BYTES, CELL_COUNT, CELL_META_AT, CELL_META_WORDS, HEADER } = layout;

/** Cells are taken from and given to the shared list this many at a time. */
const MAGAZINE_HALF = 16;
const MAGAZINE_CELLS = 2 * MAGAZINE_HALF;
/** Left for frames on their way to a namespace when transmit queues have eaten all others. */
export const RESERVED_CELLS = 4096;
/** The longest frame; Linux 6.18 takes 200,000 bytes from a writer without a vnet header. */
export const FRAME_BYTES_MAX = 256 * 1024;

/** A thread's own few free cells, so that the shared list is visited once for 16 frames. */
export interface Magazine {
  readonly cells: Int32Array;
  count: number;
}

export function newMagazine(): Magazine {
  return { cells: new Int32Array(MAGAZINE_CELLS), count: 0 };
}

/** A caller's buffer with the views that copies need. */
export interface Pool {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

export function poolOf(buffer: SharedArrayBuffer | ArrayBuffer): Pool {
  return {
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer, 0, buffer.byteLength >> 2),
  };
}

export function metaAt(cell: number): number {
  return CELL_META_AT + cell * CELL_META_WORDS;
}

function refill(words: Int32Array, magazine: Magazine, reserve: number): void {
  lock(words, HEADER.cellLock);
  let taken = 0;
  const room = CELL_COUNT - reserve - words[HEADER.cellsInUse]!;
  for (; taken < MAGAZINE_HALF && taken < room; taken++) {
    const first = words[HEADER.cellFree]!;
    let cell = first - 1;
    if (first !== 0) words[HEADER.cellFree] = words[metaAt(cell) + CELL.nextFrame]!;
    else cell = words[HEADER.cellHigh]!++;
    magazine.cells[magazine.count++] = cell;
  }
  words[HEADER.cellsInUse]! += taken;
  unlock(words, HEADER.cellLock);
}

function flush(words: Int32Array, magazine: Magazine, keep: number): void {
  lock(words, HEADER.cellLock);
  while (magazine.count > keep) {
    const cell = magazine.cells[--magazine.count]!;
    words[metaAt(cell) + CELL.nextFrame] = words[HEADER.cellFree]!;
    words[HEADER.cellFree] = cell + 1;
    words[HEADER.cellsInUse]!--;
  }
  unlock(words, HEADER.cellLock);
}

/** Gives all cells of a magazine back, when its thread is done. */
export function flushMagazine(words: Int32Array, magazine: Magazine): void {
  flush(words, magazine, 0);
}

/**
 * Cells for a frame of `length` bytes, chained.
 * @param reserve cells that this caller must leave free.
 * @returns the first cell, or -1 when there are not enough.
 */
export function allocFrame(
  words: Int32Array,
  magazine: Magazine,
  length: number,
  reserve: number,
): number {
  let first = 0;
  for (let left = length; left > 0 || first === 0; left -= CELL_BYTES) {
    if (magazine.count === 0) refill(words, magazine, reserve);
    if (magazine.count === 0) {
      if (first !== 0) freeFrame(words, magazine, first - 1);
      return -1;
    }
    const cell = magazine.cells[--magazine.count]!;
    words[metaAt(cell) + CELL.nextCell] = first;
    first = cell + 1;
  }
  words[metaAt(first - 1) + CELL.length] = length;
  return first - 1;
}

/** Gives the cells of a frame back. */
export function freeFrame(words: Int32Array, magazine: Magazine, frame: number): void {
  for (let cell = frame + 1; cell !== 0;) {
    const next = words[metaAt(cell - 1) + CELL.nextCell]!;
    if (magazine.count === MAGAZINE_CELLS) flush(words, magazine, MAGAZINE_HALF);
    magazine.cells[magazine.count++] = cell - 1;
    cell = next;
  }
}

/** Gives a whole list of frames back; `first` is cell + 1, 0 for an empty list. */
export function freeList(words: Int32Array, magazine: Magazine, first: number): number {
  let count = 0;
  for (let frame = first; frame !== 0; count++) {
    const next = words[metaAt(frame - 1) + CELL.nextFrame]!;
    freeFrame(words, magazine, frame - 1);
    frame = next;
  }
  return count;
}

/** Copies `length` bytes at `offset` of the pool into the frame's cells. */
export function copyIn(image: Image, pool: Pool, offset: number, frame: number): void {
  const words = image.words;
  let left = words[metaAt(frame) + CELL.length]!;
  let from = offset;
  for (let cell = frame + 1; cell !== 0;) {
    const size = left < CELL_BYTES ? left : CELL_BYTES;
    const to = CELLS_AT * 4 + (cell - 1) * CELL_BYTES;
    copy(pool, from, image, to, size);
    from += size;
    left -= size;
    cell = words[metaAt(cell - 1) + CELL.nextCell]!;
  }
}

/** Copies the first `length` bytes of a frame to `offset` of the pool. */
export function copyOut(
  image: Image,
  frame: number,
  pool: Pool,
  offset: number,
  length: number,
): void {
  const words = image.words;
  let left = length;
  let to = offset;
  for (let cell = frame + 1; cell !== 0 && left > 0;) {
    const size = left < CELL_BYTES ? left : CELL_BYTES;
    const from = CELLS_AT * 4 + (cell - 1) * CELL_BYTES;
    copy(image, from, pool, to, size);
    to += size;
    left -= size;
    cell = words[metaAt(cell - 1) + CELL.nextCell]!;
  }
}

// By words where both sides are aligned (they are, for pools whose slots are): a loop of 375
// loads and stores for an MTU frame. `set(subarray())` would allocate a view for each frame.
function copy(source: Pool, from: number, target: Pool, to: number, size: number): void {
  let done = 0;
  if (((from | to) & 3) === 0) {
    const sourceWords = source.words;
    const targetWords = target.words;
    const words = size >> 2;
    const a = from >> 2;
    const b = to >> 2;
    for (let i = 0; i < words; i++) targetWords[b + i] = sourceWords[a + i]!;
    done = words << 2;
  }
  for (let i = done; i < size; i++) target.bytes[to + i] = source.bytes[from + i]!;
}
