// The HTTP server of a load on the memory backend's TCP. Holds its answers until as many requests
// are in flight as the load asks for. Stack threads.
import { PacketpathError } from "../../base/errors.js";
import { AnswerContent, parseRequestPath } from "../http-content.js";
import { keepMost, LOAD_COUNTER, type HttpLoadSpec } from "../types.js";
import type { Activity } from "./protocol.js";
import type { Connection, Owner } from "./tcp-connection.js";
import type { Tcp } from "./tcp.js";

/** Answers given between two looks at arriving frames, so that queues can drain meanwhile. */
const ANSWERS_PER_STEP = 32;
const REQUEST_BYTES_MAX = 4096;

/** The head of an answer; the client compares it byte for byte. */
export function answerHead(bodyBytes: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\nConnection: close\r\n\r\n`;
}

export class HttpServer implements Activity {
  isDone = false;
  private readonly tcp: Tcp;
  private readonly spec: HttpLoadSpec;
  private readonly words: Int32Array;
  private readonly exchanges = new Set<Exchange>();
  private content: AnswerContent;
  private isReleased: boolean;
  private held: Exchange[] = [];

  /** @throws PacketpathError SYSTEM_CALL: the port is taken. */
  constructor(tcp: Tcp, spec: HttpLoadSpec, words: Int32Array) {
    if (tcp.isListening(spec.serverPort)) {
      throw new PacketpathError(
        "SYSTEM_CALL",
        `cannot listen on ${spec.serverAddress} port ${spec.serverPort}: EADDRINUSE`,
      );
    }
    this.tcp = tcp;
    this.spec = spec;
    this.words = words;
    this.content = new AnswerContent(spec.bodyBytes);
    this.isReleased = false;
    tcp.listen(spec.serverPort, () => {
      const exchange = new Exchange(this);
      this.exchanges.add(exchange);
      return exchange;
    });
  }

  /** A request is complete: it is in flight from now on. */
  arrived(exchange: Exchange): void {
    this.held.push(exchange);
    const inFlight = Atomics.add(this.words, LOAD_COUNTER.inFlight, 1) + 1;
    keepMost(this.words, LOAD_COUNTER.maxHeld, inFlight);
    if (inFlight >= this.spec.holdUntilInFlight) this.release();
  }

  left(exchange: Exchange): void {
    this.exchanges.delete(exchange);
    this.landed(exchange);
  }

  private landed(exchange: Exchange): void {
    if (exchange.isInFlight) Atomics.sub(this.words, LOAD_COUNTER.inFlight, 1);
    exchange.isInFlight = false;
  }

  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    Atomics.store(this.words, LOAD_COUNTER.released, 1);
  }

  step(): boolean {
    if (!this.isReleased && Atomics.load(this.words, LOAD_COUNTER.stop) !== 0) this.release();
    if (!this.isReleased || this.held.length === 0) return false;
    for (const exchange of this.held.splice(0, ANSWERS_PER_STEP)) this.answer(exchange);
    return this.held.length > 0;
  }

  private answer(exchange: Exchange): void {
    const { connection, number, bodyBytes } = exchange;
    if (connection === null) return;
    if (this.content.bodyBytes !== bodyBytes) this.content = new AnswerContent(bodyBytes);
    const head = Buffer.from(answerHead(bodyBytes), "latin1");
    this.tcp.send(connection, Buffer.concat([head, this.content.body(number)]), true);
    this.landed(exchange);
  }

  /** Not HTTP, or not ours. */
  refuse(connection: Connection): void {
    const text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    this.tcp.send(connection, Buffer.from(text, "latin1"), true);
  }

  end(connection: Connection): void {
    this.tcp.send(connection, new Uint8Array(0), true);
  }

  nextMs(nowMs: number): number {
    return this.isReleased ? Infinity : nowMs + 50;
  }

  stop(): void {
    this.isDone = true;
    this.tcp.unlisten(this.spec.serverPort);
    for (const { connection } of [...this.exchanges]) {
      if (connection !== null) this.tcp.abort(connection);
    }
    Atomics.store(this.words, LOAD_COUNTER.inFlight, 0);
  }

  result(): unknown {
    return null;
  }
}

/** One connection of the server. */
class Exchange implements Owner {
  connection: Connection | null = null;
  number = 0;
  bodyBytes = 0;
  isInFlight = false;
  private readonly server: HttpServer;
  private text = "";
  private isAnswered = false;

  constructor(server: HttpServer) {
    this.server = server;
  }

  connected(): void {}

  received(connection: Connection, bytes: Uint8Array, at: number, size: number): void {
    if (this.isAnswered) return;
    this.connection = connection;
    this.text += Buffer.from(bytes.buffer, bytes.byteOffset + at, size).toString("latin1");
    if (!this.text.endsWith("\r\n\r\n") && this.text.length < REQUEST_BYTES_MAX) return;
    this.isAnswered = true;
    const path = /^GET (\S+) HTTP\/1\.1\r\n/.exec(this.text)?.[1] ?? "";
    const request = parseRequestPath(path);
    if (request === null) {
      this.server.refuse(connection);
      return;
    }
    this.number = request.number;
    this.bodyBytes = request.bodyBytes;
    this.isInFlight = true;
    this.server.arrived(this);
  }

  /** The client has gone before its request was whole. */
  ended(connection: Connection): void {
    if (!this.isAnswered) this.server.end(connection);
  }

  closed(): void {
    this.connection = null;
    this.server.left(this);
  }
}
