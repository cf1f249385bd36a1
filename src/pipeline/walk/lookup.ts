// What a packet meets in a table of a bridge: a flow, or what the bridge does without one (Open
// vSwitch 3.1, rule_dpif_lookup_from_table in ofproto-dpif.c). Called by the walk; slow path of
// each worker.
import { NW_FRAG_ANY, WORD } from "../../flow/key.js";
import { isIp, type Context } from "../context.js";
import { TABLES, type FlowEntry } from "../flow-tables.js";
import { SWITCH_FLAG } from "../ports.js";
import type { Fate } from "../tables/own-records.js";
import type { Pipeline } from "../translate.js";

/** What a lookup found; without a flow, what happens to the packet. */
export interface Met {
  readonly entry: FlowEntry | null;
  readonly fate: Fate | null;
  readonly table: number;
}

interface Where {
  readonly table: number;
  /** Stands for the packet's in_port in the lookup only. */
  readonly inPort: number;
  /** A table without a flow for the packet does what is set for it; a resubmit asks no other. */
  readonly honorsMiss: boolean;
}

/** The flow that the packet as it is now meets; the context notes what was looked at. */
export function lookUp(ctx: Context, bridge: Pipeline, { table, inPort, honorsMiss }: Where): Met {
  const { flow } = ctx;
  const isFragment = isIp(flow) && (flow[WORD.ip]! & NW_FRAG_ANY) !== 0;
  const mode = isFragment ? bridge.ports.switchFlags() : 0;
  if ((mode & SWITCH_FLAG.dropFragments) !== 0) return { entry: null, fate: "fragment", table };
  const ownPort = flow[WORD.inPort]!;
  const ports = flow[WORD.ports]!;
  flow[WORD.inPort] = inPort;
  // Fragments have no ports in tables, not even the first (OFPUTIL_FRAG_NORMAL).
  if (isFragment && (mode & SWITCH_FLAG.matchFragments) === 0) flow[WORD.ports] = 0;
  const met = meet(ctx, bridge, { table, inPort: ownPort, honorsMiss });
  flow[WORD.inPort] = ownPort;
  flow[WORD.ports] = ports;
  return met;
}

/**
 * The flow that the packet meets in a table, or in one that tables before it lead on to.
 * @param where `inPort`: where it came in.
 */
function meet(ctx: Context, { tables, ports, wantsMisses }: Pipeline, where: Where): Met {
  for (let { table } = where; ; table++) {
    const entry = tables.lookup(table, ctx.flow, ctx.wildcards);
    if (entry !== null) return { entry, fate: null, table };
    // Table 254 is nobody's: what is sent there ends there.
    if (table < TABLES) ctx.flowRecords.push(tables.own.ofTable(table));
    const miss = where.honorsMiss ? tables.missOf(table) : "drop";
    if (miss === "continue" && table < TABLES - 1) continue;
    const isTold =
      miss === "default" ? wantsMisses : miss !== "drop" && ports.tellsMisses(where.inPort);
    return { entry: null, fate: isTold ? "packet-in" : "miss", table };
  }
}
