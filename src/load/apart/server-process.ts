// An HTTP server of a load in a process of its own, so that each end of the connections has its own
// table of file descriptors: with both in one process, a limit of 20,000 holds no 10,000 of them.
// The parent's half; main thread, called by linux.ts. The other half is server-child.ts.
import { workerEntry } from "../../base/entry.js";
import type { NamespaceRef } from "../../host/types.js";
import { forkIntoNamespace, throwFailure } from "../../host/witness/namespaced-child.js";
import type { Role } from "../threads.js";
import { type HttpLoadSpec, LOAD_COUNTER } from "../types.js";

const ENTRY = workerEntry("./server-child.js", import.meta.url);

/** What the child says; the second is its last message. */
export type ServerChildMessage =
  { readonly kind: "ready" } | { readonly kind: "done"; readonly maxHeld: number };

/**
 * Starts the server. It is killed with this thread, kill -9 included.
 * @param counters of the load; `maxHeld` is written when the server has ended.
 */
export function startServerProcess(
  namespace: NamespaceRef,
  spec: HttpLoadSpec,
  counters: Int32Array,
): Role<null> {
  const child = forkIntoNamespace(ENTRY, namespace, null);
  const said = <Kind extends ServerChildMessage["kind"]>(kind: Kind) =>
    child.reply((message) => {
      throwFailure(message, "the HTTP server");
      const one = message as ServerChildMessage;
      return one.kind === kind ? (one as Extract<ServerChildMessage, { kind: Kind }>) : undefined;
    });
  const ready = said("ready").then(() => undefined);
  const result = said("done").then(async ({ maxHeld }) => {
    Atomics.store(counters, LOAD_COUNTER.maxHeld, maxHeld);
    await child.ended;
    return null;
  });
  // Whoever awaits one of the two learns of a failure; the other must not count as unhandled.
  ready.catch(() => undefined);
  result.catch(() => undefined);
  child.process.send(spec);
  let isStopped = false;
  const stop = (): void => {
    if (!isStopped && child.process.connected) child.process.send("stop");
    isStopped = true;
  };
  return { ready, result, stop };
}
