// The slow path: walks a packet's key through the flow tables and makes a megaflow of it
// (Open vSwitch 3.1, ofproto/ofproto-dpif-xlate.c). One per worker, in the worker's own thread, so
// there is no queue between the paths that could overflow. May allocate; throws for nothing that
// a frame or a flow contains.
import type { Clock } from "../base/clock.js";
import { DROP } from "../base/drop-reasons.js";
import { KEY_PACKET_WORDS, WORD } from "../flow/key.js";
import { ODP, ODP_WORDS, type Megaflow } from "../flow/odp.js";
import { OFPP, type Action } from "../flow/types.js";
import {
  emitController,
  emitOutput,
  maskedKey,
  newContext,
  noteDrop,
  resetContext,
  type Context,
} from "./context.js";
import type { FlowTables } from "./flow-tables.js";
import type { MacTable } from "./mac-table.js";
import { flood, normal } from "./normal.js";
import type { Observer, TranslationError } from "./observer.js";
import { PORT_FLAG, type PortTable } from "./ports.js";
import { decTtl, move, popVlan, pushVlan, readSubField, setField } from "./set-field.js";

/** Resubmits to the same or an earlier table, one inside the other (OVS MAX_DEPTH). */
export const DEPTH_MAX = 64;
/** Resubmits and goto_tables of one translation (OVS MAX_RESUBMITS). */
export const RESUBMITS_MAX = 4096;
/** Words of datapath actions of one translation: 64 KiB, as in OVS. */
const ACTION_WORDS_MAX = 16_384;

/** An action list that is being executed; resubmit puts another on top. */
interface Frame {
  readonly actions: readonly Action[];
  next: number;
  readonly table: number;
  /** How many backward resubmits lie below. */
  readonly depth: number;
}

export class Pipeline {
  readonly tables: FlowTables;
  readonly ports: PortTable;
  readonly macs: MacTable;
  private readonly clock: Clock;
  private readonly ctx: Context = newContext();
  private readonly stack: Frame[] = [];
  private resubmits = 0;
  private error: TranslationError | null = null;

  constructor(options: { tables: FlowTables; ports: PortTable; macs: MacTable; clock: Clock }) {
    this.tables = options.tables;
    this.ports = options.ports;
    this.macs = options.macs;
    this.clock = options.clock;
  }

  /** Rises when flows or ports change; a megaflow with an older one must be translated again. */
  stamp(): number {
    return this.tables.generation + this.ports.revision();
  }

  /** Rises when the MAC table changes; concerns megaflows that asked it. */
  macStamp(): number {
    return this.macs.revision();
  }

  /**
   * Translates a packet.
   * @param key of the packet as it came in; metadata words are its metadata. Not changed.
   * @param options.sideEffects false: learn nothing (for traces). Default true.
   * @param options.observer is told what happens.
   */
  translate(
    key: Uint32Array,
    options: { sideEffects?: boolean; observer?: Observer } = {},
  ): Megaflow {
    const { ctx, stack } = this;
    // Noted before anything is read: a change in the middle makes the result stale.
    const stamp = this.stamp();
    resetContext(ctx, key, this.clock.nowMs());
    ctx.sideEffects = options.sideEffects ?? true;
    ctx.observer = options.observer ?? null;
    this.resubmits = 0;
    this.error = null;
    stack.length = 0;
    this.enterTable(0, key[WORD.inPort]!, 0);
    let ok = true;
    while (ok && stack.length > 0) {
      const frame = stack[stack.length - 1]!;
      if (frame.next === frame.actions.length) this.leave();
      else ok = this.perform(frame.actions[frame.next++]!, frame);
    }
    while (stack.length > 0) this.leave();
    if (!ok || ctx.actions.length > ACTION_WORDS_MAX) {
      // "Translation failed, packet is dropped": what was gathered so far is discarded.
      ctx.actions.length = 0;
      ctx.outputs = 0;
      ctx.dropReason = DROP["translation-limit"];
    }
    ctx.observer?.end(ctx, this.error);
    return this.megaflow(key, stamp);
  }

  private leave(): void {
    this.stack.pop();
    this.ctx.observer?.leave();
  }

  private megaflow(key: Uint32Array, stamp: number): Megaflow {
    const { ctx } = this;
    const mask = ctx.wildcards.slice(0, KEY_PACKET_WORDS);
    return {
      mask,
      key: maskedKey(key, mask),
      actions: Int32Array.from(ctx.actions),
      outputs: ctx.outputs,
      dropReason: ctx.dropReason,
      flowRecords: Int32Array.from(ctx.flowRecords),
      stamp,
      macStamp: ctx.macStamp,
      packets: 0,
      bytes: 0,
      translatedMs: ctx.nowMs,
      usedMs: ctx.nowMs,
      dead: false,
      next: null,
      hash: 0,
    };
  }

