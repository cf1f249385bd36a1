// Actions with short arguments: group, meter, queues, note, dec_ttl, conjunction, tables, the
// action set's instructions (lib/ofp-actions.c of Open vSwitch 3.1). Slow path; any thread.
import type { Action } from "../../flow/types.js";
import { FORMATS } from "../protocols.js";
import { looseNumber16, numberArgument, uint32Argument, uint64Argument } from "../text/numbers.js";
import { parseTable } from "../text/ports.js";
import { FlowTextError, type Pair } from "../text/scan.js";
import { innerPairs, type ActionContext, type ActionParser } from "./context.js";
import { parseHexBytes } from "./output.js";

/** Bytes of a note that fit into an action of 64 KiB. */
const NOTE_MAX = 65536 - 32;

const simple =
  (action: Action): ActionParser =>
  () =>
    action;

function parseNote(pair: Pair): Action {
  const bytes = parseHexBytes(pair.value);
  if (bytes === null) throw new FlowTextError("bad hex digit in `note' argument", pair.valueAt);
  if (bytes.length > NOTE_MAX) throw new FlowTextError("input too big", pair.valueAt);
  return { type: "note", bytes };
}

/** `dec_ttl`, or `dec_ttl(ID,...)` with the controllers that hear of expired packets. */
function parseDecTtl(pair: Pair): Action {
  if (pair.value === "") return { type: "dec-ttl", controllerIds: [] };
  const texts = pair.value.split(/[ ,]+/).filter((part) => part !== "");
  if (texts.length === 0) {
    const message = "dec_ttl_cnt_ids: expected at least one controller id.";
    throw new FlowTextError(message, pair.valueAt);
  }
  return { type: "dec-ttl", controllerIds: texts.map(looseNumber16) };
}

/** `conjunction(ID,K/N)`. */
function parseConjunction(pair: Pair): Action {
  const parts = /^\s*([+-]?(?:0[xX][0-9a-fA-F]+|\d+))\s*,\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(
    pair.value,
  );
  const refuse = (message: string): never => {
    throw new FlowTextError(message, pair.valueAt);
  };
  if (parts === null) return refuse('"conjunction" syntax is "conjunction(id,i/n)"');
  const id = uint32Argument(parts[1]!, pair.valueAt);
  // Read into 8 bits each.
  const [clause, clauses] = [Number(parts[2]!) & 0xff, Number(parts[3]!) & 0xff];
  if (clauses < 2) return refuse("conjunction must have at least 2 clauses");
  if (clauses > 64) return refuse("conjunction must have at most 64 clauses");
  if (clause < 1) return refuse("clause index must be positive");
  if (clause > clauses) {
    return refuse("clause index must be less than or equal to number of clauses");
  }
  return { type: "conjunction", id, clause, clauses };
}

function parseGotoTable(pair: Pair, { ports }: ActionContext): Action {
  const table = parseTable(pair.value, ports);
  if (table === null) throw new FlowTextError(`unknown table "${pair.value}"`, pair.valueAt);
  return { type: "goto-table", table };
}

function parseMeter(pair: Pair, context: ActionContext): Action {
  context.formats &= FORMATS.openFlow13Up;
  return { type: "meter", meter: uint32Argument(pair.value, pair.valueAt) };
}

/** `write_metadata:VALUE[/MASK]`. */
function parseWriteMetadata(pair: Pair, context: ActionContext): Action {
  context.formats &= FORMATS.nxmAndOpenFlow11Up;
  const slash = pair.value.indexOf("/");
  const valueText = slash < 0 ? pair.value : pair.value.slice(0, slash);
  // The mask is read first; its mistakes come first too.
  const mask =
    slash < 0
      ? (1n << 64n) - 1n
      : uint64Argument(pair.value.slice(slash + 1), pair.valueAt + slash + 1);
  return { type: "write-metadata", value: uint64Argument(valueText, pair.valueAt), mask };
}

/** `fin_timeout(idle_timeout=N,hard_timeout=N)`. */
function parseFinTimeout(outer: Pair, context: ActionContext): Action {
  let [idleTimeout, hardTimeout] = [0, 0];
  for (const pair of innerPairs(outer, context)) {
    if (pair.key === "idle_timeout") idleTimeout = numberArgument(pair, pair.key, 0xffff);
    else if (pair.key === "hard_timeout") hardTimeout = numberArgument(pair, pair.key, 0xffff);
    else {
      const message = `invalid key '${pair.key}' in 'fin_timeout' argument`;
      throw new FlowTextError(message, pair.keyAt);
    }
  }
  return { type: "fin-timeout", idleTimeout, hardTimeout };
}

/** Parsers by the action's name. */
export const PLAIN_PARSERS: Readonly<Record<string, ActionParser>> = {
  group: (pair) => ({ type: "group", group: uint32Argument(pair.value, pair.valueAt) }),
  meter: parseMeter,
  set_queue: (pair) => ({ type: "set-queue", queue: uint32Argument(pair.value, pair.valueAt) }),
  pop_queue: simple({ type: "pop-queue" }),
  note: parseNote,
  dec_ttl: parseDecTtl,
  conjunction: parseConjunction,
  goto_table: parseGotoTable,
  write_metadata: parseWriteMetadata,
  clear_actions: simple({ type: "clear-actions" }),
  exit: simple({ type: "exit" }),
  debug_recirc: simple({ type: "debug-recirc" }),
  ct_clear: simple({ type: "ct-clear" }),
  fin_timeout: parseFinTimeout,
};
