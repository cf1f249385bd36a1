// The stack of a translation: action lists that are being executed, one on top of the other. A
// resubmit, a bucket, a clone put another on top; the list below goes on when that has ended. Kept
// by hand and not by recursion, because 4096 resubmits inside one another are legal.
// Slow path of each worker; Open vSwitch recurses in do_xlate_actions instead.
import type { Action, SubField } from "../../flow/types.js";
import type { Context, StackItem } from "../context.js";
import type { FlowEntry } from "../flow-tables.js";
import type { FrozenList } from "./recirculation.js";

/** What a bucket or clone puts back when it ends. */
export interface Saved {
  readonly flow: Uint32Array;
  readonly base: Uint32Array;
  readonly stack: readonly StackItem[];
  readonly actionSet: readonly Action[];
  readonly conntracked: boolean;
  /**
   * Where the words of the datapath's operation lie that say how long this list is and how many
   * copies end in it; -1: there is no such operation.
   */
  readonly sizesAt: number;
  /** Where the list begins, and what was counted before it. */
  readonly listAt: number;
  readonly ends: number;
}

/** An action list that is being executed. */
export interface Frame {
  /**
   * table: a flow's. given: of a packet-out. thawed: what was left of one. bucket, clone: as they
   * are called. group: its buckets, one by one; no actions of its own. check, branch:
   * check_pkt_larger and what follows it, for longer packets and for the others. action-set: at the
   * end of the pipeline or a clone.
   */
  readonly kind:
    | ("table" | "given" | "thawed" | "bucket" | "clone" | "group" | "check" | "branch")
    | "action-set";
  readonly actions: readonly Action[];
  next: number;
  readonly table: number;
  /** How many backward resubmits and buckets lie below. */
  readonly depth: number;
  /** The flow whose actions these are, or that led here. */
  readonly entry: FlowEntry | null;
  readonly cookie: bigint | null;
  /** Nothing is done with the packet after this list. */
  readonly isLast: boolean;
  readonly inBucket: boolean;
  readonly saved: Saved | null;
  /** Of a group: indexes of the buckets still to come. Of a check: 1, longer, and 0. */
  buckets: number[];
  /** Of a check: the bit that says which. */
  readonly target: SubField | null;
  /** Of a check: what follows it ended the pipeline, for longer packets. */
  exits: boolean;
  /** Of a clone or branch: its action set was executed. */
  finished: boolean;
}

/** A frame with what it shares with the one below. */
export function frameOn(below: Frame | null, own: Partial<Frame> & Pick<Frame, "kind">): Frame {
  return {
    actions: [],
    next: 0,
    table: below?.table ?? 0,
    depth: below?.depth ?? 0,
    entry: below?.entry ?? null,
    cookie: below?.cookie ?? null,
    isLast: true,
    inBucket: false,
    saved: null,
    buckets: [],
    target: null,
    exits: false,
    finished: false,
    ...own,
  };
}

/** What is left of a list, to be done by the packet that comes back. */
export function restOf(frame: Frame, next = frame.next): FrozenList | null {
  const { actions, table, cookie, inBucket } = frame;
  return next < actions.length ? { actions, next, table, cookie, inBucket } : null;
}

export function save(ctx: Context, sizesAt = -1): Saved {
  return {
    flow: ctx.flow.slice(),
    base: ctx.base.slice(),
    stack: [...ctx.stack],
    actionSet: [...ctx.actionSet],
    conntracked: ctx.conntracked,
    sizesAt,
    listAt: ctx.actions.length,
    ends: ctx.ends,
  };
}

/**
 * Whether what a list does to the packet can be undone by setting fields again; else a clone has to
 * be made in the datapath (reversible_actions). Only the list itself is looked at.
 */
export function isReversible(actions: readonly Action[]): boolean {
  return !actions.some(
    ({ type }) =>
      type === "ct" || type === "meter" || type === "nat" || type === "output-truncated",
  );
}
