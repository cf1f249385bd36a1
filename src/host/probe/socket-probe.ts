// Asks the running kernel for sockets, in a child process and a namespace of its own: the parent's
// half. Main thread. The child ends with this call, whatever happens.
import { close } from "@packetpath/libc";
import { makeNamespace } from "../netns.js";
import { forkIntoNamespace, throwFailure } from "../witness/namespaced-child.js";
import type { Refusal, Room } from "./restrict.js";

/** What the child takes from itself before it asks. */
export interface Restriction {
  readonly withoutRaw?: boolean;
  readonly descriptors?: Room;
  readonly refusal?: Refusal;
}

export type Call = readonly [family: number, type: number, protocol: number];

/** What the parent sends. */
export interface SocketOrder {
  readonly restriction: Restriction;
  readonly calls: readonly Call[];
}

export interface Counts {
  readonly sockets: number;
  readonly descriptors: number;
}

export interface SocketAnswers {
  /** 0 or the errno, for each call. */
  readonly errnos: readonly number[];
  /** Sockets and descriptors when nothing was asked yet, and when all had been closed. */
  readonly before: Counts;
  readonly after: Counts;
}

/**
 * @param place puts the child, by its process id, where it shall be when it asks.
 * @throws PacketpathError ENVIRONMENT when the child cannot take something from itself.
 */
export async function askForSockets(
  order: SocketOrder,
  place: (pid: number) => void = () => undefined,
): Promise<SocketAnswers> {
  const handle = makeNamespace("sockets");
  const entry = new URL("./socket-child.js", import.meta.url);
  // The command ends between two children; none is to end before it has answered.
  const child = forkIntoNamespace(entry, { name: "sockets", path: null, handle }, null, true);
  try {
    await child.reply((message) => {
      throwFailure(message, "asking for sockets");
      return kindOf(message) === "ready" ? true : undefined;
    });
    place(child.process.pid ?? 0);
    child.process.send(order);
    return await child.reply((message) => {
      throwFailure(message, "asking for sockets");
      return kindOf(message) === "answers" ? (message as SocketAnswers) : undefined;
    });
  } finally {
    await child.kill();
    close(handle);
  }
}

function kindOf(message: unknown): unknown {
  return typeof message === "object" && message !== null && "kind" in message ? message.kind : null;
}
