// Sending the packet round again: what is left to do is kept under an id, and the datapath is told
// to come back with it (Open vSwitch 3.1, finish_freezing__, compose_recirculate_and_fork, and the
// thaw in xlate_actions). Called by the walk; slow path of each worker.
import { WORD } from "../../flow/key.js";
import { type ControllerOperand, ODP } from "../../flow/odp.js";
import { clearConntrack } from "../actions/conntrack.js";
import { emitController } from "../actions/outputs.js";
import { writeActions } from "../actions/action-set.js";
import { commit, type Context } from "../context.js";
import {
  frozenMetadata,
  restoreMetadata,
  type FrozenList,
  type FrozenState,
} from "./recirculation.js";
import type { Pipeline } from "../translate.js";

const NOTHING_LEFT: FrozenList = { actions: [], next: 0, table: 0, cookie: null, inBucket: false };

/** The id under which the packet as it is now can go on; 0, and an error, if there is none left. */
export function freezeState(
  ctx: Context,
  pipeline: Pipeline,
  table: number,
  lists: readonly FrozenList[],
): number {
  const id = pipeline.recirculations.freeze({
    pipeline,
    table,
    lists,
    stack: [...ctx.stack],
    actionSet: [...ctx.actionSet],
    metadata: frozenMetadata(ctx.flow),
    conntracked: ctx.conntracked,
    mirrors: ctx.mirrors,
  });
  if (id === 0) {
    ctx.observer?.error("Failed to allocate recirculation id");
    ctx.error = "No recirculation context";
  }
  return id;
}

/**
 * The packet goes round for the sake of a hash, or to a controller that may let it go on; then the
 * lists go on. No trace follows it: what the
 * datapath will hash is not known (ofproto_trace of Open vSwitch ends there, too).
 */
export function finishFreezing(ctx: Context, pipeline: Pipeline): void {
  commit(ctx);
  const { freezeHash, pause, frozen: lists } = ctx;
  ctx.frozen = [];
  // Where nothing is left to do, no table is to be looked up either.
  const left = pause !== null && lists.length === 0 ? [NOTHING_LEFT] : lists;
  const id = freezeState(ctx, pipeline, 0, left);
  if (id === 0) return;
  if (pause !== null) return finishPause(ctx, { kind: "controller", recircId: id, ...pause });
  if (freezeHash !== null) ctx.actions.push(ODP.hash, freezeHash.algorithm, freezeHash.basis | 0);
  emitRecirculation(ctx, id);
  // Whatever comes after a clone or a check that froze is left out, too: the exit stays.
  ctx.freezing = false;
  ctx.freezeHash = null;
}

/** A trace that changes nothing does not wake the controller. */
function finishPause(ctx: Context, operand: ControllerOperand): void {
  if (!ctx.sideEffects) return;
  emitController(ctx, operand);
  ctx.pause = null;
  ctx.freezing = false;
}

/** A copy goes round and on in `table`, with what the connection tracker says of it. */
export function forkConntracked(
  ctx: Context,
  pipeline: Pipeline,
  table: number,
  zone: number,
): void {
  ctx.conntracked = true;
  const id = freezeState(ctx, pipeline, table, ctx.frozen);
  ctx.frozen = [];
  if (id === 0) return;
  emitRecirculation(ctx, id);
  const { nat } = ctx;
  ctx.observer?.recirculation({ ...copyOf(ctx, id), zone, nat, table });
  ctx.observer?.detail(
    "A clone of the packet is forked to recirculate." +
      ` The forked pipeline will be resumed at table ${table}.`,
  );
}

function emitRecirculation(ctx: Context, id: number): void {
  ctx.actions.push(ODP.recirc, id);
  ctx.ends++;
}

function copyOf(ctx: Context, id: number): { id: number; key: Uint32Array } {
  const key = ctx.flow.slice();
  key[WORD.recircId] = id;
  return { id, key };
}

/** Puts the state back under which a packet was sent round. */
export function thaw(ctx: Context, state: FrozenState): void {
  ctx.observer?.thaw();
  ctx.observer?.line(`Resuming from table ${state.table}`);
  ctx.conntracked = state.conntracked;
  if (!state.conntracked) clearConntrack(ctx);
  restoreMetadata(ctx.flow, state.metadata);
  ctx.stack = [...state.stack];
  ctx.mirrors = state.mirrors;
  if (state.actionSet.length > 0) writeActions(ctx, state.actionSet);
  ctx.observer?.restoring(state.actionSet, state.lists);
  ctx.observer?.leave();
}
