// What a translation tells whoever watches it. The slow path calls these in the order in which
// things happen; a trace makes a tree of them. In production `ctx.observer` is null and nothing is
// even formatted: `ctx.observer?.detail(...)` does not evaluate its arguments then.
// Called by the pipeline, on the thread of the translation. Open vSwitch: xlate_report and its
// kin in ofproto/ofproto-dpif-xlate.c, oftrace_node in ofproto/ofproto-dpif-trace.h (3.1).
import type { Action, Flow, Nat, SubField } from "../flow/types.js";
import type { Context } from "./context.js";
import type { FlowEntry } from "./flow-tables.js";
import type { Fate } from "./tables/own-records.js";
import type { FrozenList } from "./walk/recirculation.js";

/** A copy of the packet that enters the datapath again, as the trace must follow it. */
export interface Recirculation {
  /** From 1; what the packet's recirc_id will be. */
  readonly id: number;
  /** The packet as it enters: a copy of the key, recirc_id set. */
  readonly key: Uint32Array;
  readonly zone: number;
  readonly nat: Nat | null;
  /** The table where it goes on. */
  readonly table: number;
}

/** Why a translation was given up (OVS xlate_error), in the words of `Translation failed (...)`. */
export type TranslationError =
  | "Recursion too deep"
  | "Too many resubmits"
  | "Stack too deep"
  | "No recirculation context"
  | "Recirculation conflict"
  | "Too many MPLS labels"
  | "Too many VLAN tags";

/** Why a flow is not left to the fast path (OVS slow_path_reason). */
export const SLOW = {
  /** "Uses action(s) not supported by datapath." */
  action: 1,
  /** "Sends \"packet-in\" messages to the OpenFlow controller." */
  controller: 2,
} as const;

/**
 * Methods that open a node (bridge, table, bucket, thaw, actionSet) are followed by one `leave`,
 * after all that happened inside; a translation that is given up leaves what is open too.
 */
export interface Observer {
  /** A table was looked up. @param fate of the packet, if no flow matched. */
  table(table: number, entry: FlowEntry | null, fate: Fate | null): void;
  /** The packet goes through a patch cable into another bridge. */
  bridge(name: string): void;
  bucket(id: number): void;
  /** A recirculated packet goes on where it was frozen. */
  thaw(): void;
  leave(): void;
  /** An action that was frozen is the next; said of the table and the flow that it stands in. */
  owner(action: Action, table: number, cookie: bigint | null): void;
  /** An action begins; what it tells follows on the same level. */
  action(action: Action, ctx: Context): void;
  detail(text: string): void;
  warning(text: string): void;
  error(text: string): void;
  /** A detail that ends with actions: `action set is: output:2`. */
  actions(title: string, actions: readonly Action[]): void;
  /** What a recirculated packet goes on with: rests of lists, innermost first, if there are any. */
  restoring(actionSet: readonly Action[], lists: readonly FrozenList[]): void;
  /** A line without an arrow, among those of a thaw: `Resuming from table 1`. */
  line(text: string): void;
  /** `NXM_NX_REG0[] is now 0x5`: what a sub-field holds after an action. */
  subField(field: SubField, ctx: Context): void;
  /** The action set is executed; its actions follow until `leave`. */
  actionSet(): void;
  /** A flow that a learn action makes; it is added only in a translation with side effects. */
  learned(flow: Flow): void;
  recirculation(copy: Recirculation): void;
  /** How details name a port. */
  portName(port: number): string;
  /** The translation is over. `ctx` holds the final flow and all bits looked at. */
  end(ctx: Context, error: TranslationError | null): void;
}
