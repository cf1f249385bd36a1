// Which actions may stand where: nesting, the order of instructions, conjunctions
// (lib/ofp-actions.c ofpacts_verify, ofpacts_verify_nested; Open vSwitch 3.1).
// Slow path; any thread.
import type { Action, ActionType } from "../../flow/types.js";
import { FlowTextError } from "../text/scan.js";

/** An action that may not stand where it does. */
export class MisplacedAction extends FlowTextError {
  /** The name of OpenFlow's error. */
  readonly code: string;

  constructor(message: string, at: number, code: string) {
    super(message, at);
    this.code = code;
  }
}

/** An action and where its text begins. */
export interface PlacedAction {
  readonly action: Action;
  readonly at: number;
}

/** What a list of actions stands in; null: a flow or a bucket. */
export type OuterAction = "write_actions" | "ct" | "clone" | null;

const NAMES: Readonly<Partial<Record<ActionType, string>>> = {
  "output-field": "output_reg",
  "output-truncated": "output_trunc",
  "pop-vlan": "strip_vlan",
  "check-packet-larger": "check_pkt_larger",
};

const MOD_NAMES: Readonly<Record<string, string>> = {
  dl_vlan: "set_vlan_vid",
  vlan_vid: "set_vlan_vid",
  dl_vlan_pcp: "set_vlan_pcp",
  vlan_pcp: "set_vlan_pcp",
  eth_src: "mod_dl_src",
  eth_dst: "mod_dl_dst",
  ip_src: "mod_nw_src",
  ip_dst: "mod_nw_dst",
  nw_tos: "mod_nw_tos",
  nw_ecn: "mod_nw_ecn",
  nw_ttl: "mod_nw_ttl",
  tcp_src: "mod_tp_src",
  tcp_dst: "mod_tp_dst",
  tun_id: "set_tunnel",
};

/** The name of an action's kind in Open vSwitch's sentences (ofpact_name). */
export function actionName(action: Action): string {
  if (action.type === "controller") {
    const isPlain = action.reason === "action" && action.id === 0;
    const hasMore = action.userdata !== undefined || action.pause === true;
    return isPlain && !hasMore && action.meter === undefined ? "output" : "controller";
  }
  if (action.type === "set-field") {
    const isMod = action.spelling === "mod" || action.spelling === "set_tunnel64";
    return isMod ? MOD_NAMES[action.field]! : "set_field";
  }
  return NAMES[action.type] ?? action.type.replaceAll("-", "_");
}

/** Instructions in the order in which they must stand. */
const INSTRUCTIONS = [
  "meter",
  "apply_actions",
  "clear_actions",
  "write_actions",
  "write_metadata",
  "goto_table",
] as const;

const APPLY = INSTRUCTIONS.indexOf("apply_actions");
const METER = INSTRUCTIONS.indexOf("meter");

function instructionOf(action: Action): number {
  const name = action.type.replaceAll("-", "_");
  const index = INSTRUCTIONS.findIndex((instruction) => instruction === name);
  return index < 0 ? APPLY : index;
}

/** The field that set_field, load or move writes; mod_* are not asked. */
function writtenField(action: Action): string | null {
  if (action.type === "move") return action.target.field;
  const isSetField = action.type === "set-field" && actionName(action) === "set_field";
  return isSetField ? action.field : null;
}

function verifyNesting({ action, at }: PlacedAction, outer: OuterAction): void {
  const field = writtenField(action);
  const isTracked = field === "ct_mark" || field === "ct_label";
  if (isTracked && outer !== "ct") {
    const message = "cannot set CT fields outside of ct action";
    throw new MisplacedAction(message, at, "OFPBAC_BAD_SET_ARGUMENT");
  }
  if (action.type === "nat") {
    if (outer === "ct") return;
    const message = 'Cannot have NAT action outside of "ct" action';
    throw new MisplacedAction(message, at, "OFPBAC_BAD_SET_ARGUMENT");
  }
  if (outer === null) return;
  const isMisplaced = action.type === "meter" || (outer === "ct" && field === null);
  if (isMisplaced) {
    const message = `${outer} action doesn't support nested action ${actionName(action)}`;
    throw new MisplacedAction(message, at, "OFPBAC_BAD_ARGUMENT");
  }
  if (outer === "ct" && !isTracked) {
    const message = `ct action doesn't support nested modification of ${field}`;
    throw new MisplacedAction(message, at, "OFPBAC_BAD_ARGUMENT");
  }
}

/** Conjunctions stand alone, but for notes. */
function verifyConjunctions(list: readonly PlacedAction[]): void {
  const other = list.find(({ action }) => action.type !== "conjunction" && action.type !== "note");
  if (other === undefined) return;
  const message =
    `"conjunction" actions may be used along with "note" but not any other kind of action ` +
    `(such as the "${actionName(other.action)}" action used here)`;
  throw new MisplacedAction(message, other.at, "NXBAC_BAD_CONJUNCTION");
}

/**
 * Checks a list of actions.
 * @param instructions whether instructions other than apply_actions and meter may stand here.
 * @throws MisplacedAction with Open vSwitch's sentence.
 */
export function verifyActions(
  list: readonly PlacedAction[],
  instructions: boolean,
  outer: OuterAction,
): void {
  let current = METER;
  for (const [index, placed] of list.entries()) {
    if (placed.action.type === "conjunction") return verifyConjunctions(list);
    verifyNesting(placed, outer);
    const next = instructionOf(placed.action);
    if (index > 0 && (current === APPLY ? next < current : next <= current)) {
      const [name, nextName] = [INSTRUCTIONS[current]!, INSTRUCTIONS[next]!];
      const message =
        next === current
          ? `duplicate ${name} instruction not allowed`
          : `invalid instruction ordering: ${nextName} must appear before ${name}`;
      const whole = `${message}, for OpenFlow 1.1+ compatibility`;
      throw new MisplacedAction(whole, placed.at, "OFPBAC_UNSUPPORTED_ORDER");
    }
    if (!instructions && next !== APPLY && next !== METER) {
      const message = `${INSTRUCTIONS[next]!} instruction not allowed here`;
      throw new MisplacedAction(message, placed.at, "OFPBIC_UNSUP_INST");
    }
    current = next;
  }
}