  /** Looks a table up with another in_port for the lookup only, and begins the flow's actions. */
  private enterTable(table: number, inPort: number, depth: number): void {
    const { ctx } = this;
    const ownPort = ctx.flow[WORD.inPort]!;
    ctx.flow[WORD.inPort] = inPort;
    const entry = this.tables.lookup(table, ctx.flow, ctx.wildcards);
    ctx.flow[WORD.inPort] = ownPort;
    ctx.observer?.table(table, entry, ctx);
    if (entry === null) {
      ctx.observer?.leave();
      return noteDrop(ctx, DROP["table-miss"]);
    }
    const { actions } = entry.flow;
    const drops = actions.length === 0 || actions[0]!.type === "drop";
    noteDrop(ctx, drops ? DROP["action-drop"] : DROP["no-output"]);
    ctx.flowRecords.push(entry.record);
    this.stack.push({ actions, next: 0, table, depth });
  }

  private fail(error: TranslationError): false {
    this.error = error;
    return false;
  }

  private resubmit(frame: Frame, table: number, inPort: number): boolean {
    const { ctx } = this;
    if (frame.depth >= DEPTH_MAX) {
      ctx.observer?.error(`over max translation depth ${DEPTH_MAX}`);
      return this.fail("Recursion too deep");
    }
    if (this.resubmits >= RESUBMITS_MAX) {
      ctx.observer?.error(`over ${RESUBMITS_MAX} resubmit actions`);
      return this.fail("Too many resubmits");
    }
    const depth = frame.depth + (table <= frame.table ? 1 : 0);
    this.resubmits++;
    this.enterTable(table, inPort, depth);
    return true;
  }

  /** @returns false when a limit is passed and the packet must be dropped. */
  private perform(action: Action, frame: Frame): boolean {
    const { ctx } = this;
    ctx.observer?.action(action, ctx);
    switch (action.type) {
      case "output":
        return this.output(action.port, frame);
      case "output-field":
        return this.output(readSubField(ctx, action.source) & 0xffff, frame);
      case "output-truncated":
        return this.outputTruncated(action.port, action.maxBytes, frame);
      case "controller":
        emitController(ctx);
        return true;
      case "resubmit": {
        const own = ctx.flow[WORD.inPort]!;
        const port = action.port === null || action.port === OFPP.inPort ? own : action.port;
        return this.resubmit(frame, action.table ?? frame.table, port);
      }
      case "goto-table":
        return this.resubmit(frame, action.table, ctx.flow[WORD.inPort]!);
      case "set-field":
        setField(ctx, action);
        return true;
      case "move":
        move(ctx, action);
        return true;
      case "push-vlan":
        return pushVlan(ctx, action.ethertype);
      case "pop-vlan":
        popVlan(ctx);
        return true;
      case "dec-ttl":
        // The caller of this list, after its resubmit, goes on.
        if (!decTtl(ctx)) frame.next = frame.actions.length;
        return true;
      case "drop":
      case "note":
        return true;
      default:
        return false;
    }
  }

  private output(port: number, frame: Frame): boolean {
    const { ctx, ports } = this;
    const inPort = ctx.flow[WORD.inPort]!;
    switch (port) {
      case OFPP.inPort:
        emitOutput(ctx, inPort);
        return true;
      case OFPP.table:
        return this.resubmit(frame, 0, inPort);
      case OFPP.normal:
        normal(ctx, this);
        return true;
      case OFPP.flood:
        flood(ctx, ports, PORT_FLAG.noFlood | PORT_FLAG.noForward);
        return true;
      case OFPP.all:
        flood(ctx, ports, PORT_FLAG.noForward);
        return true;
      case OFPP.controller:
        emitController(ctx);
        return true;
      case OFPP.none:
        return true;
      default:
        // Only `in_port` sends a packet back where it came from.
        if (port === inPort) noteDrop(ctx, DROP["in-port"]);
        // A port that does not exist is not our business: do_output counts it as no-vport.
        else emitOutput(ctx, port);
        return true;
    }
  }

  private outputTruncated(port: number, maxBytes: number, frame: Frame): boolean {
    const { ctx } = this;
    const before = ctx.outputs;
    const at = ctx.actions.length;
    const ok = this.output(port, frame);
    if (ctx.outputs === before) return ok;
    // Each output that came of it is cut; what was committed in between is not touched.
    const tail = ctx.actions.splice(at);
    for (let i = 0; i < tail.length; i += ODP_WORDS[tail[i]!]!) {
      if (tail[i] === ODP.output) ctx.actions.push(ODP.truncate, maxBytes);
      ctx.actions.push(...tail.slice(i, i + ODP_WORDS[tail[i]!]!));
    }
    return ok;
  }
}
