// What an endpoint delivers to: the program's cell `stack`, behind which stands a handler of
// frames. On the thread of a loop; a handler that throws is counted and reported, and the loop goes
// on.
import { ERRNO } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import type { QueueIo } from "../../host/types.js";
import type { Addr, Mem } from "../../sync/memory.js";
import type { Device } from "../../sync/program/thread.js";
import { LOOP, loopWord } from "./layout.js";

/** A frame in the pool; valid until `receive` returns, and may be changed. */
export interface ReceivedFrame {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** What a handler may do, and who it answers for. */
export interface HandlerContext {
  readonly mac: string;
  /** IPv4. */
  readonly address: string;
  readonly queue: number;
  /** Writes a frame from the pool to the loop's own queue; a negative errno if it is refused. */
  transmit(offset: number, length: number): number;
  /** Asks for the stop; somebody else does it. */
  requestStop(): void;
  /** Refused: the stop waits for the loop that would call it. @throws PacketpathError USAGE */
  detach(): never;
}

export interface FrameHandler {
  receive(frame: ReceivedFrame): void;
}

export type MakeHandler = (context: HandlerContext) => FrameHandler;

export interface StackParts {
  readonly m: Mem;
  readonly cell: Addr;
  readonly loop: number;
  readonly pool: SharedArrayBuffer;
  readonly slot: number;
  /** Length of the frame in hand. */
  readonly lengthOf: () => number;
  readonly onError: (message: string) => void;
}

export class Stack implements Device {
  private readonly p: StackParts;
  private readonly handler: FrameHandler;
  private readonly bytes: Uint8Array;

  constructor(parts: StackParts, handler: FrameHandler) {
    this.p = parts;
    this.handler = handler;
    this.bytes = new Uint8Array(parts.pool);
  }

  /** Delivers the frame in hand: the program counts it here. */
  add(value: number): number {
    const { m, cell, loop, slot, lengthOf, onError } = this.p;
    try {
      this.handler.receive({ bytes: this.bytes, offset: slot, length: lengthOf() });
    } catch (error) {
      const word = loopWord(loop, LOOP.handlerErrors);
      if (m[word]!++ === 0) onError(error instanceof Error ? error.message : String(error));
    }
    return Atomics.add(m, cell, value);
  }
}

export interface ContextParts {
  readonly m: Mem;
  readonly loop: number;
  readonly io: QueueIo;
  readonly queue: number;
  readonly mac: string;
  readonly address: string;
  readonly ask: () => void;
}

/** What a handler of a loop may do. */
export function contextOf(parts: ContextParts): HandlerContext {
  const { m, loop, io, queue, mac, address, ask } = parts;
  return {
    mac,
    address,
    queue: loop,
    transmit(offset, length) {
      const result = io.write(queue, offset, length);
      m[loopWord(loop, writeWord(result))]!++;
      return result;
    },
    requestStop: ask,
    detach() {
      throw new PacketpathError("USAGE", `loop${loop} cannot stop itself: it would be waited for`, {
        fix: "Call requestStop().",
      });
    },
  };
}

/** The counter that the result of a write belongs to. */
export function writeWord(result: number): number {
  if (result >= 0) return LOOP.written;
  if (result === -ERRNO.EIO) return LOOP.down;
  return result === -ERRNO.EBADFD || result === -ERRNO.EBADF ? LOOP.gone : LOOP.refused;
}
