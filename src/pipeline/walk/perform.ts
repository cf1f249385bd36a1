// One action of a list (Open vSwitch 3.1, the switch in do_xlate_actions). A function over the
// walk; slow path of each worker.
import { DROP } from "../../base/drop-reasons.js";
import { WORD } from "../../flow/key.js";
import { ODP, type ControllerOperand } from "../../flow/odp.js";
import { OFPP, type Action } from "../../flow/types.js";
import { clearActions, reportActionSet, writeActions } from "../actions/action-set.js";
import { afterConntrack, clearConntrack, emitConntrack } from "../actions/conntrack.js";
import { finTimeout, learn } from "../actions/learn.js";
import { emitController, outputToOther, outputTruncated } from "../actions/outputs.js";
import { pop, push } from "../actions/stack.js";
import type { Context } from "../context.js";
import { flood, normal } from "../normal.js";
import { PORT_FLAG } from "../ports.js";
import { composeOutput } from "../switching/compose-output.js";
import { decTtl, move, popVlan, pushVlan, readSubField, setField } from "../set-field.js";
import { forkConntracked, freezeState } from "./freeze.js";
import type { Frame } from "./frames.js";
import type { Walk } from "./walk.js";

type Controller = Extract<Action, { type: "controller" }>;

/** Executes an action that was taken from the list of `frame`. */
export function perform(walk: Walk, action: Action, frame: Frame): void {
  const { ctx, env } = walk;
  switch (action.type) {
    case "output":
      return output(walk, action.port, frame);
    case "output-field":
      return outputField(walk, action, frame);
    case "output-truncated":
      return outputTruncated(ctx, env.ports, action.port, action.maxBytes);
    case "enqueue":
      return enqueue(walk, action);
    case "controller":
      return controller(walk, action, frame);
    case "resubmit":
      return resubmit(walk, action, frame);
    case "goto-table":
      return walk.enterTable(frame, action.table, ctx.flow[WORD.inPort]!, walk.isLast(frame), true);
    case "group":
      return walk.enterGroup(frame, action.group);
    case "check-packet-larger":
      return walk.enterCheck(frame, action.bytes, action.target);
    case "clone":
      return walk.enterClone(frame, action.actions);
    case "ct": {
      const zone = emitConntrack(ctx, action);
      if (action.table !== null) forkConntracked(ctx, env, action.table, zone);
      return afterConntrack(ctx);
    }
    case "ct-clear":
      if (!ctx.conntracked) return;
      ctx.conntracked = false;
      clearConntrack(ctx);
      ctx.actions.push(ODP.ctClear);
      return;
    case "meter":
      ctx.actions.push(ODP.meter, action.meter);
      return;
    case "learn":
      return learn(ctx, action, walk.changes, env.sink === null ? null : env.tables);
    case "fin-timeout":
      return finTimeout(ctx, action, frame.entry, walk.changes);
    case "exit":
      ctx.exit = true;
      return;
    case "debug-recirc":
      ctx.freezing = true;
      ctx.exit = true;
      return;
    case "conjunction":
      ctx.observer?.error("executing no-op conjunction action");
      return;
    case "dec-ttl":
      if (!decTtl(ctx)) expire(walk, action.controllerIds, frame);
      return;
    default:
      return performOnPacket(ctx, action);
  }
}

type OnPacket = Extract<
  Action,
  {
    type:
      | ("set-field" | "move" | "push" | "pop" | "push-vlan" | "pop-vlan" | "set-queue")
      | ("pop-queue" | "write-actions" | "clear-actions" | "write-metadata" | "nat")
      | ("drop" | "note");
  }
>;

/** Actions that change the packet or its metadata, and lead nowhere. */
function performOnPacket(ctx: Context, action: OnPacket): void {
  switch (action.type) {
    case "set-field":
      return setField(ctx, action);
    case "move":
      return move(ctx, action);
    case "push":
      return push(ctx, action.source);
    case "pop":
      return pop(ctx, action.target);
    case "push-vlan":
      return pushVlan(ctx, action.ethertype);
    case "pop-vlan":
      return popVlan(ctx);
    case "set-queue":
      ctx.wildcards[WORD.skbPriority] = 0xffffffff;
      ctx.flow[WORD.skbPriority] = action.queue;
      return;
    case "pop-queue":
      return popQueue(ctx);
    case "write-actions":
      writeActions(ctx, action.actions);
      return reportActionSet(ctx, "is");
    case "clear-actions":
      return clearActions(ctx);
    case "write-metadata":
      return writeMetadata(ctx, action.value, action.mask);
    case "nat":
    case "drop":
    case "note":
      return;
  }
}

function output(walk: Walk, port: number, frame: Frame): void {
  const { ctx, env } = walk;
  const inPort = ctx.flow[WORD.inPort]!;
  switch (port) {
    case OFPP.inPort:
      return composeOutput(ctx, env.ports, inPort, 0, walk.isLast(frame));
    case OFPP.table:
      return walk.enterTable(frame, 0, inPort, false, true);
    case OFPP.normal:
      return normal(ctx, env);
    case OFPP.flood:
      return flood(ctx, env.ports, PORT_FLAG.noFlood);
    case OFPP.all:
      return flood(ctx, env.ports, 0);
    case OFPP.controller:
      return controller(walk, CONTROLLER, frame);
    case OFPP.none:
      return;
    default:
      return outputToOther(ctx, env.ports, port, walk.isLast(frame));
  }
}

