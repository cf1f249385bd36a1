// How a running switch is changed. The main thread posts orders to every queue worker; each worker
// carries them out between two bursts, in the order in which they were posted. A frame is run to
// completion within a burst, however often it comes round, so no frame sees a part of a change; and
// an order counts as done when all workers have said so, so no frame that is read later sees the
// tables as they were before.
//
// One word counts the orders posted, written by the main thread; one word per worker counts those
// it has carried out, written by that worker.
import type { VirtualService } from "../../balancer/types.js";
import type { FlowChange } from "../../pipeline/flow-tables.js";
import type { Megaflow } from "../../flow/odp.js";

/** What a worker is told. Posted as a message; carried out between two bursts. */
export type SwitchOrder =
  | { readonly type: "change"; readonly changes: readonly FlowChange[] }
  /** Asks for the datapath's flows; the answer is a "megaflows" with the same id. */
  | { readonly type: "dump"; readonly id: number }
  /** Forgets the datapath's flows. */
  | { readonly type: "flush" }
  /** The load balancer's services are these from now on. */
  | { readonly type: "services"; readonly services: readonly VirtualService[] }
  /** The next frame that is read from a port is copied into a "frame"; NO_PORT: no longer. */
  | { readonly type: "watch"; readonly port: number };

/** Port number of `watch` that no port has. */
export const NO_PORT = -1;

/** What a worker says of its own accord, or as an answer. */
export type SwitchNews =
  /** Packets have made these changes; the main thread applies them everywhere. */
  | { readonly type: "learned"; readonly changes: readonly FlowChange[] }
  /** A frame of the watched port, as it was read, without a vnet header. */
  | { readonly type: "frame"; readonly port: number; readonly bytes: Uint8Array }
  | { readonly type: "megaflows"; readonly id: number; readonly flows: readonly Megaflow[] };

/** Indexes of the words; the worker's own is `done + worker`. */
export const ORDER_WORDS = { posted: 0, done: 1 } as const;

/** Shared memory for so many workers. */
export function newOrderWords(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((ORDER_WORDS.done + workers) * Int32Array.BYTES_PER_ELEMENT);
}
