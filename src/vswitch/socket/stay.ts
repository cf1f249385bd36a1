// A caller that stays at the control socket, and what it then says, a line of JSON each:
//
//   <- {"exitCode":0, ... ,"stay":{"detach":true,"pidfile":"","socket":""}}
//   -> {"begin":true}                        it is ready to print
//   <- {"print":"NXT_PACKET_IN2 ..."}        whenever there is something
//   -> {"command":"ofctl/barrier","args":[]} somebody asked it with ovs-appctl -t
//   <- {"done":""} or {"refused":"..."}      what was printed before comes before
//
// Main thread.
import { type Session, VerbError } from "../verbs/call.js";

export interface Staying {
  /** A line that the caller has sent. */
  take(message: unknown): void;
  /** The caller has left. */
  leave(): void;
}

/**
 * @param send sends a line.
 * @param end ends the connection.
 */
export function stay(session: Session, send: (message: object) => void, end: () => void): Staying {
  const print = (text: string): void => send({ print: text });
  return {
    take: (message) => {
      const { begin, command, args } = (message ?? {}) as Record<string, unknown>;
      if (begin === true) return session.begin(print, end);
      if (typeof command !== "string") return send({ refused: "nothing that can be done" });
      send(answer(session, command, args));
    },
    leave: () => session.close(),
  };
}

function answer(session: Session, command: string, args: unknown): object {
  const words = Array.isArray(args) ? args.map(String) : [];
  try {
    return { done: session.command(command, words) };
  } catch (error) {
    if (error instanceof VerbError) return { refused: error.message };
    // A defect of ours ends neither the switch nor the connection.
    return { refused: `internal error: ${error instanceof Error ? error.stack : String(error)}` };
  }
}
