// The content of an answer, derived from the request's number, so that an answer that was mixed
// up, cut short or damaged on its way is seen and not counted as a success. Written by the server
// thread, checked byte for byte by the client thread; also used by the memory backend's load.
import { Buffer } from "node:buffer";

const HEADER_BYTES = 12;
/** A prime, so that the period of the pattern meets no power-of-two boundary. */
const PATTERN_PERIOD = 251;

/** The path that asks for request `number`'s answer. */
export function requestPath(number: number, bodyBytes: number): string {
  return `/${number}/${bodyBytes}`;
}

/** Request number and body length from a path, or null if it is not one of ours. */
export function parseRequestPath(path: string): { number: number; bodyBytes: number } | null {
  const found = /^\/(\d{1,10})\/(\d{1,9})$/.exec(path);
  if (found === null) return null;
  return { number: Number(found[1]), bodyBytes: Number(found[2]) };
}

/** The header in which a client of a balanced service says which address it has. */
export const CLIENT_HEADER = "x-client-address";

/** Its value: address and port. */
export function statement(address: string, port: number): string {
  return `${address} ${port}`;
}

/** Makes answers of one length; the pattern behind them is laid out once. */
export class AnswerContent {
  readonly bodyBytes: number;
  private readonly pattern: Buffer;

  /** @param bodyBytes 0 or more. */
  constructor(bodyBytes: number) {
    this.bodyBytes = bodyBytes;
    this.pattern = Buffer.alloc(bodyBytes + PATTERN_PERIOD);
    for (let i = 0; i < this.pattern.length; i++) this.pattern[i] = (i % PATTERN_PERIOD) + 1;
  }

  /** The whole body: the number in 12 digits, then the pattern shifted by the number. */
  body(number: number): Buffer {
    const body = Buffer.allocUnsafe(this.bodyBytes);
    this.pattern.copy(body, 0, number % PATTERN_PERIOD);
    body.write(String(number).padStart(HEADER_BYTES, "0").slice(-HEADER_BYTES), 0, "latin1");
    return body;
  }
}
