// The connection states that `--ct-next` names, with Open vSwitch's own refusals (3.1, lib/flow.c
// parse_ct_state and validate_ct_state). Slow path; any thread.
import { PacketpathError } from "../base/errors.js";

/** Bits of ct_state (CS_*). */
export const CT_STATE = {
  new: 1,
  est: 2,
  rel: 4,
  rpl: 8,
  inv: 16,
  trk: 32,
  snat: 64,
  dnat: 128,
} as const;

/** `new|trk`; `0` for none. */
export function ctStateText(state: number): string {
  const names = Object.entries(CT_STATE).filter(([, bit]) => (state & bit) !== 0);
  return names.length === 0 ? "0" : names.map(([name]) => name).join("|");
}

/**
 * Reads `trk,new` (also separated by spaces or `|`).
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentences.
 */
export function parseCtState(text: string): number {
  let state = 0;
  for (const name of text.split(/[,\s|]+/).filter((each) => each !== "")) {
    const bit = (CT_STATE as Readonly<Record<string, number>>)[name];
    if (bit === undefined) {
      throw new PacketpathError("FLOW_INVALID", `${name}: unknown connection tracking state flag`);
    }
    state |= bit;
  }
  const { trk, inv, est, rpl } = CT_STATE;
  const wrong: string[] = [];
  if (state !== 0 && (state & trk) === 0) wrong.push('If "trk" is unset, no other flags are set');
  if ((state & inv) !== 0 && (state & ~(trk | inv)) !== 0) {
    wrong.push('when "inv" is set, only "trk" may also be set');
  }
  const isNew = (state & CT_STATE.new) !== 0;
  if (isNew && (state & est) !== 0) wrong.push('"new" and "est" are mutually exclusive');
  if (isNew && (state & rpl) !== 0) wrong.push('"new" and "rpy" are mutually exclusive');
  if (wrong.length === 0) return state;
  const head = `${ctStateText(state)}: invalid connection state: `;
  throw new PacketpathError("FLOW_INVALID", wrong.map((each) => head + each).join("\n"));
}
