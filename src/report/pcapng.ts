// Merges the captures that the queue workers of one run wrote, one file each, into one pcapng
// file in the order of time. Called on the main thread after the workers have stopped. Memory is
// bounded: one block of each input and one output buffer, however long the captures are.
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { PacketpathError } from "../base/errors.js";
import { type InterfaceInfo, PCAPNG_BLOCK, pcapngBuffer, writeInterface } from "../wire/pcapng.js";

/** Inputs are read in pieces of this size; the largest frame (64 KiB) fits many times. */
const READ_BYTES = 256 * 1024;
const WRITE_BYTES = 1024 * 1024;
/** No block that the project writes is longer; a longer one means that the file is damaged. */
const BLOCK_BYTES_MAX = READ_BYTES;
/** Options of an interface description: if_name, if_description, if_tsresol. */
const OPTION_NAME = 2;
const OPTION_DESCRIPTION = 3;
const OPTION_RESOLUTION = 9;
/** An interface description with the longest name and description that options can hold. */
const INTERFACE_BYTES_MAX = 32 + 2 * (4 + 65_536) + 8;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export interface MergeResult {
  /** Packets in the merged file. */
  readonly packets: number;
  /** Inputs whose last block is cut off, as a killed worker leaves them; the rest was used. */
  readonly truncated: readonly string[];
}

/**
 * Merges captures by time. Interfaces of the same name and link type become one, so the captures
 * of all workers of a port show as one interface in Wireshark. Inputs must be in the
 * order of time themselves (each is one worker's), and have nanosecond times. Equal times keep
 * the order of `inputs`.
 * @throws PacketpathError FILE_UNUSABLE when a file cannot be opened or is not such a capture.
 */
export function mergeCaptures(inputs: readonly string[], output: string): MergeResult {
  const readers: BlockReader[] = [];
  let file = -1;
  try {
    for (const path of inputs) readers.push(openCapture(path));
    file = openFile(output, "w");
    const sink = { file, buffer: Buffer.allocUnsafe(WRITE_BYTES), used: 0 };
    writeHeaders(sink, readers);
    const packets = mergePackets(sink, readers);
    flush(sink);
    return { packets, truncated: readers.filter((r) => r.truncated).map((r) => r.path) };
  } finally {
    for (const reader of readers) closeSync(reader.file);
    if (file >= 0) closeSync(file);
  }
}

interface BlockReader {
  readonly path: string;
  readonly file: number;
  readonly buffer: Buffer;
  /** The unread part of `buffer`; the current block starts at `start`. */
  start: number;
  end: number;
  /** 0: no further block. */
  blockBytes: number;
  truncated: boolean;
  section: Buffer;
  readonly interfaces: Buffer[];
  /** Place of each interface in the merged file. */
  interfaceIds: number[];
}

interface Sink {
  readonly file: number;
  readonly buffer: Buffer;
  used: number;
}

function openFile(path: string, flags: "r" | "w"): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PacketpathError("FILE_UNUSABLE", `capture ${path}: ${reason}`);
  }
}

/** Opens a capture and reads up to its first packet. */
function openCapture(path: string): BlockReader {
  const reader: BlockReader = {
    path,
    file: openFile(path, "r"),
    buffer: Buffer.allocUnsafe(READ_BYTES),
    start: 0,
    end: 0,
    blockBytes: 0,
    truncated: false,
    section: Buffer.alloc(0),
    interfaces: [],
    interfaceIds: [],
  };
  try {
    readHead(reader);
  } catch (error) {
    closeSync(reader.file);
    throw error;
  }
  return reader;
}

function readHead(reader: BlockReader): void {
  advance(reader);
  if (reader.blockBytes === 0 && reader.end === 0) return;
  if (reader.blockBytes < 28 || blockType(reader) !== PCAPNG_BLOCK.sectionHeader) {
    throw damaged(reader, "does not begin with a section header");
  }
  reader.section = currentBlock(reader);
  for (;;) {
    advance(reader);
    if (reader.blockBytes === 0 || blockType(reader) !== PCAPNG_BLOCK.interfaceDescription) return;
    if (reader.blockBytes < 20) throw damaged(reader, "has a short interface description");
    const block = currentBlock(reader);
    if (option(block, OPTION_RESOLUTION)?.[0] !== 9)
      throw damaged(reader, "has times that are not in nanoseconds");
    reader.interfaces.push(block);
  }
}

/** The value of an option of an interface description, or null. */
function option(block: Buffer, wanted: number): Buffer | null {
  let at = 16;
  while (at + 4 <= block.length - 4) {
    const code = block.readUInt16LE(at);
    const length = block.readUInt16LE(at + 2);
    if (code === 0) return null;
    if (code === wanted) return block.subarray(at + 4, at + 4 + length);
    at += 4 + ((length + 3) & ~3);
  }
  return null;
}

function interfaceInfo(block: Buffer): InterfaceInfo {
  return {
    name: option(block, OPTION_NAME)?.toString("utf8") ?? "",
    description: option(block, OPTION_DESCRIPTION)?.toString("utf8") ?? "",
    linkType: block.readUInt16LE(8),
    snapLengthBytes: block.readUInt32LE(12),
  };
}

