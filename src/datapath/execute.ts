// Execution of datapath actions on the bytes of a frame, in place (the kernel's
// do_execute_actions, net/openvswitch/actions.c). One per worker; per frame, no allocation.
import { DROP } from "../base/drop-reasons.js";
import { extractKey } from "../flow/extract.js";
import { flowHash, KEY_PACKET_WORDS, newKey, rehash, tupleHash, WORD } from "../flow/key.js";
import { HASH_ALGORITHM, ODP, ODP_WORDS, type Megaflow } from "../flow/odp.js";
import { hasVlanTag, popVlanTag, pushVlanTag } from "../wire/ethernet.js";
import { locateHeaders, newHeaderPlaces } from "../wire/rewrite.js";
import { VNET, needsChecksum, shiftVnetHeader } from "../wire/vnet-header.js";
import { clearTracked, CT_STATE, type Tracker } from "./conntrack/tracked.js";
import type { Frame, Transmit } from "./datapath.js";
import type { MeterTable } from "./meters.js";
import { setWord } from "./set-word.js";
import { Snapshot } from "./snapshot.js";

/** Index of the packet-in counter; see DATAPATH_COUNTER in datapath.ts. */
const PACKET_INS = 6;
/** The bit of a TCI that stands for "there is a tag" in keys; on the wire it is the DEI, sent 0. */
const NOT_PRESENT_BIT = 0xefff;
const NO_TRUNCATION = 0x7fffffff;
const TAG_BYTES = 4;

/** What actions need beside the frame. */
export interface ExecutorParts {
  readonly transmit: Transmit;
  readonly counters: Float64Array;
  readonly meters: MeterTable | null;
  /** null: every packet that is tracked is invalid. */
  readonly conntrack: Tracker | null;
  /** Puts the frame through the datapath again; it, and each copy of it, ends in there. */
  readonly recirculate: (frame: Frame, key: Uint32Array, id: number) => void;
}

export class Executor {
  private readonly parts: ExecutorParts;
  private readonly places = newHeaderPlaces();
  private readonly setting = { word: 0, mask: 0, value: 0 };
  private readonly scratch = newKey();
  private readonly snapshots: Snapshot[] = [];
  private level = 0;
  /** Time of the burst. */
  nowMs = 0;

  constructor(parts: ExecutorParts) {
    this.parts = parts;
  }

  /**
   * Executes the actions of a megaflow; the frame and each copy of it end in here.
   * @param key of the frame; metadata that actions set is written into it.
   */
  execute(frame: Frame, megaflow: Megaflow, key: Uint32Array): void {
    const { actions, ends } = megaflow;
    this.run(frame, key, megaflow, 0, actions.length, ends, true);
    if (ends === 0) this.parts.transmit.drop(frame, megaflow.dropReason);
  }

  /**
   * Executes the words from `from` to `to`, in which `ends` copies end.
   * @param last nobody needs the frame after the last of them.
   */
  private run(
    frame: Frame,
    key: Uint32Array,
    megaflow: Megaflow,
    from: number,
    to: number,
    ends: number,
    last: boolean,
  ): void {
    const { transmit } = this.parts;
    const { actions } = megaflow;
    // Every clone starts with the hint of the original; queue selection overwrites it.
    const hint = frame.queueMapping;
    let left = ends;
    let located = false;
    let maxBytes = NO_TRUNCATION;
    // The | 0 keeps the index an integer for the compiler; without it, each step allocates.
    for (let i = from; i < to; i = (i + wordsAt(actions, i)) | 0) {
      switch (actions[i]) {
        case ODP.output:
          if (left !== ends) transmit.cloned(frame);
          left--;
          frame.queueMapping = hint;
          this.output(frame, actions[i + 1]!, maxBytes, last && left === 0);
          maxBytes = NO_TRUNCATION;
          // The port may lead back into this datapath, which locates its own headers.
          located = false;
          break;
        case ODP.set:
          if (actions[i + 1]! >= KEY_PACKET_WORDS) setMetadata(key, actions, i);
          else {
            if (!located) locateHeaders(frame.bytes, frame.offset, frame.length, this.places);
            located = true;
            this.set(frame, actions[i + 1]!, actions[i + 2]!, actions[i + 3]!);
          }
          break;
        case ODP.pushVlan:
          pushTag(frame, actions[i + 1]!);
          located = false;
          break;
        case ODP.popVlan:
          popTag(frame);
          located = false;
          break;
        case ODP.truncate:
          maxBytes = actions[i + 1]!;
          break;
        case ODP.recirc:
          if (left !== ends) transmit.cloned(frame);
          left--;
          frame.queueMapping = hint;
          this.recirculate(frame, key, actions[i + 1]!, last && left === 0);
          located = false;
          break;
        case ODP.clone:
          if (actions[i + 2] !== 0) {
            if (left !== ends) transmit.cloned(frame);
            left--;
          }
          frame.queueMapping = hint;
          this.clone(frame, key, megaflow, i, last && left === 0);
          located = false;
          break;
        case ODP.checkLength:
          if ((actions[i + 3]! | actions[i + 5]!) !== 0) {
            if (left !== ends) transmit.cloned(frame);
            left--;
          }
          frame.queueMapping = hint;
          this.checkLength(frame, key, megaflow, i, last && left === 0);
          located = false;
          break;
        case ODP.meter:
          if (this.isMetered(frame, actions[i + 1]!)) {
            return ends === 0 ? undefined : this.endMetered(frame, left !== ends);
          }
          break;
        default:
          this.track(frame, key, megaflow, i);
          located = false;
          break;
      }
    }
  }

