// Execution of plain datapath actions on the bytes of a frame, in place (the kernel's
// do_execute_actions, net/openvswitch/actions.c): outputs, fields, tags. Nearly all frames need no
// more; for the others there is list-executor.ts. One per worker; per frame, no allocation.
import { ODP, type Megaflow } from "../flow/odp.js";
import { hasVlanTag, popVlanTag, pushVlanTag } from "../wire/ethernet.js";
import { locateHeaders, newHeaderPlaces } from "../wire/rewrite.js";
import { VNET, needsChecksum, shiftVnetHeader } from "../wire/vnet-header.js";
import type { Frame, Transmit } from "./datapath.js";
import { setWord } from "./set-word.js";

/** Index of the packet-in counter; see DATAPATH_COUNTER in datapath.ts. */
const PACKET_INS = 6;
/** The bit of a TCI that stands for "there is a tag" in keys; on the wire it is the DEI, sent 0. */
const NOT_PRESENT_BIT = 0xefff;
export const NO_TRUNCATION = 0x7fffffff;
const TAG_BYTES = 4;

export class Executor {
  private readonly transmit: Transmit;
  private readonly counters: Float64Array;
  private readonly places = newHeaderPlaces();
  private readonly setting = { word: 0, mask: 0, value: 0 };

  constructor(transmit: Transmit, counters: Float64Array) {
    this.transmit = transmit;
    this.counters = counters;
  }

  /** Executes the actions of a plain megaflow; the frame and each copy of it end in here. */
  execute(frame: Frame, megaflow: Megaflow): void {
    const { transmit } = this;
    const { actions, ends } = megaflow;
    // Every clone starts with the hint of the original; queue selection overwrites it.
    const hint = frame.queueMapping;
    let left = ends;
    let located = false;
    let maxBytes = NO_TRUNCATION;
    for (let i = 0; i < actions.length;) {
      switch (actions[i]) {
        case ODP.output:
          if (left !== ends) transmit.cloned(frame);
          left--;
          frame.queueMapping = hint;
          this.output(frame, actions[i + 1]!, maxBytes, left === 0);
          maxBytes = NO_TRUNCATION;
          // The port may lead back into this datapath, which locates its own headers.
          located = false;
          i += 2;
          break;
        case ODP.set:
          if (!located) this.locate(frame);
          located = true;
          this.set(frame, actions, i);
          i += 4;
          break;
        case ODP.pushVlan:
          pushTag(frame, actions[i + 1]!);
          located = false;
          i += 2;
          break;
        case ODP.popVlan:
          popTag(frame);
          located = false;
          i += 1;
          break;
        default:
          // ODP.truncate
          maxBytes = actions[i + 1]!;
          i += 2;
          break;
      }
    }
    if (ends === 0) transmit.drop(frame, megaflow.dropReason);
  }

  /** Finds the headers of a frame anew, for the sets that follow. */
  locate(frame: Frame): void {
    locateHeaders(frame.bytes, frame.offset, frame.length, this.places);
  }

  /** Executes ODP.set at `at`, on headers that `locate` found. */
  set(frame: Frame, actions: Int32Array, at: number): void {
    const { setting } = this;
    setting.word = actions[at + 1]!;
    setting.mask = actions[at + 2]!;
    setting.value = actions[at + 3]!;
    const partial = frame.vnetOffset >= 0 && needsChecksum(frame.bytes, frame.vnetOffset);
    setWord(frame.bytes, this.places, setting, partial);
  }

  countPacketIn(): void {
    this.counters[PACKET_INS]!++;
  }

  /** @param maxBytes the copy is cut to so many. */
  output(frame: Frame, port: number, maxBytes: number, last: boolean): void {
    if (frame.length > maxBytes) this.outputCut(frame, port, maxBytes, last);
    else this.transmit.output(frame, port, last);
  }

  /**
   * Outputs the first `maxBytes` only. What is cut off takes offloads with it: a partial checksum
   * or a segmentation over bytes that are not there would be refused by the device.
   */
  private outputCut(frame: Frame, port: number, maxBytes: number, last: boolean): void {
    const { bytes, length, vnetOffset } = frame;
    frame.length = maxBytes;
    if (vnetOffset < 0) {
      this.transmit.output(frame, port, last);
    } else {
      const flags = bytes[vnetOffset + VNET.flags]!;
      const gsoType = bytes[vnetOffset + VNET.gsoType]!;
      bytes[vnetOffset + VNET.flags] = 0;
      bytes[vnetOffset + VNET.gsoType] = 0;
      this.transmit.output(frame, port, last);
      bytes[vnetOffset + VNET.flags] = flags;
      bytes[vnetOffset + VNET.gsoType] = gsoType;
    }
    frame.length = length;
  }
}

/** The MAC addresses and the vnet header move 4 bytes forward; nothing else does. */
export function pushTag(frame: Frame, tag: number): void {
  const { bytes } = frame;
  if (frame.vnetOffset >= 0) {
    frame.vnetOffset = shiftVnetHeader(bytes, frame.vnetOffset, TAG_BYTES);
  }
  frame.offset = pushVlanTag(bytes, frame.offset, tag >>> 16, tag & NOT_PRESENT_BIT);
  frame.length += TAG_BYTES;
}

export function popTag(frame: Frame): void {
  const { bytes } = frame;
  if (!hasVlanTag(bytes, frame.offset, frame.length)) return;
  frame.offset = popVlanTag(bytes, frame.offset);
  frame.length -= TAG_BYTES;
  if (frame.vnetOffset >= 0) {
    frame.vnetOffset = shiftVnetHeader(bytes, frame.vnetOffset, -TAG_BYTES);
  }
}
