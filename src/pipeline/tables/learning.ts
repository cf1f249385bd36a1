// Rules about flows that flows make: when one is the same already, what dies with its teacher, and
// time-outs that grow shorter. Pure functions; any thread.
import type { Action, Flow, Learn } from "../../flow/types.js";

/** Whether learning `flow` would leave `old`, of the same table, match and priority, as it is. */
export function isLearnedAlready(old: Flow, flow: Flow): boolean {
  const isSameIn = (name: "cookie" | "idleTimeout" | "hardTimeout"): boolean =>
    old[name] === flow[name];
  const sameFlags = old.flags.join() === flow.flags.join();
  const sameTimes = isSameIn("idleTimeout") && isSameIn("hardTimeout");
  return isSameIn("cookie") && sameTimes && sameFlags && sameActions(old.actions, flow.actions);
}

/** Learned flows load, output and time out, so their actions are plain data without big numbers. */
function sameActions(a: readonly Action[], b: readonly Action[]): boolean {
  const isLearnable = a.every(
    ({ type }) => type === "set-field" || type === "output" || type === "fin-timeout",
  );
  return isLearnable && JSON.stringify(a) === JSON.stringify(b);
}

/** Learn actions of a flow that take what they learned with them. */
export function learnersIn(flow: Flow): Learn[] {
  return flow.actions
    .filter((action) => action.type === "learn")
    .filter((each) => each.deleteLearned);
}

/** The shorter of two time-outs, of which 0 is the longest (ofproto.c reduce_timeout). */
export function shorter(timeout: number, most: number): number {
  return most > 0 && (timeout === 0 || timeout > most) ? most : timeout;
}
