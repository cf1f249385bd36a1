// The connection tracker: executes ct(...) on a packet (Open vSwitch 3.1, lib/conntrack.c,
// process_one). Connections lie in shared memory (table.ts), so what one worker committed all see.
// One object per worker; per packet, no allocation but for the first of a connection with NAT.
//
// Not here: reassembly (a fragment is invalid), helpers for FTP and TFTP (refused when a flow asks
// for them), and the watch over TCP sequence numbers.
import { NW_FRAG_ANY, WORD } from "../../flow/key.js";
import type { ConntrackOperand } from "../../flow/odp.js";
import { IP_PROTO } from "../../wire/ipv4.js";
import { locateHeaders, newHeaderPlaces } from "../../wire/rewrite.js";
import { tcpFlags } from "../../wire/transport.js";
import { needsChecksum, VNET, VNET_FLAG } from "../../wire/vnet-header.js";
import type { Frame } from "../datapath.js";
import { chooseTranslation, translateError, translatePacket } from "./nat.js";
import { firstState, mayBegin, updateState, UPDATE, type Outcome } from "./states.js";
import { CONN, CONN_FLAG, ConnectionTable, TICKS_PER_SECOND, ticksOf } from "./table.js";
import { CT_STATE, type Tracker } from "./tracked.js";
import { extractTuple, FOUND, reverseTuple, TUPLE } from "./tuple.js";

/** Connections at a time, unless said otherwise. */
const CAPACITY = 65_536;
const NAT_BITS = CT_STATE.sourceNat | CT_STATE.destinationNat;

export class Conntrack implements Tracker {
  readonly table: ConnectionTable;
  private readonly places = newHeaderPlaces();
  private readonly tuple = new Int32Array(TUPLE.words);
  private readonly reply = new Int32Array(TUPLE.words);
  private translations = 0;
  private readonly outcome: Outcome = { update: 0, state: 0, seconds: 0 };

  /** @param buffer of `Conntrack.create().table.buffer`, in the threads that did not create it. */
  constructor(buffer: SharedArrayBuffer) {
    this.table = new ConnectionTable(buffer);
  }

  /** @param capacity the most connections at a time; a power of two. */
  static create(capacity = CAPACITY): Conntrack {
    return new Conntrack(ConnectionTable.create(capacity).buffer);
  }

  execute(frame: Frame, key: Uint32Array, operand: ConntrackOperand, nowMs: number): void {
    const { places, tuple } = this;
    const { bytes } = frame;
    const { zone } = operand;
    // What another zone said counts no more, but for the translation that was made there.
    const before = key[WORD.ctState]!;
    const sameZone = key[WORD.ctZone] === zone;
    locateHeaders(bytes, frame.offset, frame.length, places);
    const partial = frame.vnetOffset >= 0 && needsChecksum(bytes, frame.vnetOffset);
    const isFragment = places.kind !== 0 && (key[WORD.ip]! & NW_FRAG_ANY) !== 0;
    const trusted = partial || isChecked(frame);
    const found = isFragment ? FOUND.none : extractTuple(bytes, places, zone, trusted, tuple);
    clearTuple(key);
    key[WORD.ctZone] = zone;
    key[WORD.ctMark] = 0;
    key.fill(0, WORD.ctLabel, WORD.ctLabel + 4);
    if (found === FOUND.none) {
      key[WORD.ctState] = CT_STATE.tracked | CT_STATE.invalid;
      return;
    }
    const nowTicks = ticksOf(nowMs);
    const related = found === FOUND.related;
    const wasTranslated = sameZone && (before & NAT_BITS) !== 0;
    let at = this.find(wasTranslated, nowTicks);
    const reply = at >= 0 && this.table.foundReply !== wasTranslated;
    if (at >= 0 && reply && operand.force) {
      this.table.remove(at);
      at = -1;
    }
    let state = 0;
    if (at >= 0) {
      state = related ? relatedState(reply) : this.update(at, reply, frame, nowTicks);
      if (state === CT_STATE.new && this.outcome.update === UPDATE.reopens) {
        this.table.remove(at);
        at = -1;
      } else if (wasTranslated) {
        state |= before & NAT_BITS;
      } else if (operand.nat !== null) {
        state |= this.translate(frame, at, reply, related, partial);
      }
    }
    if (at < 0) {
      state = related ? CT_STATE.invalid : this.begin(frame);
      if (state === CT_STATE.new && operand.commit) {
        at = this.commit(operand, nowTicks);
        if (at === EXHAUSTED) state = CT_STATE.invalid;
        else if (at >= 0) state |= this.translate(frame, at, false, false, partial);
      }
    }
    key[WORD.ctState] = state | CT_STATE.tracked;
    this.describe(key, at, operand);
  }

  /** A packet that was translated in this zone already is known by the tuple of its answers. */
  private find(wasTranslated: boolean, nowTicks: number): number {
    const { table, tuple } = this;
    if (!wasTranslated) return table.find(tuple, nowTicks);
    reverseTuple(tuple);
    const at = table.find(tuple, nowTicks);
    reverseTuple(tuple);
    return at;
  }

  /** A packet of a known connection: its ct_state, without "tracked". */
  private update(at: number, reply: boolean, frame: Frame, nowTicks: number): number {
    const { outcome, places } = this;
    const { words } = this.table;
    // Two workers may have packets of both directions at the same time.
    for (let tries = 0; tries < 64; tries++) {
      const old = Atomics.load(words, at + CONN.state);
      updateState(places.protocol, old, reply, this.flagsOf(frame), outcome);
      if (outcome.update === UPDATE.invalid) return CT_STATE.invalid;
      if (outcome.update === UPDATE.reopens) return CT_STATE.new;
      if (Atomics.compareExchange(words, at + CONN.state, old, outcome.state) === old) break;
    }
    Atomics.store(words, at + CONN.expires, nowTicks + outcome.seconds * TICKS_PER_SECOND);
    if (outcome.update === UPDATE.stillNew) return CT_STATE.new;
    return CT_STATE.established | (reply ? CT_STATE.reply : 0);
  }