  /** The operations that neither end a frame nor change where its headers lie. */
  private track(frame: Frame, key: Uint32Array, megaflow: Megaflow, at: number): void {
    const { parts } = this;
    const { actions, operands } = megaflow;
    switch (actions[at]) {
      case ODP.controller:
        parts.counters[PACKET_INS]!++;
        break;
      case ODP.hash:
        key[WORD.dpHash] = this.hash(frame, actions[at + 1]!, actions[at + 2]!);
        break;
      case ODP.ct: {
        const operand = operands[actions[at + 1]!];
        if (operand?.kind !== "ct" || parts.conntrack === null) {
          clearTracked(key);
          key[WORD.ctState] = CT_STATE.tracked | CT_STATE.invalid;
        } else {
          parts.conntrack.execute(frame, key, operand, this.nowMs);
        }
        break;
      }
      case ODP.ctClear:
        clearTracked(key);
        break;
      default:
        break;
    }
  }

  private output(frame: Frame, port: number, maxBytes: number, last: boolean): void {
    if (frame.length > maxBytes) this.outputCut(frame, port, maxBytes, last);
    else this.parts.transmit.output(frame, port, last);
  }

  private recirculate(frame: Frame, key: Uint32Array, id: number, last: boolean): void {
    if (last) return this.parts.recirculate(frame, key, id);
    const snapshot = this.snapshotAt(this.level++);
    snapshot.take(frame, key);
    this.parts.recirculate(frame, key, id);
    snapshot.putBack(frame, key);
    this.level--;
  }

  private clone(
    frame: Frame,
    key: Uint32Array,
    megaflow: Megaflow,
    at: number,
    last: boolean,
  ): void {
    const { actions } = megaflow;
    const from = at + ODP_WORDS[ODP.clone]!;
    this.nested(frame, key, megaflow, from, actions[at + 1]!, actions[at + 2]!, last);
  }

  /** Executes a list on a copy: what it does to the frame is undone. */
  private nested(
    frame: Frame,
    key: Uint32Array,
    megaflow: Megaflow,
    from: number,
    words: number,
    ends: number,
    last: boolean,
  ): void {
    const snapshot = this.snapshotAt(this.level++);
    snapshot.take(frame, key);
    this.run(frame, key, megaflow, from, from + words, ends, last);
    snapshot.putBack(frame, key);
    this.level--;
  }

  private checkLength(
    frame: Frame,
    key: Uint32Array,
    megaflow: Megaflow,
    at: number,
    last: boolean,
  ): void {
    const { actions } = megaflow;
    const isLonger = frame.length > actions[at + 1]!;
    const first = at + ODP_WORDS[ODP.checkLength]!;
    const from = isLonger ? first : first + actions[at + 2]!;
    const words = isLonger ? actions[at + 2]! : actions[at + 4]!;
    const ends = isLonger ? actions[at + 3]! : actions[at + 5]!;
    const counted = (actions[at + 3]! | actions[at + 5]!) !== 0;
    this.nested(frame, key, megaflow, from, words, ends, last);
    if (counted && ends === 0) this.parts.transmit.drop(frame, DROP["no-output"]);
  }