function blockType(reader: BlockReader): number {
  return reader.buffer.readUInt32LE(reader.start);
}

/** A copy of the current block, which stays valid after `advance`. */
function currentBlock(reader: BlockReader): Buffer {
  return Buffer.from(reader.buffer.subarray(reader.start, reader.start + reader.blockBytes));
}

/** Moves to the next block; `blockBytes` is 0 at the end of the file or of its usable part. */
function advance(reader: BlockReader): void {
  reader.start += reader.blockBytes;
  reader.blockBytes = 0;
  if (reader.end - reader.start < 12) refill(reader);
  const available = reader.end - reader.start;
  if (available < 12) {
    reader.truncated = available > 0;
    return;
  }
  if (
    blockType(reader) === PCAPNG_BLOCK.sectionHeader &&
    reader.buffer.readUInt32LE(reader.start + 8) !== BYTE_ORDER_MAGIC
  ) {
    throw damaged(reader, "is not little-endian");
  }
  const length = reader.buffer.readUInt32LE(reader.start + 4);
  if (length < 12 || length % 4 !== 0 || length > BLOCK_BYTES_MAX) {
    throw damaged(reader, `has a block of ${length} bytes (12 to ${BLOCK_BYTES_MAX})`);
  }
  if (length > reader.end - reader.start) refill(reader);
  if (length > reader.end - reader.start) {
    reader.truncated = true;
    return;
  }
  if (reader.buffer.readUInt32LE(reader.start + length - 4) !== length) {
    throw damaged(reader, "has a block whose two lengths differ");
  }
  reader.blockBytes = length;
}

function refill(reader: BlockReader): void {
  reader.buffer.copyWithin(0, reader.start, reader.end);
  reader.end -= reader.start;
  reader.start = 0;
  while (reader.end < reader.buffer.length) {
    const room = reader.buffer.length - reader.end;
    const got = readSync(reader.file, reader.buffer, reader.end, room, null);
    if (got === 0) return;
    reader.end += got;
  }
}

function damaged(reader: BlockReader, what: string): PacketpathError {
  return new PacketpathError("FILE_UNUSABLE", `capture ${reader.path} ${what}`);
}

/** One section header, then each interface once. */
function writeHeaders(sink: Sink, readers: readonly BlockReader[]): void {
  const first = readers.find((reader) => reader.section.length > 0);
  if (first === undefined) return;
  put(sink, first.section, 0, first.section.length);
  const known: InterfaceInfo[] = [];
  for (const reader of readers) {
    reader.interfaceIds = reader.interfaces.map((block) => {
      const info = interfaceInfo(block);
      const index = known.findIndex(
        (other) => other.name === info.name && other.linkType === info.linkType,
      );
      if (index < 0) return known.push(info) - 1;
      // What the descriptions say differently is said of one worker, not of the port.
      const same = known[index]!.description === info.description;
      if (!same) known[index] = { ...known[index]!, description: "" };
      return index;
    });
  }
  for (const info of known) {
    const block = pcapngBuffer(new ArrayBuffer(INTERFACE_BYTES_MAX));
    put(sink, Buffer.from(block.bytes.buffer), 0, writeInterface(block, 0, info));
  }
}

function mergePackets(sink: Sink, readers: readonly BlockReader[]): number {
  let packets = 0;
  for (;;) {
    const reader = earliest(readers);
    if (reader === null) return packets;
    const id = reader.buffer.readUInt32LE(reader.start + 8);
    const merged = reader.interfaceIds[id];
    if (merged === undefined) throw damaged(reader, `has a packet of unknown interface ${id}`);
    reader.buffer.writeUInt32LE(merged, reader.start + 8);
    put(sink, reader.buffer, reader.start, reader.blockBytes);
    packets++;
    advance(reader);
  }
}

/** The input whose next packet is the oldest; blocks that are not packets are passed over. */
function earliest(readers: readonly BlockReader[]): BlockReader | null {
  let best: BlockReader | null = null;
  let bestHigh = 0;
  let bestLow = 0;
  for (const reader of readers) {
    while (reader.blockBytes > 0 && blockType(reader) !== PCAPNG_BLOCK.enhancedPacket) {
      const type = blockType(reader);
      if (type === PCAPNG_BLOCK.sectionHeader || type === PCAPNG_BLOCK.interfaceDescription) {
        throw damaged(reader, "describes interfaces behind its first packet");
      }
      advance(reader);
    }
    if (reader.blockBytes === 0) continue;
    if (reader.blockBytes < 32) throw damaged(reader, "has a packet block that is too short");
    const high = reader.buffer.readUInt32LE(reader.start + 12);
    const low = reader.buffer.readUInt32LE(reader.start + 16);
    if (best === null || high < bestHigh || (high === bestHigh && low < bestLow)) {
      best = reader;
      bestHigh = high;
      bestLow = low;
    }
  }
  return best;
}

function put(sink: Sink, from: Buffer, start: number, length: number): void {
  if (sink.used + length > sink.buffer.length) flush(sink);
  from.copy(sink.buffer, sink.used, start, start + length);
  sink.used += length;
}

function flush(sink: Sink): void {
  let written = 0;
  while (written < sink.used) {
    written += writeSync(sink.file, sink.buffer, written, sink.used - written);
  }
  sink.used = 0;
}