  private begin(frame: Frame): number {
    return mayBegin(this.places.protocol, this.flagsOf(frame)) ? CT_STATE.new : CT_STATE.invalid;
  }

  private flagsOf(frame: Frame): number {
    const { protocol, transport } = this.places;
    return protocol === IP_PROTO.tcp ? tcpFlags(frame.bytes, transport) : 0;
  }

  /** Makes a connection of `this.tuple`: its place, NOT_COMMITTED or EXHAUSTED. */
  private commit(operand: ConntrackOperand, nowTicks: number): number {
    const { tuple, reply, table, outcome } = this;
    const { nat } = operand;
    reply.set(tuple);
    reverseTuple(reply);
    if (nat !== null) {
      const isFree = (wanted: Int32Array): boolean => table.find(wanted, nowTicks) < 0;
      if (!chooseTranslation(tuple, reply, nat, isFree, this.translations++)) return EXHAUSTED;
    }
    const natFlag = nat?.direction === "src" ? CONN_FLAG.sourceNat : CONN_FLAG.destinationNat;
    const hasNat = nat !== null && nat.direction !== null && nat.range !== null;
    const at = table.add(tuple, reply, hasNat ? natFlag : 0, nowTicks);
    if (at < 0) return NOT_COMMITTED;
    firstState(tuple[TUPLE.kind]! & 0xff, outcome);
    Atomics.store(table.words, at + CONN.state, outcome.state);
    const expires = nowTicks + outcome.seconds * TICKS_PER_SECOND;
    Atomics.store(table.words, at + CONN.expires, expires);
    return at;
  }

  /** Rewrites a packet of a translated connection. @returns the bits of ct_state that say so. */
  private translate(
    frame: Frame,
    at: number,
    reply: boolean,
    related: boolean,
    partial: boolean,
  ): number {
    const { words } = this.table;
    const flags = words[at + CONN.flags]!;
    if ((flags & (CONN_FLAG.sourceNat | CONN_FLAG.destinationNat)) === 0) return 0;
    const other = at + (reply ? CONN.original : CONN.reply);
    const own = at + (reply ? CONN.reply : CONN.original);
    if (related) translateError(frame.bytes, this.places, words, other, own);
    else translatePacket(frame.bytes, this.places, words, other, partial);
    const isSource = ((flags & CONN_FLAG.sourceNat) !== 0) !== reply;
    return isSource ? CT_STATE.sourceNat : CT_STATE.destinationNat;
  }

  /** Mark, label and the first packet's tuple, into the key. */
  private describe(key: Uint32Array, at: number, operand: ConntrackOperand): void {
    const { words } = this.table;
    if (at < 0) return putTuple(key, this.tuple, 0);
    const { mark, label } = operand;
    // As in Open vSwitch's userspace, an existing connection is changed as well, commit or not.
    if (mark !== null) merge(words, at + CONN.mark, mark.value, mark.mask);
    key[WORD.ctMark] = Atomics.load(words, at + CONN.mark);
    for (let i = 0; i < 4; i++) {
      const word = at + CONN.label + i;
      if (label !== null) merge(words, word, label.value[i]!, label.mask[i]!);
      key[WORD.ctLabel + i] = Atomics.load(words, word);
    }
    putTuple(key, words, at + CONN.original);
  }
}

const NOT_COMMITTED = -1;
const EXHAUSTED = -2;

function relatedState(reply: boolean): number {
  return CT_STATE.related | (reply ? CT_STATE.reply : 0);
}

function merge(words: Int32Array, at: number, value: number, mask: number): void {
  Atomics.store(words, at, (Atomics.load(words, at) & ~mask) | value);
}

/** The sender's sums were checked by the device (VIRTIO_NET_HDR_F_DATA_VALID). */
function isChecked(frame: Frame): boolean {
  if (frame.vnetOffset < 0) return false;
  return (frame.bytes[frame.vnetOffset + VNET.flags]! & VNET_FLAG.dataValid) !== 0;
}

function clearTuple(key: Uint32Array): void {
  key.fill(0, WORD.ctNwProto, WORD.ctIpv6Dst + 4);
}

function putTuple(key: Uint32Array, words: Int32Array, at: number): void {
  const kind = words[at + TUPLE.kind]!;
  const protocol = kind & 0xff;
  key[WORD.ctNwProto] = protocol;
  if ((kind & 0x100) === 0) {
    key[WORD.ctNwSrc] = words[at + TUPLE.source]!;
    key[WORD.ctNwDst] = words[at + TUPLE.destination]!;
  } else {
    for (let i = 0; i < 4; i++) {
      key[WORD.ctIpv6Src + i] = words[at + TUPLE.source + i]!;
      key[WORD.ctIpv6Dst + i] = words[at + TUPLE.destination + i]!;
    }
  }
  const from = words[at + TUPLE.from]!;
  const isIcmp = protocol === IP_PROTO.icmp || protocol === IP_PROTO.icmpv6;
  key[WORD.ctPorts] = isIcmp
    ? (((from >>> 8) & 0xff) << 16) | (from & 0xff)
    : (from & 0xffff0000) | (words[at + TUPLE.to]! >>> 16);
}
