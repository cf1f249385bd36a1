// The walk of one translation: from the first table lookup to the last action, over the stack of
// action lists (Open vSwitch 3.1, ofproto/ofproto-dpif-xlate.c: xlate_actions, do_xlate_actions and
// xlate_table_action). One per worker; used again for every translation.
import { DROP } from "../../base/drop-reasons.js";
import { WORD } from "../../flow/key.js";
import { ODP, ODP_WORDS } from "../../flow/odp.js";
import type { Action, SubField } from "../../flow/types.js";
import { orderActionSet } from "../actions/action-set.js";
import { chooseBuckets } from "../actions/groups.js";
import { swapTuple } from "../actions/conntrack.js";
import { writeSub } from "../actions/bits.js";
import { stackFits } from "../actions/stack.js";
import { commit, isIp, noteDrop, type Context } from "../context.js";
import type { FlowChange } from "../flow-tables.js";
import { PORT_FLAG } from "../ports.js";
import { PendingChanges } from "../tables/pending-changes.js";
import { admitInput } from "../switching/compose-output.js";
import type { Pipeline } from "../translate.js";
import { comeBack, crossOver, type PatchPeer } from "./patch.js";
import { finishFreezing, thaw } from "./freeze.js";
import { frameOn, isReversible, restOf, save, type Frame, type Saved } from "./frames.js";
import { lookUp, type Met } from "./lookup.js";
import { IMPLICIT_MISS, perform } from "./perform.js";

/** Backward resubmits and buckets, one inside the other (OVS MAX_DEPTH). */
export const DEPTH_MAX = 64;
/** Resubmits and goto_tables of one translation (OVS MAX_RESUBMITS). */
export const RESUBMITS_MAX = 4096;
/** Bytes of datapath actions after which no table is entered any more. */
const ACTION_BYTES_MAX = 65_535;

export class Walk {
  readonly ctx: Context;
  /** The bridge whose tables are walked. */
  env: Pipeline;
  /** The bridge that the packet came in at. */
  private readonly home: Pipeline;
  /** What the packet has changed in the tables of all bridges. */
  private readonly pending: PendingChanges;
  /** The packet is a controller's. */
  inPacketOut = false;
  /** The cookie of the flow that was met first; what was frozen has forgotten it. */
  rootCookie: bigint | null = null;
  private readonly stack: Frame[] = [];
  /** Numbers of the groups, and lists of the checks, on the stack. */
  private readonly groups: number[] = [];
  private readonly rests: (readonly Action[])[] = [];
  private resubmits = 0;

  constructor(ctx: Context, home: Pipeline, pending = new PendingChanges()) {
    this.ctx = ctx;
    this.env = home;
    this.home = home;
    this.pending = pending;
  }

  /** What the packet has changed in the tables that are walked now. */
  get changes(): FlowChange[] {
    return this.pending.of(this.env);
  }

  /**
   * Translates what `resetContext` has put into the context.
   * @param given actions to begin with, instead of a lookup.
   */
  run(given: readonly Action[] | null = null): void {
    const { ctx } = this;
    this.stack.length = 0;
    this.groups.length = 0;
    this.rests.length = 0;
    this.resubmits = 0;
    this.pending.clear();
    this.inPacketOut = given !== null;
    this.moveTo(this.home);
    this.begin(given);
    this.rootCookie = ctx.thawed ? 0n : (this.stack[0]?.cookie ?? null);
    this.execute();
    if (ctx.error === null && !ctx.freezing && this.pushActionSet(null)) this.execute();
    if (ctx.error === null && ctx.freezing) this.finishFreezing();
    this.unwind();
    this.pending.apply();
  }

  /** From here on the tables of this bridge are walked. */
  private moveTo(env: Pipeline): void {
    const { ctx } = this;
    this.env = env;
    ctx.wiring = env.wiring;
    ctx.follow = env.wiring === null ? null : (peer, isLast) => this.follow(peer, isLast);
  }

  /** A packet goes through a patch cable, and what happens there happens now. */
  private follow(peer: PatchPeer, isLast: boolean): void {
    const { ctx, env } = this;
    const below = this.stack[this.stack.length - 1] ?? frameOn(null, { kind: "given" });
    ctx.flowRecords.push(...peer.records);
    const left = crossOver(ctx, peer.port, peer.pipeline !== env);
    ctx.observer?.bridge(peer.pipeline.wiring!.name);
    const there = new Walk(ctx, peer.pipeline, this.pending);
    there.resubmits = this.resubmits;
    there.arrive(peer.port, below, isLast);
    this.resubmits = there.resubmits;
    ctx.observer?.leave();
    this.moveTo(env);
    comeBack(ctx, left);
  }

