// Bridges that share a datapath: what their ports are called there, and where their patch ports
// lead. A bridge that is alone has no wiring; its ports are called as OpenFlow calls them. Read in
// translations, on the thread of the bridges.
import { WORD } from "../../flow/key.js";
import { OFPP, type Action } from "../../flow/types.js";
import { clearConntrack } from "../actions/conntrack.js";
import type { Context, StackItem } from "../context.js";
import type { Pipeline } from "../translate.js";
import type { Recirculations } from "./recirculation.js";

/** The other end of a patch cable. */
export interface PatchPeer {
  readonly pipeline: Pipeline;
  readonly port: number;
  /** Statistics records of what leaves through the near end and comes in at the far end. */
  readonly records: readonly number[];
}

/** What a bridge knows of the datapath that it shares. */
export interface Wiring {
  /** Of the bridge; for traces. */
  readonly name: string;
  /** Of all bridges: a packet may come round in another bridge's words. */
  readonly recirculations: Recirculations;
  /** What the datapath calls a port; -1: a patch port, of which it knows nothing. */
  datapathPort(port: number): number;
  /** Where a patch port leads; null: it is none, or leads nowhere. */
  peerOf(port: number): PatchPeer | null;
  /** Rises when flows, ports or MAC addresses of any bridge change. */
  stamp(): number;
  macStamp(): number;
  /** As of `Pipeline.retainRecirculations`. */
  retain(used: ReadonlySet<number>): void;
}

/** What a packet in another bridge leaves behind in its own. */
interface Left {
  readonly flow: Uint32Array;
  readonly stack: StackItem[];
  readonly actionSet: Action[];
  readonly actionSetHasGroup: boolean;
  readonly inActionSet: boolean;
  readonly conntracked: boolean;
  readonly mirrors: number;
  readonly cookie: bigint | null;
}

/** Makes of a packet what it is at the far end of a cable (patch_port_output). */
export function crossOver(ctx: Context, port: number, isOtherBridge: boolean): Left {
  const { flow } = ctx;
  const left: Left = {
    flow: flow.slice(),
    stack: ctx.stack,
    actionSet: ctx.actionSet,
    actionSetHasGroup: ctx.actionSetHasGroup,
    inActionSet: ctx.inActionSet,
    conntracked: ctx.conntracked,
    mirrors: ctx.mirrors,
    cookie: ctx.cookie,
  };
  flow[WORD.inPort] = port;
  flow.fill(0, WORD.reg0, WORD.pktMark);
  flow[WORD.actsetOutput] = OFPP.unset;
  ctx.conntracked = false;
  clearConntrack(ctx);
  ctx.stack = [];
  ctx.actionSet = [];
  ctx.actionSetHasGroup = false;
  ctx.inActionSet = false;
  // Mirrors of another bridge know nothing of those that have the packet already.
  if (isOtherBridge) ctx.mirrors = 0;
  return left;
}

/** Puts back what it was. Neither an exit nor an error of the other bridge matters here. */
export function comeBack(ctx: Context, left: Left): void {
  ctx.flow.set(left.flow);
  ctx.stack = left.stack;
  ctx.actionSet = left.actionSet;
  ctx.actionSetHasGroup = left.actionSetHasGroup;
  ctx.inActionSet = left.inActionSet;
  ctx.conntracked = left.conntracked;
  ctx.mirrors = left.mirrors;
  ctx.cookie = left.cookie;
  ctx.exit = false;
  ctx.error = null;
}
