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
    const own = ownerText(table, cookie);
    for (const action of actions.slice(next)) {
      if (saysOwner(action) && own !== owner) texts.push((owner = own));
      const text = actionText(action, options);
      if (text !== "") texts.push(text);
    }
  }
  return texts.join(",");
}

/** The table and the flow that actions stand in, in the words of the trace. */
export function ownerText(table: number, cookie: bigint | null): string {
  return `unroll_xlate(table=${table}, cookie=${cookie ?? NO_COOKIE})`;
}

/** What is said when such an action is done; of the cookie, Open vSwitch has the bytes reversed. */
export function restoredText(table: number, cookie: bigint | null): string {
  const digits = (cookie ?? NO_COOKIE).toString(16).padStart(16, "0");
  const reversed = digits.match(/../g)!.reverse().join("");
  return `restored state: table=${table}, cookie=${hex(BigInt(`0x${reversed}`))}`;
}

/** Whether what an action does depends on the table, or tells controllers of its flow. */
export function saysOwner(action: Action): boolean {
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