  /** Walks the tables for a packet from a cable. @param below the list that sent it. */
  private arrive(port: number, below: Frame, isLast: boolean): void {
    const { ctx } = this;
    this.moveTo(this.home);
    const refused = (this.env.ports.flagsOf(port) & PORT_FLAG.noReceive) !== 0;
    if (refused || !this.hasRoom(below)) return;
    this.resubmits++;
    this.lookUp(0, port, below, isLast, true);
    const inDatapath = !isLast && !isReversible(this.stack[0]!.actions);
    let saved: Saved | null = null;
    if (inDatapath) {
      this.stack[0] = { ...this.stack[0]!, isLast: true };
      commit(ctx);
      ctx.actions.push(ODP.clone, 0, 0);
      saved = save(ctx, ctx.actions.length - 2);
      ctx.ends = 0;
    }
    this.execute();
    if (ctx.error === null && !ctx.freezing && this.pushActionSet(null)) this.execute();
    if (ctx.error === null && ctx.freezing) this.finishFreezing();
    this.unwind();
    if (saved !== null) {
      ctx.base.set(saved.base);
      this.endCopy("clone", saved);
    }
  }

  private begin(given: readonly Action[] | null): void {
    const { ctx } = this;
    if (ctx.thawed) this.beginAgain();
    else if (given === null) this.lookUp(0, ctx.flow[WORD.inPort]!, null, true, true);
    else this.stack.push(frameOn(null, { kind: "given", actions: given }));
    if (ctx.error === null && !admitInput(ctx, this.env.ports)) this.unwind();
  }

  /** Goes on with a packet that came round again. */
  private beginAgain(): void {
    const { ctx } = this;
    const id = ctx.flow[WORD.recircId]!;
    const state = this.env.recirculations.thaw(id);
    if (state === null) {
      ctx.observer?.error(`Recirculation context not found for ID ${id.toString(16)}`);
      ctx.error = "No recirculation context";
      return;
    }
    this.moveTo(state.pipeline);
    thaw(ctx, state);
    if (state.lists.length === 0) {
      return this.lookUp(state.table, ctx.flow[WORD.inPort]!, null, true, true);
    }
    for (const list of state.lists.toReversed()) {
      this.stack.push(frameOn(null, { kind: "thawed", ...list }));
    }
  }

  private execute(): void {
    const { ctx, stack } = this;
    while (stack.length > 0 && ctx.error === null) {
      const frame = stack[stack.length - 1]!;
      if (frame.buckets.length > 0 && frame.kind === "check") this.enterBranch(frame);
      else if (frame.buckets.length > 0 && !ctx.exit) this.enterBucket(frame);
      else if (ctx.exit || frame.next >= frame.actions.length) this.leave(frame);
      else {
        const action = frame.actions[frame.next++]!;
        ctx.cookie = frame.cookie;
        if (frame.kind === "thawed") ctx.observer?.owner(action, frame.table, frame.cookie);
        ctx.observer?.action(action, ctx);
        perform(this, action, frame);
        if (ctx.exit && !ctx.freezing && ctx.frozen.length === 0) {
          ctx.frozen.push(restOf(frame, frame.next - 1)!);
        }
      }
    }
  }

  /** Looks a table up and begins the flow's actions; as of `lookUp`. */
  private lookUp(
    table: number,
    inPort: number,
    below: Frame | null,
    isLast: boolean,
    honorsMiss = false,
  ): void {
    this.pushFlow(lookUp(this.ctx, this.env, { table, inPort, honorsMiss }), below, isLast);
  }

  private pushFlow({ entry, fate, table }: Met, below: Frame | null, isLast: boolean): void {
    const { ctx } = this;
    ctx.observer?.table(table, entry, fate);
    const actions = entry?.flow.actions ?? (fate === "packet-in" ? [IMPLICIT_MISS] : []);
    if (entry === null) {
      ctx.flowRecords.push(this.env.tables.own.ofFate(fate ?? "miss"));
      noteDrop(ctx, DROP["table-miss"]);
    } else {
      const drops = actions.length === 0 || actions[0]!.type === "drop";
      noteDrop(ctx, drops ? DROP["action-drop"] : DROP["no-output"]);
      ctx.flowRecords.push(entry.record);
    }
    const depth = (below?.depth ?? 0) + (below !== null && table <= below.table ? 1 : 0);
    const cookie = entry?.flow.cookie ?? (fate === "packet-in" ? 0n : null);
    this.stack.push({
      ...frameOn(below, { kind: "table", actions, isLast }),
      ...{ table, depth, entry, cookie },
    });
  }

  /** resubmit, goto_table and output:TABLE. */
  enterTable(
    frame: Frame,
    table: number,
    inPort: number,
    isLast: boolean,
    honorsMiss = false,
  ): void {
    if (!this.hasRoom(frame)) return;
    this.resubmits++;
    this.lookUp(table, inPort, frame, isLast, honorsMiss);
  }

