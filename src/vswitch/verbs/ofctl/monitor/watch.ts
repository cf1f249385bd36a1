// What `watch:` of ovs-ofctl monitor asks for: which flows, and what of them
// (parse_flow_monitor_request of lib/ofp-monitor.c, ofmonitor_report of ofproto/connmgr.c, Open
// vSwitch 3.1). Main thread.
import { newMatch } from "../../../../flow/match.js";
import type { Action, Flow, Match } from "../../../../flow/types.js";
import { ANY_TABLE } from "../../../../ofctl/flow-mods.js";
import { applyField, applyProtocol } from "../../../../ofctl/parse-match.js";
import { FORMATS } from "../../../../ofctl/protocols.js";
import { placed } from "../../../../ofctl/text/place.js";
import { parseTable, type PortMap } from "../../../../ofctl/text/ports.js";
import { FlowTextError, type Pair, scanPairs } from "../../../../ofctl/text/scan.js";
import { selects } from "../../../../pipeline/tables/flow-select.js";
import type { FlowEvent } from "../../../controllers.js";

/** What a watcher may leave out, by the word that says so. */
const FLAGS = ["!initial", "!add", "!delete", "!modify", "!actions", "!abbrev", "!own"] as const;
type Flag = (typeof FLAGS)[number];

export interface Watch {
  /** What is left out. */
  readonly without: ReadonlySet<Flag>;
  readonly match: Match;
  /** ANY_TABLE: all. */
  readonly table: number;
  readonly outPort: number | null;
  readonly outGroup: number | null;
}

interface Draft {
  without: Set<Flag>;
  match: Match;
  table: number;
  outPort: number | null;
  outGroup: number | null;
}

/** `atoi` of C. */
function leadingNumber(text: string): number {
  return Number(/^\s*[+-]?\d+/.exec(text)?.[0] ?? 0);
}

function readPair(draft: Draft, pair: Pair, text: string, ports: PortMap): void {
  const { key, value } = pair;
  const flag = FLAGS.find((one) => one === key);
  if (flag !== undefined) {
    draft.without.add(flag);
    return;
  }
  if (applyProtocol(draft.match, key)) return;
  const formats = applyField(draft.match, pair, ports);
  if (formats !== null) {
    if ((formats & FORMATS.openFlow10) !== 0) return;
    const message = `${key}: match field is not supported for flow monitor`;
    throw new FlowTextError(message, pair.keyAt);
  }
  if (value === "") throw new FlowTextError(`${text}: field ${key} missing value`, pair.keyAt);
  if (key === "out_port") draft.outPort = leadingNumber(value);
  else if (key === "out_group") draft.outGroup = leadingNumber(value);
  else if (key === "table") {
    const table = parseTable(value, ports);
    if (table === null) throw new FlowTextError(`unknown table "${value}"`, pair.valueAt);
    draft.table = table;
  } else throw new FlowTextError(`${text}: unknown keyword ${key}`, pair.keyAt);
}

/** Reads what stands behind `watch:`. @throws PacketpathError FLOW_INVALID. */
export function parseWatch(text: string, ports: PortMap): Watch {
  return placed({ ports }, () => {
    const nothing = { outPort: null, outGroup: null };
    const draft: Draft = { without: new Set(), match: newMatch(), table: ANY_TABLE, ...nothing };
    for (const pair of scanPairs(text, 0, text.length)) readPair(draft, pair, text, ports);
    return draft;
  });
}

/** Whether a flow is one that is watched. */
export function watches(watch: Watch, flow: Flow, oldActions: readonly Action[] | null): boolean {
  const { match, outGroup, outPort } = watch;
  const selector = { match, ...(outGroup === null ? {} : { outGroup }) };
  if (watch.table !== ANY_TABLE && watch.table !== flow.table) return false;
  if (!selects(selector, flow)) return false;
  if (outPort === null || selects({ outPort }, flow)) return true;
  return oldActions !== null && selects({ outPort }, { ...flow, actions: oldActions });
}

const LEFT_OUT: Readonly<Record<FlowEvent["event"], Flag>> = {
  ADDED: "!add",
  MODIFIED: "!modify",
  DELETED: "!delete",
};

/** Whether an event is one that a watcher is told. */
export function isTold(watch: Watch, { event, flow, oldActions }: FlowEvent): boolean {
  return !watch.without.has(LEFT_OUT[event]) && watches(watch, flow, oldActions);
}
