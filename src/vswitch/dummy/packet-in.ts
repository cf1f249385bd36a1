// What the datapath hands to controllers, with what the slow path knew of it (process_upcall in
// ofproto/ofproto-dpif-upcall.c of Open vSwitch 3.1). One thread.
import type { Frame } from "../../datapath/datapath.js";
import { WORD } from "../../flow/key.js";
import type { ControllerOperand } from "../../flow/odp.js";
import type { Pipeline } from "../../pipeline/translate.js";
import { keyThen, type Recirculations } from "../../pipeline/walk/recirculation.js";
import type { PacketIn } from "../controllers.js";

/** Puts a packet with this key into the datapath again. */
export type Reinject = (packet: Uint8Array, key: Uint32Array) => void;

interface Sent {
  readonly frame: Frame;
  readonly key: Uint32Array;
  readonly operand: ControllerOperand;
}

/** The packet-in and whose it is; null: what it was made under is forgotten. */
export function packetInOf(
  recirculations: Recirculations,
  { frame, key, operand }: Sent,
  reinject: Reinject,
): (PacketIn & { readonly pipeline: Pipeline }) | null {
  const state = recirculations.thaw(operand.recircId);
  if (state === null) return null;
  const { reason, controllerId, cookie, userdata } = operand;
  const packet = frame.bytes.slice(frame.offset, frame.offset + frame.length);
  const paused = key.slice();
  paused[WORD.inPort] = frame.inPort;
  const resume = (): void => {
    // The same state may have been forgotten meanwhile; then it gets another id.
    paused[WORD.recircId] = recirculations.freeze(state);
    reinject(packet, paused);
  };
  return {
    ...{ reason, controllerId, cookie, userdata },
    packet,
    metadata: keyThen(key, state),
    table: state.table,
    resume: operand.continuation ? resume : null,
    pipeline: state.pipeline,
  };
}
