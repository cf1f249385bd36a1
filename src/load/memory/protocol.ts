// What the main thread and a stack thread say to each other, and what a stack thread runs. Main
// and stack threads.
import type { ErrorCode } from "../../base/errors.js";
import type { BackendDescriptor, NamespaceRef } from "../../host/types.js";
import type { HttpLoadSpec, LoadDevice, PingSpec, UdpFloodSpec } from "../types.js";

/** Part of a load that one namespace plays. */
export type Role =
  | { readonly kind: "http-server"; readonly spec: HttpLoadSpec }
  | { readonly kind: "http-client"; readonly spec: HttpLoadSpec }
  | { readonly kind: "udp-sender"; readonly spec: UdpFloodSpec }
  | { readonly kind: "udp-receiver"; readonly spec: UdpFloodSpec }
  | { readonly kind: "ping"; readonly spec: PingSpec };

export type Command =
  | {
      readonly type: "start";
      readonly id: number;
      readonly role: Role;
      readonly counters: SharedArrayBuffer;
    }
  | { readonly type: "stop"; readonly id: number }
  | { readonly type: "devices"; readonly devices: readonly LoadDevice[] }
  | { readonly type: "close" };

export type Answer =
  /** The thread runs; `stopHandle` wakes it, so that it looks for commands. */
  | { readonly type: "ready"; readonly stopHandle: number }
  | { readonly type: "started"; readonly id: number }
  | {
      readonly type: "refused";
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | { readonly type: "result"; readonly id: number; readonly result: unknown };

/** workerData of a stack thread; commands come over `port`, which is transferred. */
export interface StackThreadData {
  readonly descriptor: BackendDescriptor;
  readonly namespace: NamespaceRef;
  readonly devices: readonly LoadDevice[];
}

/** A role at work inside a stack thread. Steps never wait. */
export interface Activity {
  /** Does what is due. Returns whether there is more to do at once. */
  step(nowMs: number): boolean;
  /** When `step` wants to be called next, in ms; Infinity: when frames arrive. */
  nextMs(nowMs: number): number;
  /** Asks for the end; `isDone` follows within a second or so. */
  stop(nowMs: number): void;
  readonly isDone: boolean;
  /** Once `isDone`. */
  result(): unknown;
}
