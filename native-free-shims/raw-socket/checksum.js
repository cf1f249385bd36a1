// Internet checksums and byte order, with the results, argument checks and error texts of
// raw-socket 1.8.1. Pure functions, on any thread.
//
// One difference: an `{offset, length}` that reaches beyond its buffer is refused. raw-socket
// compares the length alone with the buffer's and then reads past the end.
import { endianness } from "node:os";

const isUint32 = (value) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff;

/** One step of the sum; `startWith` is the checksum so far, 0 for none (RFC 1071). */
function addChecksum(startWith, buffer, offset, length) {
  if (!Buffer.isBuffer(buffer)) throw new TypeError("Buffer argument must be a node Buffer object");
  if (!isUint32(offset)) throw new TypeError("Offset argument must be an unsigned integer");
  if (offset >= buffer.length) {
    throw new RangeError("Offset argument must be smaller than length of the buffer");
  }
  if (!isUint32(length)) throw new TypeError("Length argument must be an unsigned integer");
  if (offset + length > buffer.length) {
    throw new RangeError("Length argument must be smaller than length of the buffer");
  }
  let sum = startWith > 0 ? ~startWith & 0xffff : 0;
  const end = offset + (length & ~1);
  for (let i = offset; i < end; i += 2) {
    sum += (buffer[i] << 8) | buffer[i + 1];
    if (sum > 0xffff) sum -= 0xffff;
  }
  if ((length & 1) === 1) {
    sum += buffer[end] << 8;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

/**
 * The 16-bit one's complement checksum over all arguments as if they were one buffer. Each is a
 * Buffer or `{buffer, offset, length}`; a part of odd length counts as padded with a zero byte.
 */
export function createChecksum(...parts) {
  let sum = 0;
  for (const part of parts) {
    sum = Buffer.isBuffer(part)
      ? addChecksum(sum, part, 0, part.length)
      : addChecksum(sum, part.buffer, part.offset, part.length);
  }
  return sum;
}

/** Writes a checksum in network order at `offset`; the buffer. */
export function writeChecksum(buffer, offset, checksum) {
  buffer.writeUInt8((checksum & 0xff00) >> 8, offset);
  buffer.writeUInt8(checksum & 0xff, offset + 1);
  return buffer;
}

const LITTLE = endianness() === "LE";

function swap32(number) {
  if (number === undefined) throw new Error("One arguments is required");
  if (!isUint32(number)) throw new TypeError("Number must be a 32 unsigned integer");
  if (!LITTLE) return number;
  return (
    ((number << 24) | ((number & 0xff00) << 8) | ((number >> 8) & 0xff00) | (number >>> 24)) >>> 0
  );
}

function swap16(number) {
  if (number === undefined) throw new Error("One arguments is required");
  if (!isUint32(number)) throw new TypeError("Number must be a 16 unsigned integer");
  if (number > 65535) throw new RangeError("Number cannot be larger than 65535");
  return LITTLE ? ((number & 0xff) << 8) | (number >> 8) : number;
}

export { swap32 as htonl, swap32 as ntohl, swap16 as htons, swap16 as ntohs };