  private isMetered(frame: Frame, id: number): boolean {
    const { meters } = this.parts;
    return meters !== null && !meters.pass(id, frame.length, this.nowMs);
  }

  /** The rest is not executed: what is left of the frame ends here. */
  private endMetered(frame: Frame, hasEnded: boolean): void {
    const { transmit } = this.parts;
    if (hasEnded) transmit.cloned(frame);
    transmit.drop(frame, DROP.metered);
  }

  /** Never 0, which stands for "not hashed". */
  private hash(frame: Frame, algorithm: number, basis: number): number {
    const { scratch } = this;
    extractKey(frame.bytes, frame.offset, frame.length, frame.inPort, scratch);
    const symmetric = algorithm === HASH_ALGORITHM.symmetricL4;
    const hash = symmetric ? flowHash(scratch) : tupleHash(scratch);
    return rehash(hash, basis) || 1;
  }

  private snapshotAt(level: number): Snapshot {
    return (this.snapshots[level] ??= new Snapshot());
  }

  private set(frame: Frame, word: number, mask: number, value: number): void {
    const { setting } = this;
    setting.word = word;
    setting.mask = mask;
    setting.value = value;
    const partial = frame.vnetOffset >= 0 && needsChecksum(frame.bytes, frame.vnetOffset);
    setWord(frame.bytes, this.places, setting, partial);
  }

  /**
   * Outputs the first `maxBytes` only. What is cut off takes offloads with it: a partial checksum
   * or a segmentation over bytes that are not there would be refused by the device.
   */
  private outputCut(frame: Frame, port: number, maxBytes: number, last: boolean): void {
    const { bytes, length, vnetOffset } = frame;
    frame.length = maxBytes;
    if (vnetOffset < 0) {
      this.parts.transmit.output(frame, port, last);
    } else {
      const flags = bytes[vnetOffset + VNET.flags]!;
      const gsoType = bytes[vnetOffset + VNET.gsoType]!;
      bytes[vnetOffset + VNET.flags] = 0;
      bytes[vnetOffset + VNET.gsoType] = 0;
      this.parts.transmit.output(frame, port, last);
      bytes[vnetOffset + VNET.flags] = flags;
      bytes[vnetOffset + VNET.gsoType] = gsoType;
    }
    frame.length = length;
  }
}

/** The ids under which a list of actions sends packets round. */
export function recirculationsOf(actions: Int32Array): number[] {
  const ids: number[] = [];
  // Into clones too: what is nested lies between.
  for (let i = 0; i < actions.length; i += ODP_WORDS[actions[i]!]!) {
    if (actions[i] === ODP.recirc) ids.push(actions[i + 1]!);
  }
  return ids;
}

function wordsAt(actions: Int32Array, at: number): number {
  const words = ODP_WORDS[actions[at]!]!;
  if (actions[at] === ODP.clone) return words + actions[at + 1]!;
  return actions[at] === ODP.checkLength ? words + actions[at + 2]! + actions[at + 4]! : words;
}

function setMetadata(key: Uint32Array, actions: Int32Array, at: number): void {
  const word = actions[at + 1]!;
  key[word] = (key[word]! & ~actions[at + 2]!) | actions[at + 3]!;
}

/** The MAC addresses and the vnet header move 4 bytes forward; nothing else does. */
function pushTag(frame: Frame, tag: number): void {
  const { bytes } = frame;
  if (frame.vnetOffset >= 0) {
    frame.vnetOffset = shiftVnetHeader(bytes, frame.vnetOffset, TAG_BYTES);
  }
  frame.offset = pushVlanTag(bytes, frame.offset, tag >>> 16, tag & NOT_PRESENT_BIT);
  frame.length += TAG_BYTES;
}

function popTag(frame: Frame): void {
  const { bytes } = frame;
  if (!hasVlanTag(bytes, frame.offset, frame.length)) return;
  frame.offset = popVlanTag(bytes, frame.offset);
  frame.length -= TAG_BYTES;
  if (frame.vnetOffset >= 0) {
    frame.vnetOffset = shiftVnetHeader(bytes, frame.vnetOffset, -TAG_BYTES);
  }
}
