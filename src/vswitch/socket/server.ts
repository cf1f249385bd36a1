// The control socket of a running switch. One line of JSON asks, one line answers:
//
//   -> {"tool":"ovs-ofctl","args":["add-flows","br0","flows.txt"],"terminal":false}
//   <- {"read":"flows.txt"}                 the server wants a file of the caller's ("encoding":
//                                           "base64" if it is no text) ...
//   -> {"text":"in_port=1,actions=2\n"}     ... and gets its text, or {"error":"..."}
//   <- {"exitCode":0,"stdout":"","stderr":""}
//
// A command that stays (`ovs-ofctl monitor`) answers with "stay"; see stay.ts.
//
// Requests of all connections are performed one after the other. Whatever a caller sends, or
// however it leaves, the switch goes on. Main thread.
import { chmodSync, mkdirSync, unlinkSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { realClock } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { type Answer, type Request, type Target, type Tool, TOOLS } from "../verbs/call.js";
import { perform } from "../verbs/dispatch.js";
import { type Staying, stay } from "./stay.js";
import { isSocket, register, sweepSockets, unregister } from "./registry.js";

/** The longest line a caller may send: a file of some 500,000 flows. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** How often a command that waits looks again though nobody has said anything. */
const TURN_MS = 1000;

export interface ControlServer {
  readonly path: string;
  /** Stops listening, ends all connections and removes the socket. */
  close(): Promise<void>;
}

/**
 * Begins to listen.
 * @throws PacketpathError ENVIRONMENT when another process listens there, or when the place cannot
 *   be written to.
 */
export async function serve(path: string, target: Target): Promise<ControlServer> {
  sweepSockets();
  register(path);
  let queue: Promise<unknown> = Promise.resolve();
  const turns = new EventTarget();
  const inTurn = async (request: Request, gone: AbortSignal): Promise<Answer> => {
    const startedMs = realClock.nowMs();
    for (;;) {
      const turn = queue.then(() => perform(request, target));
      queue = turn;
      const answer = await turn;
      if (answer.waits === undefined) {
        turns.dispatchEvent(new Event("turn"));
        return answer;
      }
      const restMs = startedMs + answer.waits * 1000 - realClock.nowMs();
      if (restMs <= 0 || gone.aborted) return answer;
      await nextTurn(turns, gone, Math.min(restMs, TURN_MS));
    }
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    talk(socket, inTurn);
  });
  try {
    await makeWay(path);
    await listen(server, path);
  } catch (error) {
    unregister();
    throw error;
  }
  return {
    path,
    close: async () => {
      // Whoever asked for the end (`ovs-appctl exit`) is to hear that it comes.
      await queue;
      for (const socket of sockets) socket.destroySoon();
      unregister();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Waits until another request has been performed, the caller has left or the time is over. */
function nextTurn(turns: EventTarget, gone: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      turns.removeEventListener("turn", end);
      gone.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    turns.addEventListener("turn", end);
    gone.addEventListener("abort", end);
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error): void => {
      const message = `the control socket ${path} cannot be made: ${error.message}`;
      reject(new PacketpathError("ENVIRONMENT", message, { fix: "Set PACKETPATH_CTL." }));
    };
    try {
      mkdirSync(dirname(path), { recursive: true });
    } catch (error) {
      return refuse(error as Error);
    }
    server.once("error", refuse);
    // No moment in which others could connect: it is made for nobody but its owner.
    const umask = process.umask(0o177);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve();
    });
    process.umask(umask);
  });
}

/** Removes a socket at the path that nobody listens at any more. */
async function makeWay(path: string): Promise<void> {
  if (!isSocket(path)) return;
  if (await isListening(path)) {
    throw new PacketpathError("ENVIRONMENT", `another switch listens at ${path}`, {
      fix: "Set PACKETPATH_CTL to another path, or end the other one.",
    });
  }
  unlinkSync(path);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

type Perform = (request: Request, gone: AbortSignal) => Promise<Answer>;

/** One connection: lines in, lines out, until the other side leaves. */
function talk(socket: Socket, perform: Perform): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  let wantsFile: ((message: unknown) => void) | null = null;
  let gone: ((error: Error) => void) | null = null;
  let staying: Staying | null = null;
  const left = new AbortController();
  const send = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
  const readFile = (name: string, encoding?: "base64"): Promise<string> => {
    if (socket.destroyed) return Promise.reject(new Error("the caller has left"));
    send({ read: name, encoding });
    return new Promise<unknown>((resolve, reject) => {
      wantsFile = resolve;
      gone = reject;
    }).then(fileText);
  };
  const take = (line: string): void => {
    const message = parseLine(line);
    const waiting = wantsFile;
    wantsFile = null;
    if (waiting !== null) return waiting(message);
    if (staying !== null) return staying.take(message);
    const request = requestOf(message, readFile);
    if (typeof request === "string") return send(refusal(request));
    void perform(request, left.signal).then((answer) => {
      const { session, ...rest } = answer;
      if (session === undefined) return send(rest);
      staying = stay(session, send, () => socket.destroySoon());
      if (socket.destroyed) return staying.leave();
      send({ ...rest, stay: session.daemon });
    });
  };
  socket.on("data", (data: Buffer) => {
    let rest = data;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      const line = Buffer.concat([...parts, rest.subarray(0, at)]).toString("utf8");
      parts = [];
      bytes = 0;
      rest = rest.subarray(at + 1);
      take(line);
    }
    if (rest.length > 0) parts.push(rest);
    bytes += rest.length;
    if (bytes <= MESSAGE_BYTES_MAX) return;
    parts = [];
    send(refusal(`a message has at most ${MESSAGE_BYTES_MAX} bytes`));
    socket.destroySoon();
  });
  socket.on("close", () => {
    left.abort();
    staying?.leave();
    gone?.(new Error("the caller has left"));
  });
  // A caller that is killed while we write to it: its connection ends, nothing else does.
  socket.on("error", () => socket.destroy());
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function refusal(message: string): Answer {
  return { exitCode: 2, stdout: "", stderr: `packetpath: control socket: ${message}\n` };
}

function fileText(message: unknown): string {
  const { text, error } = (message ?? {}) as { text?: unknown; error?: unknown };
  if (typeof text === "string") return text;
  throw new Error(typeof error === "string" ? error : "the caller did not send it");
}

/** Checks a request; a string says what is wrong with it. */
function requestOf(message: unknown, readFile: Request["readFile"]): Request | string {
  if (typeof message !== "object" || message === null) return "a request is an object, in JSON";
  const { tool, args, terminal } = message as Record<string, unknown>;
  if (!TOOLS.includes(tool as Tool)) return `"tool" is one of ${TOOLS.join(", ")}`;
  const isList = Array.isArray(args) && args.every((arg) => typeof arg === "string");
  if (!isList) return '"args" is a list of strings';
  return { tool: tool as Tool, args: args as string[], terminal: terminal === true, readFile };
}
