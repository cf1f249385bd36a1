// What a packet that is sent round goes on with, as a trace prints it (Open vSwitch 3.1,
// freeze_unroll_actions in ofproto-dpif-xlate.c). Slow path; any thread.
import type { Action } from "../flow/types.js";
import { printActions } from "../ofctl/print/format-actions.js";
import { hex, type FormatOptions } from "../ofctl/print/format-value.js";
import type { FrozenList } from "../pipeline/walk/recirculation.js";

/** The cookie of actions that no flow has. */
const NO_COOKIE = 0xffffffffffffffffn;
const METADATA_MASK = 0xffffffffffffffffn;

/** The rests of lists, innermost first, and between them whose they are, where it matters. */
export function frozenText(lists: readonly FrozenList[], options: FormatOptions): string {
  const texts: string[] = [];
  let owner = "";
  for (const { actions, next, table, cookie } of lists) {
    const own = `unroll_xlate(table=${table}, cookie=${cookie ?? NO_COOKIE})`;
    for (const action of actions.slice(next)) {
      if (saysOwner(action) && own !== owner) texts.push((owner = own));
      const text = actionText(action, options);
      if (text !== "") texts.push(text);
    }
  }
  return texts.join(",");
}

/** Whether controllers, or the table, may learn from the action whose it is. */
function saysOwner(action: Action): boolean {
  switch (action.type) {
    case "output":
    case "output-field":
    case "output-truncated":
    case "group":
    case "controller":
    case "dec-ttl":
      return true;
    case "resubmit":
      return action.table === null;
    default:
      return false;
  }
}

/** Instructions become actions; "" is left out. */
function actionText(action: Action, options: FormatOptions): string {
  switch (action.type) {
    case "note":
    case "conjunction":
      return "";
    case "goto-table":
      return `resubmit(,${action.table})`;
    case "write-metadata": {
      const mask = action.mask === METADATA_MASK ? "" : `/${hex(action.mask)}`;
      return `set_field:${hex(action.value)}${mask}->metadata`;
    }
    default:
      return printActions([action], options);
  }
}