/** The port is a part of the packet or its metadata, which is thereby looked at. */
function outputField(
  walk: Walk,
  action: Extract<Action, { type: "output-field" }>,
  frame: Frame,
): void {
  const { ctx } = walk;
  const port = readSubField(ctx, action.source);
  if (port > 0xffff) {
    ctx.observer?.warning(`output port ${port} is out of range`);
    return;
  }
  ctx.observer?.detail(`output port is ${port}`);
  output(walk, port, frame);
}

function enqueue(walk: Walk, action: Extract<Action, { type: "enqueue" }>): void {
  const { ctx, env } = walk;
  const { flow, wildcards } = ctx;
  wildcards[WORD.skbPriority] = 0xffffffff;
  const isBack = action.port === OFPP.inPort;
  if (!isBack && action.port === flow[WORD.inPort]) return;
  const priority = flow[WORD.skbPriority]!;
  flow[WORD.skbPriority] = action.queue;
  composeOutput(ctx, env.ports, isBack ? flow[WORD.inPort]! : action.port);
  flow[WORD.skbPriority] = priority;
}

function popQueue(ctx: Context): void {
  ctx.wildcards[WORD.skbPriority] = 0xffffffff;
  if (ctx.flow[WORD.skbPriority] === ctx.originalPriority) return;
  ctx.flow[WORD.skbPriority] = ctx.originalPriority;
  const priority = ctx.originalPriority;
  ctx.observer?.detail(`queue = ${priority === 0 ? "0" : `0x${priority.toString(16)}`}`);
}

function resubmit(walk: Walk, action: Extract<Action, { type: "resubmit" }>, frame: Frame): void {
  const { ctx } = walk;
  const own = ctx.flow[WORD.inPort]!;
  const port = action.port === null || action.port === OFPP.inPort ? own : action.port;
  const table = action.table ?? frame.table;
  if (action.ct === true) walk.enterTableAsOriginal(frame, table, port, walk.isLast(frame));
  else walk.enterTable(frame, table, port, walk.isLast(frame));
}

/** What `output:CONTROLLER` stands for. */
const CONTROLLER: Controller = { type: "controller", maxBytes: 65535, reason: "action", id: 0 };

/** The action of a table that sends what meets no flow to the controller. */
export const IMPLICIT_MISS: Controller = { ...CONTROLLER, reason: "no_match" };

function controller(walk: Walk, action: Controller, frame: Frame): void {
  const { ctx } = walk;
  const { id: controllerId, maxBytes, pause, meter } = action;
  const what = { controllerId, maxBytes, userdata: action.userdata ?? null };
  if (pause === true) {
    const { reason } = action;
    ctx.pause = { ...what, reason, continuation: true, cookie: walk.rootCookie };
    ctx.freezing = true;
    ctx.exit = true;
    return;
  }
  const reason = reasonOf(walk, action, frame);
  packetIn(walk, frame, { ...what, reason, continuation: false, meter: meter ?? null });
}

function reasonOf(walk: Walk, action: Controller, frame: Frame): ControllerOperand["reason"] {
  if (action === IMPLICIT_MISS) return "implicit_miss";
  if (action.reason !== "action") return action.reason;
  const isPlain = action.id === 0 && action.userdata === undefined;
  if (isPlain && walk.inPacketOut) return "packet_out";
  if (isPlain && frame.inBucket) return "group";
  if (isPlain && walk.ctx.inActionSet) return "action_set";
  const { entry } = frame;
  const isMiss =
    entry !== null && entry.priority === 0 && entry.match.mask.every((bits) => bits === 0);
  return isMiss ? "explicit_miss" : "action";
}

/** dec_ttl on a packet that has no life left: to controllers, and this list ends. */
function expire(walk: Walk, controllerIds: readonly number[], frame: Frame): void {
  const { ctx } = walk;
  // Plain dec_ttl names no controller and means number 0.
  for (const controllerId of controllerIds.length === 0 ? [0] : controllerIds) {
    packetIn(walk, frame, {
      ...{ reason: "invalid_ttl", controllerId, maxBytes: 0xffff, continuation: false },
      ...{ userdata: null, meter: null },
    });
  }
  const version = ctx.flow[WORD.typeVlan]! >>> 16 === 0x0800 ? 4 : 6;
  ctx.observer?.warning(`IPv${version} decrement TTL exception`);
  ctx.dropReason = DROP["ttl-expired"];
  walk.endList(frame);
}

function packetIn(
  walk: Walk,
  frame: Frame,
  what: Omit<ControllerOperand, "kind" | "recircId" | "cookie"> & { meter: number | null },
): void {
  const { ctx, env } = walk;
  const { meter, ...rest } = what;
  const recircId = freezeState(ctx, env, frame.table, []);
  if (recircId === 0) return;
  emitController(ctx, { kind: "controller", recircId, cookie: frame.cookie, ...rest }, meter);
}

function writeMetadata(ctx: Context, value: bigint, mask: bigint): void {
  const { flow } = ctx;
  const old = (BigInt(flow[WORD.metadata]!) << 32n) | BigInt(flow[WORD.metadata + 1]!);
  const metadata = (old & ~mask) | (value & mask);
  flow[WORD.metadata] = Number((metadata >> 32n) & 0xffffffffn);
  flow[WORD.metadata + 1] = Number(metadata & 0xffffffffn);
}
