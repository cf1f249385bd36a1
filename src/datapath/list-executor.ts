// Execution of datapath actions that do more than rewrite and output: copies that are undone,
// meters, connections, packets that are sent round (the kernel's do_execute_actions, clone_execute,
// execute_recirc). One per worker; per frame, no allocation.
import { DROP } from "../base/drop-reasons.js";
import { extractKey } from "../flow/extract.js";
import { flowHash, KEY_PACKET_WORDS, newKey, rehash, tupleHash, WORD } from "../flow/key.js";
import {
  type ControllerOperand,
  HASH_ALGORITHM,
  type Megaflow,
  ODP,
  ODP_WORDS,
  operationWords,
} from "../flow/odp.js";
import { clearTracked, CT_STATE, type Tracker } from "./conntrack/tracked.js";
import type { Frame, Transmit } from "./datapath.js";
import { NO_TRUNCATION, popTag, pushTag, type Executor } from "./execute.js";
import type { MeterTable } from "./meters.js";
import { Snapshot } from "./snapshot.js";

/**
 * Takes a packet-in: the frame as it is now, which is reused when this returns, and its key with
 * the metadata of the datapath.
 */
export type PacketIn = (frame: Frame, key: Uint32Array, operand: ControllerOperand) => void;

/** What actions need beside the frame. */
export interface ListExecutorParts {
  readonly transmit: Transmit;
  readonly plain: Executor;
  readonly meters: MeterTable | null;
  /** null: every packet that is tracked is invalid. */
  readonly conntrack: Tracker | null;
  /** null: packet-ins are counted, and that is all. */
  readonly packetIn: PacketIn | null;
  /** Puts the frame through the datapath again; it, and each copy of it, ends in there. */
  readonly recirculate: (frame: Frame, key: Uint32Array, id: number) => void;
}

export class ListExecutor {
  private readonly parts: ListExecutorParts;
  private readonly scratch = newKey();
  private readonly snapshots: Snapshot[] = [];
  private level = 0;
  /** Time of the burst. */
  nowMs = 0;

  constructor(parts: ListExecutorParts) {
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
    const { plain } = this.parts;
    const { actions } = megaflow;
    // Every clone starts with the hint of the original; queue selection overwrites it.
    const hint = frame.queueMapping;
    let left = ends;
    let located = false;
    let maxBytes = NO_TRUNCATION;
    // The | 0 keeps the index an integer for the compiler; without it, each step allocates.
    for (let i = from; i < to; i = (i + operationWords(actions, i)) | 0) {
      const operation = actions[i]!;
      if (operation === ODP.set && actions[i + 1]! < KEY_PACKET_WORDS) {
        if (!located) plain.locate(frame);
        located = true;
        plain.set(frame, actions, i);
        continue;
      }
      located = false;
      if (endsCopy(actions, i)) {
        if (left !== ends) this.parts.transmit.cloned(frame);
        left--;
        frame.queueMapping = hint;
      }
      if (operation === ODP.meter && this.isMetered(frame, actions[i + 1]!)) {
        if (ends > 0) this.endMetered(frame, left !== ends);
        return;
      }
      if (operation === ODP.truncate) maxBytes = actions[i + 1]!;
      else if (operation === ODP.output) {
        plain.output(frame, actions[i + 1]!, maxBytes, last && left === 0);
        maxBytes = NO_TRUNCATION;
      } else if (operation === ODP.recirc) {
        this.recirculate(frame, key, actions[i + 1]!, last && left === 0);
      } else if (operation === ODP.clone) {
        this.clone(frame, key, megaflow, i, last && left === 0);
      } else if (operation === ODP.checkLength) {
        this.checkLength(frame, key, megaflow, i, last && left === 0);
      } else {
        this.change(frame, key, megaflow, i);
      }
    }
  }

  /** The operations in which no copy ends. */
  private change(frame: Frame, key: Uint32Array, megaflow: Megaflow, at: number): void {
    const { parts } = this;
    const { actions, operands } = megaflow;
    switch (actions[at]) {
      case ODP.set:
        setMetadata(key, actions, at);
        break;
      case ODP.pushVlan:
        pushTag(frame, actions[at + 1]!);
        break;
      case ODP.popVlan:
        popTag(frame);
        break;
      case ODP.controller: {
        const operand = operands[actions[at + 1]!];
        parts.plain.countPacketIn();
        if (operand?.kind === "controller") parts.packetIn?.(frame, key, operand);
        break;
      }
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

  private recirculate(frame: Frame, key: Uint32Array, id: number, last: boolean): void {
    if (last) return this.parts.recirculate(frame, key, id);
    this.keep(frame, key);
    this.parts.recirculate(frame, key, id);
    this.putBack(frame, key);
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
    this.keep(frame, key);
    this.run(frame, key, megaflow, from, from + words, ends, last);
    this.putBack(frame, key);
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

  /** Keeps the frame as it is until `putBack`; the two nest. */
  private keep(frame: Frame, key: Uint32Array): void {
    const snapshot = (this.snapshots[this.level++] ??= new Snapshot());
    snapshot.take(frame, key);
  }

  private putBack(frame: Frame, key: Uint32Array): void {
    this.snapshots[--this.level]!.putBack(frame, key);
  }
}

/** The ids of states that the actions of a megaflow refer to: to go on there, or to tell of. */
export function recirculationsOf({ actions, operands }: Megaflow): number[] {
  const ids = operands.flatMap((each) => (each.kind === "controller" ? [each.recircId] : []));
  // Into clones too: what is nested lies between.
  for (let i = 0; i < actions.length; i += ODP_WORDS[actions[i]!]!) {
    if (actions[i] === ODP.recirc) ids.push(actions[i + 1]!);
  }
  return ids;
}

/** Whether a copy of the frame ends in an operation. */
function endsCopy(actions: Int32Array, at: number): boolean {
  const operation = actions[at];
  if (operation === ODP.clone) return actions[at + 2] !== 0;
  if (operation === ODP.checkLength) return (actions[at + 3]! | actions[at + 5]!) !== 0;
  return operation === ODP.output || operation === ODP.recirc;
}

function setMetadata(key: Uint32Array, actions: Int32Array, at: number): void {
  const word = actions[at + 1]!;
  key[word] = (key[word]! & ~actions[at + 2]!) | actions[at + 3]!;
}