  /** resubmit(port, table, ct): the lookup sees the connection's first packet's 5-tuple. */
  enterTableAsOriginal(frame: Frame, table: number, inPort: number, isLast: boolean): void {
    const { ctx } = this;
    if (!this.hasRoom(frame)) return;
    if ((ctx.flow[WORD.ctNwProto]! & 0xff) === 0 || !isIp(ctx.flow)) {
      ctx.observer?.error("resubmit(ct) with non-tracked or non-IP packet!");
      return;
    }
    this.resubmits++;
    swapTuple(ctx.flow);
    swapTuple(ctx.wildcards);
    this.lookUp(table, inPort, frame, isLast);
    swapTuple(ctx.flow);
    swapTuple(ctx.wildcards);
  }

  /** Whether another list may go on top of this one (xlate_resubmit_resource_check). */
  private hasRoom(frame: Frame): boolean {
    const { ctx } = this;
    if (frame.depth >= DEPTH_MAX) {
      ctx.observer?.error(`over max translation depth ${DEPTH_MAX}`);
      ctx.error = "Recursion too deep";
    } else if (this.resubmits >= RESUBMITS_MAX) {
      ctx.observer?.error(`over ${RESUBMITS_MAX} resubmit actions`);
      ctx.error = "Too many resubmits";
    } else if (ctx.actions.length * 4 > ACTION_BYTES_MAX) {
      // No error: what there is is executed, but not cached.
      ctx.observer?.error("resubmits yielded over 64 kB of actions");
      ctx.exit = true;
    } else if (!stackFits(ctx)) {
      ctx.observer?.error("resubmits yielded over 64 kB of stack");
      ctx.error = "Stack too deep";
    } else {
      return true;
    }
    return false;
  }

  /** The group action. */
  enterGroup(frame: Frame, id: number): void {
    const { ctx } = this;
    if (!this.hasRoom(frame)) return;
    const entry = this.env.tables.groups.get(id);
    if (entry === null) {
      ctx.observer?.warning(`output to nonexistent group ${id}`);
      this.endList(frame);
      return;
    }
    const chosen = chooseBuckets(ctx, entry, {
      groups: this.env.tables.groups,
      ports: this.env.ports,
    });
    if (chosen === null) {
      // Once its hash is known, the packet comes to this action again.
      frame.next--;
      return;
    }
    if (chosen.length === 0) return;
    ctx.flowRecords.push(entry.record, ...chosen.map((index) => entry.bucketRecords[index]!));
    const isLast = this.isLast(frame);
    this.stack.push({
      ...frameOn(frame, { kind: "group", isLast, buckets: [...chosen] }),
      ...{ depth: frame.depth + 1, table: frame.table },
    });
    this.groups.push(entry.group.id);
  }

  private enterBucket(group: Frame): void {
    const { ctx } = this;
    const id = this.groups[this.groups.length - 1]!;
    const bucket = this.env.tables.groups.get(id)!.group.buckets[group.buckets.shift()!]!;
    ctx.observer?.bucket(bucket.id);
    const actions = orderActionSet(bucket.actions);
    const isLast = group.isLast && group.buckets.length === 0;
    const saved = save(ctx);
    this.stack.push(frameOn(group, { kind: "bucket", actions, isLast, inBucket: true, saved }));
  }

  /** clone(...): in the datapath too, if what it does cannot be undone. */
  enterClone(frame: Frame, actions: readonly Action[]): void {
    const { ctx } = this;
    const isLast = this.isLast(frame);
    const inDatapath = !isReversible(actions) && !isLast;
    if (inDatapath) {
      commit(ctx);
      ctx.actions.push(ODP.clone, 0, 0);
    }
    const saved = save(ctx, inDatapath ? ctx.actions.length - 2 : -1);
    if (inDatapath) ctx.ends = 0;
    const own = { kind: "clone", actions, isLast: inDatapath || isLast, saved } as const;
    this.stack.push(frameOn(frame, own));
  }

  /**
   * check_pkt_larger: the rest of the list is translated for longer packets, and for the others.
   */
  enterCheck(frame: Frame, bytes: number, target: SubField): void {
    const { ctx } = this;
    commit(ctx);
    const actions = frame.actions.slice(frame.next);
    this.endList(frame);
    ctx.actions.push(ODP.checkLength, bytes, 0, 0, 0, 0);
    const saved = save(ctx, ctx.actions.length - 4);
    this.stack.push(frameOn(frame, { kind: "check", saved, target, buckets: [1, 0] }));
    this.rests.push(actions);
  }

  private enterBranch(check: Frame): void {
    const { ctx } = this;
    const bit = check.buckets.shift()!;
    const { target } = check;
    writeSub(ctx.flow, target!, Uint32Array.of(bit));
    const saved = save(ctx, check.saved!.sizesAt + (bit === 1 ? 0 : 2));
    ctx.ends = 0;
    const actions = this.rests[this.rests.length - 1]!;
    this.stack.push(frameOn(check, { kind: "branch", actions, saved }));
  }

