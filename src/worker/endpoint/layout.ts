// What the threads of an endpoint share, and what each is given. The program's own cells are those
// of src/models/endpoint; here are the words beside them. Types and constants; any thread.
//
//   thread 0 .. queues-1   the loop of each queue
//   thread queues ..       stoppers: they call Attach for the main thread, one call at a time
//   behind these           a block of the main thread's own, which writes frames too
import type { BackendDescriptor } from "../../host/types.js";
import type { cellsOf, locks } from "../../models/endpoint/endpoint.js";
import type { Design } from "../../models/endpoint/variants.js";
import { type HandlesOf, THREAD, threadBlock } from "../../sync/program/layout.js";

/** Words of a loop's block, behind those of every thread. Writer of each: the block's thread. */
export const LOOP = {
  /** 1 from a packet's being read to its fate. */
  inHand: THREAD.own,
  /** Packets read, from the first Attach on. */
  taken: THREAD.own + 1,
  /** Of these, read after the loop was told to stop. */
  takenAfterStop: THREAD.own + 2,
  /** Of these, too short for an Ethernet header; for another host. */
  runts: THREAD.own + 3,
  foreign: THREAD.own + 4,
  /** Looks at the queue: stands still in a loop that sleeps. */
  looks: THREAD.own + 5,
  /** Frames written; refused because the device is down, is gone, or for another reason. */
  written: THREAD.own + 6,
  down: THREAD.own + 7,
  gone: THREAD.own + 8,
  refused: THREAD.own + 9,
  /** How often the handler threw. */
  handlerErrors: THREAD.own + 10,
  /** What wakes the loop out of its wait for the device. Written once. */
  stopHandle: THREAD.own + 11,
} as const;

/** Address of a word in a thread's block. */
export function loopWord(thread: number, word: number): number {
  return threadBlock(thread) + word;
}

export type EndpointHandles = HandlesOf<ReturnType<typeof cellsOf> & typeof locks>;

/** What each thread of an endpoint gets. */
export interface EndpointThreadData {
  readonly role: "loop" | "stopper";
  /** Number of the thread in the endpoint. */
  readonly thread: number;
  readonly memory: SharedArrayBuffer;
  readonly handles: EndpointHandles;
  readonly queues: number;
  readonly design: Design;
  readonly backend: BackendDescriptor;
  /** A loop's queue, as QueueIo takes it; of a stopper -1. */
  readonly queue: number;
  readonly pool: SharedArrayBuffer;
  readonly mac: string;
  /** IPv4 address that the handler answers for. */
  readonly address: string;
  /** Path of a module whose default export makes the handler; null: `answers.ts`. */
  readonly handler: string | null;
}

/** `end`: the stopper's thread ends. */
export interface StopperCommand {
  readonly id: number;
  readonly op: "attach" | "detach" | "end";
}

export type EndpointMessage =
  | { readonly type: "ready" }
  /** `ms`: from the call to its return, on the stopper's own clock. */
  | { readonly type: "done"; readonly id: number; readonly ms: number }
  | { readonly type: "failed"; readonly id: number | null; readonly message: string }
  /** A handler asks for the stop, or has thrown. */
  | { readonly type: "asks" }
  | { readonly type: "handler-failed"; readonly message: string };
