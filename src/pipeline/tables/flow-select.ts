// Which flows a command means: by table, match, cookie, and where they send packets to (Open
// vSwitch 3.1, ofproto.c rule_criteria). Pure functions; any thread.
import { KEY_WORDS } from "../../flow/key.js";
import { matchesEqual } from "../../flow/match.js";
import type { Action, Flow, Match } from "../../flow/types.js";

/** Which flows a deletion or a dump means; what is not given does not matter. */
export interface FlowSelector {
  readonly table?: number;
  /** Loose: flows at least as specific. Strict: exactly this match and `priority`. */
  readonly match?: Match;
  readonly strict?: boolean;
  readonly priority?: number;
  readonly cookie?: bigint;
  readonly cookieMask?: bigint;
  /** Only flows with an output to this port. */
  readonly outPort?: number;
  /** Only flows with an action that sends to this group. */
  readonly outGroup?: number;
}

/** Whether a flow is one of those meant. */
export function selects(selector: FlowSelector, flow: Flow): boolean {
  if (selector.table !== undefined && selector.table !== 255 && selector.table !== flow.table) {
    return false;
  }
  if (selector.match !== undefined) {
    if (selector.strict === true) {
      if (!matchesEqual(selector.match, flow.match)) return false;
      if (selector.priority !== undefined && selector.priority !== flow.priority) return false;
    } else if (!isWithin(flow.match, selector.match)) {
      return false;
    }
  }
  if (selector.cookie !== undefined) {
    const mask = selector.cookieMask ?? 0xffffffffffffffffn;
    if (((flow.cookie ^ selector.cookie) & mask) !== 0n) return false;
  }
  if (selector.outGroup !== undefined && !sendsToGroup(flow.actions, selector.outGroup)) {
    return false;
  }
  return selector.outPort === undefined || outputsTo(flow.actions, selector.outPort);
}

/** Whether every key that fulfills `inner` fulfills `outer`. */
function isWithin(inner: Match, outer: Match): boolean {
  for (let i = 0; i < KEY_WORDS; i++) {
    const mask = outer.mask[i]!;
    if ((inner.mask[i]! & mask) >>> 0 !== mask) return false;
    if (((inner.value[i]! ^ outer.value[i]!) & mask) !== 0) return false;
  }
  return true;
}

function outputsTo(actions: readonly Action[], port: number): boolean {
  return someAction(actions, (action) => {
    const isOutput = action.type === "output" || action.type === "output-truncated";
    return (isOutput || action.type === "enqueue") && action.port === port;
  });
}

export function sendsToGroup(actions: readonly Action[], group: number): boolean {
  return someAction(actions, (action) => action.type === "group" && action.group === group);
}

/** Whether an action of the list, or of one inside it, is as wanted. */
function someAction(actions: readonly Action[], wanted: (action: Action) => boolean): boolean {
  return actions.some((action) => {
    const nested = action.type === "write-actions" || action.type === "clone";
    return wanted(action) || (nested && someAction(action.actions, wanted));
  });
}
