// Lists of actions: names and arguments to `Action`s, nested lists included (lib/ofp-actions.c
// ofpacts_parse, Open vSwitch 3.1). Slow path; any thread.
import type { Action, Match } from "../../flow/types.js";
import { FORMATS } from "../protocols.js";
import { FlowTextError, scanPairs, type Pair } from "../text/scan.js";
import { checkActions } from "./check.js";
import { parseConntrack, parseNat } from "./conntrack.js";
import { NESTING_MAX, type ActionContext, type ActionParser } from "./context.js";
import { parseLearn } from "./learn.js";
import { MOD_PARSERS } from "./mod.js";
import {
  parseBarePort,
  parseController,
  parseEnqueue,
  parseOutput,
  parseResubmit,
} from "./output.js";
import { PLAIN_PARSERS } from "./plain.js";
import {
  parseCheckPacketLarger,
  parseLoad,
  parseMove,
  parsePop,
  parsePush,
  parseSetField,
} from "./set-field.js";
import { verifyActions, type OuterAction, type PlacedAction } from "./verify.js";

/** The list inside `clone(...)`, `write_actions(...)` or `ct(exec(...))`. */
function parseNested(pair: Pair, context: ActionContext, outer: OuterAction): readonly Action[] {
  const end = pair.valueAt + pair.value.length;
  return parseList(pair.valueAt, end, context, false, outer).map(({ action }) => action);
}

const PARSERS = new Map<string, ActionParser>([
  ...Object.entries(MOD_PARSERS),
  ...Object.entries(PLAIN_PARSERS),
  ["output", parseOutput],
  ["output_reg", parseOutput],
  ["controller", parseController],
  ["enqueue", parseEnqueue],
  ["resubmit", parseResubmit],
  ["set_field", parseSetField],
  ["load", parseLoad],
  ["move", parseMove],
  ["push", parsePush],
  ["pop", parsePop],
  ["check_pkt_larger", parseCheckPacketLarger],
  ["learn", parseLearn],
  ["nat", parseNat],
  [
    "ct",
    (pair, context) => parseConntrack(pair, context, (exec) => parseNested(exec, context, "ct")),
  ],
  [
    "clone",
    (pair, context) => {
      // Open vSwitch 3.1 forgets here what the actions before said of formats.
      context.formats = FORMATS.any;
      return { type: "clone", actions: parseNested(pair, context, "clone") };
    },
  ],
  [
    "write_actions",
    (pair, context) => ({
      type: "write-actions",
      actions: parseNested(pair, context, "write_actions"),
    }),
  ],
]);

/** Actions of Open vSwitch that this switch does not have; refused by name. */
const UNSUPPORTED = new Set(
  (
    "multipath bundle bundle_load sample push_mpls pop_mpls set_mpls_label set_mpls_tc " +
    "set_mpls_ttl dec_mpls_ttl encap decap dec_nsh_ttl delete_field debug_slow"
  ).split(" "),
);

/** One action, or null for `drop`. */
function parseAction(pair: Pair, context: ActionContext): Action | null {
  const name = pair.key.toLowerCase();
  if (name === "drop") return null;
  const parser = PARSERS.get(name);
  if (parser !== undefined) return parser(pair, context);
  if (name === "apply_actions") {
    throw new FlowTextError("apply_actions is the default instruction", pair.keyAt);
  }
  if (UNSUPPORTED.has(name)) {
    throw new FlowTextError(`${name}: this action is not supported here`, pair.keyAt);
  }
  const output = parseBarePort(pair, context.ports);
  // The name is Open vSwitch's, but for something that no text may say.
  const unknown = name === "output_trunc" ? pair.value : pair.key;
  if (output === null) throw new FlowTextError(`unknown action ${unknown}`, pair.keyAt);
  return output;
}

/** Reads and verifies the list that `context.text` has from `from` to `end`. */
function parseList(
  from: number,
  end: number,
  context: ActionContext,
  instructions: boolean,
  outer: OuterAction,
): PlacedAction[] {
  if (context.depth >= NESTING_MAX) throw new FlowTextError("Action nested too deeply", from);
  context.depth++;
  const list: PlacedAction[] = [];
  let dropAt = -1;
  for (const pair of scanPairs(context.text, from, end)) {
    const action = parseAction(pair, context);
    if (action === null) dropAt = pair.keyAt;
    else list.push({ action, at: pair.keyAt });
  }
  if (dropAt >= 0 && list.length > 0) {
    const message = '"drop" must not be accompanied by any other action or instruction';
    throw new FlowTextError(message, dropAt);
  }
  verifyActions(list, instructions, outer);
  context.depth--;
  return list;
}

/** What a list of actions belongs to. */
export interface ActionOwner {
  /** For prerequisites; null: of a bucket, which has none. */
  readonly match: Match | null;
  /** For goto_table; 255 when there is none. */
  readonly table: number;
  /** The flow formats (FORMAT bits) that can say the rest of the owner. */
  readonly formats: number;
  /** Whether instructions may stand in the list, as in a flow; a bucket has none. */
  readonly instructions: boolean;
}

/**
 * Reads an action list: the part of `context.text` from `from` to `end`, which is after `actions=`.
 * Leaves in `context.formats` what can carry both the list and its owner.
 * @returns the actions; none for `drop` and for an empty list.
 * @throws FlowTextError.
 */
export function parseActions(
  context: ActionContext,
  from: number,
  end: number,
  owner: ActionOwner,
): Action[] {
  const list = parseList(from, end, context, owner.instructions, null);
  context.formats &= checkActions(list, owner.match, owner.table) & owner.formats;
  if (context.formats === 0 && owner.match !== null) {
    const message = "actions are invalid with specified match (OFPBAC_MATCH_INCONSISTENT)";
    throw new FlowTextError(message, list[0]?.at ?? from);
  }
  return list.map(({ action }) => action);
}
