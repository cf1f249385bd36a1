// SIGINT, SIGTERM and SIGHUP. The first asks for an orderly stop: traffic ends, the books are
// closed, namespaces and devices are removed. The second ends the process at once; anonymous
// namespaces and their devices vanish with it, and `packetpath clean` finds named ones.
// Main thread only: Node delivers signals nowhere else.
import { EXIT } from "../base/errors.js";

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: 129 } as const;

export interface StopRequest {
  readonly signal: AbortSignal;
  /** The exit code of the first signal that came; null if none did. */
  exitCode(): number | null;
  /** Puts the default handling of signals back. */
  release(): void;
}

/** @param note tells the user what the first signal began. */
export function listenForStop(note: (text: string) => void): StopRequest {
  const controller = new AbortController();
  let first: number | null = null;
  const handlers = Object.entries(SIGNALS).map(([name, code]) => {
    const handler = () => {
      if (first !== null) process.exit(first);
      first = code;
      note(`${name}: stopping and cleaning up; once more to stop at once`);
      controller.abort();
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return {
    signal: controller.signal,
    exitCode: () => first,
    release: () => {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}
