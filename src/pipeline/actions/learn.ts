// The learn action: makes a flow from the packet at hand and gives it to the sink (Open vSwitch
// 3.1, lib/learn.c learn_execute, xlate_learn_action). Slow path of each worker.
//
// A learned flow is not seen by the translation that learns it, nor by what that translation calls:
// it works on the tables as they were when it began. The sink therefore gets the flows at the end.
import { fieldOf, setBits } from "../../flow/fields.js";
import { WORD } from "../../flow/key.js";
import { matchesEqual, newMatch } from "../../flow/match.js";
import { OFPP, type Action, type Flow, type Learn, type LearnPart } from "../../flow/types.js";
import type { LearnSource, SubField } from "../../flow/types.js";
import { markSub, ones, readSub, startInValue, writeRun, writeSub } from "./bits.js";
import type { Context } from "../context.js";
import type { FlowChange, FlowEntry, FlowTables } from "../flow-tables.js";
import { isLearnedAlready } from "../tables/learning.js";

/**
 * Where the changes go that packets make, of type "learn" and "shorten". A switch of one thread
 * applies them at once (`tables.apply`); the replica of a worker posts them to the owner of the
 * tables, who applies them everywhere in one order.
 */
export type LearnSink = (changes: readonly FlowChange[]) => void;

/**
 * @param pending what this translation has learned already; the flow is added to it.
 * @param tables in which the limit counts; null: nothing is learned.
 */
export function learn(
  ctx: Context,
  action: Learn,
  pending: FlowChange[],
  tables: FlowTables | null,
): void {
  for (const part of action.parts) unwildcardSource(ctx, part);
  if (!ctx.sideEffects || tables === null) {
    ctx.observer?.warning("suppressing side effects, so learn action ignored");
    return;
  }
  const flow = learnedFlow(ctx.flow, action);
  ctx.observer?.learned(flow);
  ctx.refreshes = true;
  const success = isWithinLimit(tables, flow, action.limit, pending);
  if (action.resultDst !== null) {
    const { resultDst } = action;
    markSub(ctx.wildcards, resultDst);
    writeSub(ctx.flow, resultDst, Uint32Array.of(success ? 1 : 0));
    ctx.observer?.subField(resultDst, ctx);
  }
  if (success) pending.push({ type: "learn", flow });
  else ctx.observer?.detail("Limit exceeded, learn failed");
}

/** Whether the table has room for another flow of this cookie, or has the very flow already. */
function isWithinLimit(
  tables: FlowTables,
  flow: Flow,
  limit: number,
  pending: readonly FlowChange[],
): boolean {
  const { table, cookie } = flow;
  if (limit === 0) return true;
  const old = tables.find(table, flow.match, flow.priority);
  if (old !== null && isLearnedAlready(old.flow, flow)) return true;
  const coming = pending
    .flatMap((change) => (change.type === "learn" ? [change.flow] : []))
    .filter((each) => each.table === table && each.cookie === cookie);
  if (coming.some((each) => isSamePlace(each, flow) && isLearnedAlready(each, flow))) return true;
  const fresh = coming.filter((each, i) => {
    const there = tables.find(table, each.match, each.priority);
    const again = coming.slice(0, i).some((other) => isSamePlace(other, each));
    return there?.flow.cookie !== cookie && !again;
  });
  return tables.entries({ table, cookie }).length + fresh.length < limit;
}

function isSamePlace(a: Flow, b: Flow): boolean {
  return a.priority === b.priority && matchesEqual(a.match, b.match);
}

function unwildcardSource(ctx: Context, part: LearnPart): void {
  const source = part.type === "output" ? part.source : sourceField(part.from);
  if (source !== null) markSub(ctx.wildcards, source);
}

function sourceField(from: LearnSource): SubField | null {
  return from.type === "field" ? from.source : null;
}

/** The flow that a packet with this key teaches. */
export function learnedFlow(key: Uint32Array, action: Learn): Flow {
  const match = newMatch();
  const actions: Action[] = [];
  for (const part of action.parts) {
    if (part.type === "output") actions.push(...outputOf(key, part.source));
    else if (part.type === "load") actions.push(loadOf(key, part));
    else {
      const { target } = part;
      if (!isMatchable(target)) continue;
      markSub(match.mask, target);
      writeSub(match.value, target, valueOf(key, part.from));
    }
  }
  const { finIdleTimeout, finHardTimeout } = action;
  if (finIdleTimeout !== 0 || finHardTimeout !== 0) {
    actions.unshift({
      type: "fin-timeout",
      idleTimeout: finIdleTimeout,
      hardTimeout: finHardTimeout,
    });
  }
  return {
    table: action.table,
    priority: action.priority,
    match,
    actions,
    cookie: action.cookie,
    idleTimeout: action.idleTimeout,
    hardTimeout: action.hardTimeout,
    importance: 0,
    flags: action.flags,
  };
}

/**
 * Of a field that takes no mask, only all bytes can be matched: a part of it, and so all of one
 * whose bits fill no bytes, is left out of the match without a word (mf_set of lib/meta-flow.c).
 */
function isMatchable({ field, width }: SubField): boolean {
  const { maskable, bits } = fieldOf(field);
  return maskable || (width === bits && bits % 8 === 0);
}

function valueOf(key: Uint32Array, from: LearnSource): Uint32Array {
  return from.type === "value" ? from.value : readSub(key, from.source);
}

function loadOf(key: Uint32Array, part: Extract<LearnPart, { type: "load" }>): Action {
  const { target } = part;
  const field = fieldOf(target.field);
  const value = new Uint32Array(field.words);
  const mask = new Uint32Array(field.words);
  const start = startInValue(field, target);
  writeRun(value, start, target.width, valueOf(key, part.from));
  writeRun(mask, start, target.width, ones(target.width));
  return { type: "set-field", field: field.id, value, mask, spelling: "load" };
}

/** An output to a port that exists in OpenFlow 1.0, or nothing. */
function outputOf(key: Uint32Array, source: SubField): Action[] {
  const words = readSub(key, source);
  const port = words[words.length - 1]!;
  const isBig = port > 0xffff || words.subarray(0, -1).some((word) => word !== 0);
  const special: readonly number[] = [OFPP.inPort, OFPP.flood, OFPP.local, OFPP.all];
  if (isBig || (port >= OFPP.max && !special.includes(port))) return [];
  return [{ type: "output", port }];
}

/** Marks of a TCP segment that ends a connection: FIN and RST, as they lie in the key. */
const FIN_OR_RST = 0x5_0000;

/**
 * fin_timeout: the flow lives shorter once a connection ends. The flags count as looked at, so the
 * segment that ends it gets a translation of its own.
 */
export function finTimeout(
  ctx: Context,
  action: Extract<Action, { type: "fin-timeout" }>,
  entry: FlowEntry | null,
  pending: FlowChange[],
): void {
  setBits(ctx.wildcards, fieldOf("nw_proto").start, 8, 0xff);
  ctx.wildcards[WORD.tcpFlags]! |= FIN_OR_RST;
  const ends = (ctx.flow[WORD.tcpFlags]! & FIN_OR_RST) !== 0;
  if (entry === null || !ends || !ctx.sideEffects) return;
  ctx.refreshes = true;
  const { idleTimeout, hardTimeout } = action;
  pending.push({ type: "shorten", flow: entry.flow, idleTimeout, hardTimeout });
}
