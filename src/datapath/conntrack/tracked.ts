// What the connection tracker says of a packet, in the words of its key, and what the datapath asks
// of a tracker. Each worker, per packet; no allocation.
import { WORD } from "../../flow/key.js";
import type { ConntrackOperand } from "../../flow/odp.js";
import type { Frame } from "../datapath.js";

/** Bits of ct_state (OVS CS_*). */
export const CT_STATE = {
  new: 0x01,
  established: 0x02,
  related: 0x04,
  reply: 0x08,
  invalid: 0x10,
  tracked: 0x20,
  sourceNat: 0x40,
  destinationNat: 0x80,
} as const;

/** Executes `ct(...)`: sets the ct_* words of the key, and may rewrite addresses and ports. */
export interface Tracker {
  execute(frame: Frame, key: Uint32Array, operand: ConntrackOperand, nowMs: number): void;
}

/** Forgets the connection (ct_clear). */
export function clearTracked(key: Uint32Array): void {
  for (let i: number = WORD.ctState; i < WORD.ctLabel + 4; i++) key[i] = 0;
  for (let i: number = WORD.ctNwProto; i < WORD.ctIpv6Dst + 4; i++) key[i] = 0;
}
