// The HTTP server of a load: a worker thread in the server's namespace, started by http.ts.
//
// It holds every answer until `holdUntilInFlight` requests are there at once, then answers them
// all: `maxHeld` is the proof that they really were in flight together. Without a hold, or
// after its release, it answers at once.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import { isIPv6, type Socket } from "node:net";
import { PacketpathError } from "../base/errors.js";
import { enterNamespace } from "../host/open.js";
import { AnswerContent, CLIENT_HEADER, parseRequestPath } from "./http-content.js";
import { Peers } from "./peers/peers.js";
import { connectRole, type RoleLine } from "./threads.js";
import { keepMost, LOAD_COUNTER, type HttpLoadSpec } from "./types.js";

/**
 * Node's default of 511 overflows when thousands of connections come at once: each overflow is a
 * SYN sent again a second later, which looks exactly like a loss in the switch (seen on 6.18:
 * 224 overflows of 3000 connections). With 4096 there were none.
 */
const LISTEN_BACKLOG = 4096;

interface Held {
  readonly number: number;
  readonly bodyBytes: number;
  readonly response: ServerResponse;
}

/** The state of the one server of this thread. */
class HoldingServer {
  private readonly spec: HttpLoadSpec;
  private readonly peers: Peers;
  private readonly words: Int32Array;
  private readonly holdUntil: number;
  private held: Held[] = [];
  private content = new AnswerContent(0);
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(line: RoleLine<HttpLoadSpec>) {
    this.spec = line.spec;
    this.peers = new Peers(line.spec.peers ?? null);
    this.words = line.words;
    this.holdUntil = line.spec.holdUntilInFlight;
    // Deadlines belong to the client. maxConnections stays unset: its meaning of 0 has changed
    // between Node 20 ("no limit") and 22 ("refuse all").
    this.server = createServer({ requestTimeout: 0, headersTimeout: 0 }, (request, response) =>
      this.receive(request, response),
    );
    this.server.timeout = 0;
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.server.on("clientError", (_error, socket) => socket.destroy());
    if (this.holdUntil === 0) Atomics.store(this.words, LOAD_COUNTER.released, 1);
  }

  /** Resolves when connections are taken; rejects with SYSTEM_CALL when they cannot be. */
  listen(address: string, port: number): Promise<void> {
    // The wildcard address, because the device with `address` may go and come back.
    const host = isIPv6(address) ? "::" : "0.0.0.0";
    return new Promise((resolve, reject) => {
      this.server.once("error", (error: NodeJS.ErrnoException) => {
        const why = `the HTTP server cannot listen on ${host} port ${port}: ${error.code}`;
        reject(new PacketpathError("SYSTEM_CALL", why));
      });
      this.server.listen({ host, port, backlog: LISTEN_BACKLOG }, resolve);
    });
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const asked = parseRequestPath(request.url ?? "");
    if (asked === null) {
      response.writeHead(404, { Connection: "close" }).end();
      return;
    }
    if (this.spec.behind !== undefined) this.compare(request);
    const inFlight = Atomics.add(this.words, LOAD_COUNTER.inFlight, 1) + 1;
    keepMost(this.words, LOAD_COUNTER.maxHeld, inFlight);
    // "close" comes exactly once, whether the answer was delivered or the client went away.
    response.on("close", () => Atomics.sub(this.words, LOAD_COUNTER.inFlight, 1));
    const held = { ...asked, response };
    if (Atomics.load(this.words, LOAD_COUNTER.released) === 1) {
      this.answer(held);
      return;
    }
    this.held.push(held);
    if (inFlight >= this.holdUntil) this.release();
  }

  /** Whether the server has learned the address that the client says it has. */
  private compare(request: IncomingMessage): void {
    const stated = this.peers.stated(String(request.headers[CLIENT_HEADER]));
    const isSame = stated !== null && this.peers.isPeer(request.socket, stated);
    Atomics.add(this.words, isSame ? LOAD_COUNTER.clientsSame : LOAD_COUNTER.clientsDifferent, 1);
  }

  /** Answers everything that is held, and from now on everything at once. */
  release(): void {
    Atomics.store(this.words, LOAD_COUNTER.released, 1);
    const held = this.held;
    this.held = [];
    for (const one of held) this.answer(one);
  }

  private answer(held: Held): void {
    if (held.response.destroyed) return;
    if (this.content.bodyBytes !== held.bodyBytes) this.content = new AnswerContent(held.bodyBytes);
    held.response.writeHead(200, { "Content-Length": held.bodyBytes, Connection: "close" });
    held.response.end(this.content.body(held.number));
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A full accept queue must never be mistaken for a fault, so the limit is checked beforehand. */
function checkListenQueue(holdUntilInFlight: number): void {
  // Sync: asynchronous file reads run in the thread pool, which lives in another namespace.
  const somaxconn = Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
  if (somaxconn >= Math.min(holdUntilInFlight, LISTEN_BACKLOG)) return;
  throw new PacketpathError(
    "ENVIRONMENT",
    `net.core.somaxconn is ${somaxconn} in the server's namespace, ` +
      `but ${holdUntilInFlight} requests are to be in flight`,
    { fix: `Set net.core.somaxconn to ${LISTEN_BACKLOG} in that namespace.` },
  );
}

await connectRole<HttpLoadSpec>(async (line) => {
  await enterNamespace(line.descriptor, line.namespace);
  checkListenQueue(line.spec.holdUntilInFlight);
  const server = new HoldingServer(line);
  await server.listen(line.spec.serverAddress, line.spec.serverPort);
  line.ready();
  let isReleased = false;
  line.onStop(() => {
    // The load's stop releases the hold, so that what can still be answered is; the server itself
    // ends at the second message, which http.ts sends when the client has its results.
    if (!isReleased && Atomics.load(line.words, LOAD_COUNTER.stop) === 1) {
      isReleased = true;
      server.release();
      return;
    }
    server.close();
    line.finish(null);
  });
});
