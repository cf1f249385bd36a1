// What the datapath hands to controllers, with what the slow path knew of it (process_upcall in
// ofproto/ofproto-dpif-upcall.c of Open vSwitch 3.1). One thread.
import type { Frame } from "../../datapath/datapath.js";
import type { ControllerOperand } from "../../flow/odp.js";
import type { Pipeline } from "../../pipeline/translate.js";
import { keyThen, type Recirculations } from "../../pipeline/walk/recirculation.js";
import type { PacketIn } from "../controllers.js";

interface Sent {
  readonly frame: Frame;
  readonly key: Uint32Array;
  readonly operand: ControllerOperand;
}

/** The packet-in and whose it is; null: what it was made under is forgotten. */
export function packetInOf(
  recirculations: Recirculations,
  { frame, key, operand }: Sent,
): (PacketIn & { readonly pipeline: Pipeline }) | null {
  const state = recirculations.thaw(operand.recircId);
  if (state === null) return null;
  const { reason, controllerId, cookie, userdata } = operand;
  return {
    ...{ reason, controllerId, cookie, userdata },
    packet: frame.bytes.slice(frame.offset, frame.offset + frame.length),
    metadata: keyThen(key, state),
    table: state.table,
    continuation: null,
    pipeline: state.pipeline,
  };
}
