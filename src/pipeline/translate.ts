// The slow path: walks a packet's key through the flow tables and makes a megaflow of it
// (Open vSwitch 3.1, ofproto/ofproto-dpif-xlate.c). One per worker, in the worker's own thread, so
// there is no queue between the paths that could overflow. May allocate; throws for nothing that
// a frame or a flow contains.
import type { Clock } from "../base/clock.js";
import { DROP } from "../base/drop-reasons.js";
import { KEY_PACKET_WORDS, VLAN_PRESENT, WORD } from "../flow/key.js";
import {
  isMeteredPacketIn,
  isPlain,
  ODP,
  ODP_WORDS,
  operationWords,
  type Megaflow,
} from "../flow/odp.js";
import type { Action } from "../flow/types.js";
import type { LearnSink } from "./actions/learn.js";
import { megaflowKey, newContext, resetContext, type Context } from "./context.js";
import type { FlowTables } from "./flow-tables.js";
import type { MacTable } from "./mac-table.js";
import type { Observer } from "./observer.js";
import { SWITCH_FLAG, type PortTable } from "./ports.js";
import { Recirculations } from "./walk/recirculation.js";
import type { Wiring } from "./walk/patch.js";
import { Walk } from "./walk/walk.js";

/** A longer list of actions would not fit a Netlink attribute; OVS does not cache it, nor do we. */
const ACTION_BYTES_MAX = 65_531;

/** Whether there is a tag, and its VLAN. */
const VLAN_BITS = VLAN_PRESENT | 0x0fff;

export class Pipeline {
  readonly tables: FlowTables;
  readonly ports: PortTable;
  readonly macs: MacTable;
  readonly recirculations: Recirculations;
  /** null: the bridge has the datapath for itself. */
  readonly wiring: Wiring | null;
  /** Takes what packets change in the tables; null: nothing is learned. */
  readonly sink: LearnSink | null;
  /** A megaflow for each packet that differs in anything (upcall/disable-megaflows). */
  isExact = false;
  /**
   * Packets that meet no flow of a table whose miss is "default" go to controllers: one is there
   * that speaks an OpenFlow before 1.3 (connmgr_wants_packet_in_on_miss).
   */
  wantsMisses = false;
  private readonly clock: Clock;
  private readonly ctx: Context = newContext();
  private readonly walk: Walk;
  private translations = 0;

  /**
   * @param options.sink takes learned flows; without one nothing is learned.
   * @param options.wiring of a bridge that shares its datapath with others.
   */
  constructor(options: {
    tables: FlowTables;
    ports: PortTable;
    macs: MacTable;
    clock: Clock;
    sink?: LearnSink;
    wiring?: Wiring;
  }) {
    this.tables = options.tables;
    this.ports = options.ports;
    this.macs = options.macs;
    this.clock = options.clock;
    this.sink = options.sink ?? null;
    this.wiring = options.wiring ?? null;
    this.recirculations = this.wiring?.recirculations ?? new Recirculations();
    this.walk = new Walk(this.ctx, this);
  }

  /** Rises when flows or ports change; a megaflow with an older one must be translated again. */
  stamp(): number {
    return this.wiring?.stamp() ?? this.tables.generation + this.ports.revision();
  }

  /** Rises when the MAC table changes; concerns megaflows that asked it. */
  macStamp(): number {
    return this.wiring?.macStamp() ?? this.macs.revision();
  }

  /** Whether frames are read up to their first tag only. */
  readsOneTag(): boolean {
    return (this.ports.switchFlags() & SWITCH_FLAG.oneTag) !== 0;
  }

  /** Forgets where packets go on that no megaflow sends round any more. Between bursts. */
  retainRecirculations(used: ReadonlySet<number>): void {
    if (this.wiring === null) this.recirculations.retain(used);
    else this.wiring.retain(used);
  }

  /**
   * Translates a packet.
   * @param key of the packet as it came in, or came round; metadata words are its metadata. Not
   *   changed.
   * @param options.sideEffects false: learn nothing (for traces). Default true.
   * @param options.observer is told what happens.
   * @param options.actions of a packet-out: done instead of those of a flow of table 0.
   */
  translate(
    key: Uint32Array,
    options: { sideEffects?: boolean; observer?: Observer; actions?: readonly Action[] } = {},
  ): Megaflow {
    const { ctx } = this;
    // Noted before anything is read: a change in the middle makes the result stale.
    const stamp = this.stamp();
    resetContext(ctx, key, this.clock.nowMs());
    ctx.sideEffects = options.sideEffects ?? true;
    ctx.observer = options.observer ?? null;
    this.walk.run(options.actions ?? null);
    if (ctx.error !== null) {
      // "Translation failed, packet is dropped": what was gathered so far is discarded.
      ctx.actions.length = 0;
      ctx.ends = 0;
      ctx.dropReason = DROP["translation-limit"];
    } else if (ctx.actions.length * 4 > ACTION_BYTES_MAX) {
      ctx.uncacheable = true;
    }
    ctx.observer?.end(ctx, ctx.error);
    return this.megaflow(key, stamp);
  }

  private megaflow(original: Uint32Array, stamp: number): Megaflow {
    const { ctx } = this;
    // Open vSwitch's datapaths look at the VLAN when nobody does (dpif_netdev_flow_put).
    if ((ctx.wildcards[WORD.typeVlan]! & 0xffff) === 0) ctx.wildcards[WORD.typeVlan]! |= VLAN_BITS;
    // Bits of a tag say nothing of whether there is one (xlate_wc_finish): a frame without a tag
    // would share its flow with tagged ones that have them clear.
    ctx.wildcards[WORD.typeVlan]! |= VLAN_PRESENT;
    if (this.isExact) ctx.wildcards.fill(0xffffffff, 0, KEY_PACKET_WORDS);
    const { key, mask } = megaflowKey(original, ctx.wildcards);
    const { actions, ends } = unwrapped(Int32Array.from(ctx.actions), ctx.ends);
    return {
      mask,
      key,
      actions,
      operands: [...ctx.operands],
      isPlain: isPlain(actions),
      ends,
      dropReason: ctx.dropReason,
      flowRecords: Int32Array.from(ctx.flowRecords),
      stamp,
      macStamp: ctx.macStamp,
      refreshes: ctx.refreshes || ctx.macStamp >= 0,
      uncacheable: ctx.uncacheable,
      serial: ++this.translations,
      packets: 0,
      bytes: 0,
      translatedMs: ctx.nowMs,
      usedMs: ctx.nowMs,
      dead: false,
    };
  }
}

/** Nothing comes after a clone at the end of a list, which then need not be one. */
function unwrapped(actions: Int32Array, ends: number): { actions: Int32Array; ends: number } {
  let last = -1;
  for (let i = 0; i < actions.length; i += operationWords(actions, i)) last = i;
  if (last < 0 || actions[last] !== ODP.clone) return { actions, ends };
  const inside = actions[last + 2]!;
  const inner = last + ODP_WORDS[ODP.clone]!;
  if (isMeteredPacketIn(actions.subarray(inner))) return { actions, ends };
  const list = Int32Array.from([...actions.subarray(0, last), ...actions.subarray(inner)]);
  return { actions: list, ends: inside > 0 ? ends + inside - 1 : ends };
}
