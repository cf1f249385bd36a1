// The action set: what write_actions gathers and the end of the pipeline executes, in an order of
// its own (Open vSwitch 3.1, lib/ofp-actions.c, ofpacts_execute_action_set). The lists of group
// buckets are action sets too. Pure functions; slow path of each worker.
import { OFPP, type Action, type ActionType } from "../../flow/types.js";
import { WORD } from "../../flow/key.js";
import type { Context } from "../context.js";

/** Kinds of which the last one written counts, in the order of execution. */
const SINGLE_FIRST: readonly (readonly ActionType[])[] = [["pop-vlan"], ["push-vlan"], ["dec-ttl"]];
/** All of these are kept, in the order in which they were written. */
const ALL_KEPT: ReadonlySet<ActionType> = new Set<ActionType>(["move", "set-field"]);
const SINGLE_LATER: readonly (readonly ActionType[])[] = [["set-queue"]];
/** Of these only the first kind that is there counts. */
const FINAL: readonly (readonly ActionType[])[] = [
  ["group"],
  ["output", "output-field", "output-truncated", "controller"],
  ["resubmit"],
  ["ct-clear"],
  ["ct"],
];

/** The actions of a set, in the order of their execution. */
export function orderActionSet(set: readonly Action[]): Action[] {
  const last = (kinds: readonly ActionType[]): Action | undefined =>
    set.findLast((action) => kinds.includes(action.type));
  const ordered: Action[] = [];
  for (const kinds of SINGLE_FIRST) ordered.push(...listOf(last(kinds)));
  ordered.push(...set.filter((action) => ALL_KEPT.has(action.type)));
  for (const kinds of SINGLE_LATER) ordered.push(...listOf(last(kinds)));
  for (const kinds of FINAL) {
    const found = last(kinds);
    if (found !== undefined) return [...ordered, found];
  }
  // Without anything that ends in a place, a set does nothing at all.
  return [];
}

function listOf(action: Action | undefined): Action[] {
  return action === undefined ? [] : [action];
}

/** Adds to the action set, and keeps actset_output up to date (xlate_write_actions__). */
export function writeActions(ctx: Context, actions: readonly Action[]): void {
  const { flow } = ctx;
  for (const action of actions) {
    if (ctx.actionSetHasGroup) break;
    if (action.type === "output") flow[WORD.actsetOutput] = action.port;
    if (action.type !== "group") continue;
    flow[WORD.actsetOutput] = OFPP.unset;
    ctx.actionSetHasGroup = true;
  }
  ctx.actionSet.push(...actions);
}

export function clearActions(ctx: Context): void {
  reportActionSet(ctx, "was");
  ctx.actionSet = [];
  ctx.actionSetHasGroup = false;
  ctx.flow[WORD.actsetOutput] = OFPP.unset;
}

/** @param verb "is" or "was". */
export function reportActionSet(ctx: Context, verb: string): void {
  if (ctx.observer === null) return;
  const ordered = orderActionSet(ctx.actionSet);
  if (ordered.length === 0) ctx.observer.detail(`action set ${verb} empty`);
  else ctx.observer.actions(`action set ${verb}`, ordered);
}