  /** Whether the action that was taken from a list just now is the last of all. */
  isLast(frame: Frame): boolean {
    return frame.isLast && frame.next >= frame.actions.length && this.ctx.actionSet.length === 0;
  }

  /** The rest of a list is left out; who called it goes on. */
  endList(frame: Frame): void {
    frame.next = frame.actions.length;
    if (frame.kind !== "thawed") return;
    // What was frozen is one list, wherever its parts came from.
    for (const each of this.stack) if (each.kind === "thawed") each.next = each.actions.length;
  }

  private leave(frame: Frame): void {
    const { ctx } = this;
    if (ctx.freezing) {
      const rest = restOf(frame);
      if (rest !== null) ctx.frozen.push(rest);
      frame.next = frame.actions.length;
    }
    const isList = frame.kind !== "group" && frame.kind !== "check";
    const isCopy = frame.kind === "clone" || frame.kind === "branch";
    if (isList && frame.actions.length === 0 && !frame.finished)
      ctx.observer?.action({ type: "drop" }, ctx);
    if (isCopy && !frame.finished) {
      frame.finished = true;
      if (!ctx.freezing && this.pushActionSet(frame)) return;
    }
    if ((isCopy || frame.kind === "bucket") && ctx.freezing) this.finishFreezing();
    this.stack.pop();
    this.undo(frame);
    this.drop(frame);
  }

  /** What is left on the stack does not go on; each list puts the packet back as it was. */
  private unwind(): void {
    for (let frame = this.stack.pop(); frame !== undefined; frame = this.stack.pop()) {
      if (frame.saved !== null) this.ctx.flow.set(frame.saved.flow);
      this.drop(frame);
    }
  }

  /** Tells the observer that a frame is gone. */
  private drop(frame: Frame): void {
    if (frame.kind === "group") this.groups.pop();
    if (frame.kind === "check") this.rests.pop();
    if (frame.kind === "action-set") this.ctx.inActionSet = false;
    const isNode = frame.kind === "table" || frame.kind === "bucket" || frame.kind === "action-set";
    if (isNode) this.ctx.observer?.leave();
  }

  /** What the end of a bucket or clone puts back. */
  private undo(frame: Frame): void {
    const { ctx } = this;
    const { saved } = frame;
    if (saved === null) return;
    ctx.flow.set(saved.flow);
    if (frame.kind === "bucket") {
      // Whatever ended the bucket does not end what comes after the group.
      ctx.exit = false;
      return;
    }
    // What longer packets leave on the stack and in the action set, the others find there.
    if (frame.kind !== "branch") {
      ctx.stack = [...saved.stack];
      ctx.actionSet = [...saved.actionSet];
    }
    if (saved.sizesAt < 0) return;
    ctx.base.set(saved.base);
    ctx.conntracked = saved.conntracked;
    if (frame.kind === "check") this.endCheck(frame, saved);
    else this.endCopy(frame.kind, saved);
  }

  /** Writes down how long the list of a clone or branch has become; an empty clone vanishes. */
  private endCopy(kind: Frame["kind"], { sizesAt, listAt, ends }: Saved): void {
    const { ctx } = this;
    const { actions } = ctx;
    const inside = ctx.ends;
    actions[sizesAt] = actions.length - listAt;
    actions[sizesAt + 1] = inside;
    ctx.ends = ends;
    if (kind === "branch") {
      // Each is on its own; that of longer packets decides whether the callers go on.
      const check = this.stack[this.stack.length - 1]!;
      if (check.buckets.length > 0) check.exits = ctx.exit;
      ctx.exit = false;
      return;
    }
    if (inside > 0) ctx.ends++;
    if (actions.length === listAt) actions.length = listAt - ODP_WORDS[ODP.clone]!;
  }

  private endCheck({ exits }: Frame, { sizesAt, ends }: Saved): void {
    const { actions } = this.ctx;
    this.ctx.exit = exits;
    const some = actions[sizesAt + 1]! + actions[sizesAt + 3]! > 0;
    this.ctx.ends = ends + (some ? 1 : 0);
  }

  private finishFreezing(): void {
    finishFreezing(this.ctx, this.env);
  }

  /** Begins the execution of the action set; false if it is empty. */
  private pushActionSet(below: Frame | null): boolean {
    const { ctx } = this;
    const actions = orderActionSet(ctx.actionSet);
    ctx.actionSet = [];
    if (actions.length === 0) return false;
    ctx.observer?.actionSet();
    ctx.inActionSet = true;
    const cookie = below?.cookie ?? this.rootCookie;
    this.stack.push(frameOn(below, { kind: "action-set", actions, cookie, isLast: true }));
    return true;
  }
}
