// The ct action in the slow path: what the datapath is told, and the copy that comes back (Open
// vSwitch 3.1, compose_conntrack_action). Called by the walk; slow path of each worker.
import { WORD } from "../../flow/key.js";
import { ODP, type ConntrackOperand } from "../../flow/odp.js";
import type { Conntrack } from "../../flow/types.js";
import { commit, emitOperand, type Context } from "../context.js";
import { move, readSubField, setField } from "../set-field.js";

const CT_WORDS: readonly number[] = [
  ...[WORD.ctState, WORD.ctZone, WORD.ctMark],
  ...[0, 1, 2, 3].map((i) => WORD.ctLabel + i),
  ...[WORD.ctNwProto, WORD.ctNwSrc, WORD.ctNwDst, WORD.ctPorts],
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => WORD.ctIpv6Src + i),
];

/** Forgets what the connection tracker said of the packet. */
export function clearConntrack(ctx: Context): void {
  for (const word of CT_WORDS) ctx.flow[word] = 0;
}

/** Tells the datapath. @returns the zone. */
export function emitConntrack(ctx: Context, action: Conntrack): number {
  const { flow, wildcards } = ctx;
  const zone =
    typeof action.zone === "number" ? action.zone : readSubField(ctx, action.zone) & 0xffff;
  commit(ctx);
  // The masks collect what exec(...) sets, and only that.
  const labelAt = WORD.ctLabel;
  const oldMark = wildcards[WORD.ctMark]!;
  const oldLabel = wildcards.slice(labelAt, labelAt + 4);
  wildcards[WORD.ctMark] = 0;
  wildcards.fill(0, labelAt, labelAt + 4);
  ctx.nat = null;
  execute(ctx, action);
  const markMask = wildcards[WORD.ctMark];
  const labelMask = wildcards.slice(labelAt, labelAt + 4);
  const operand: ConntrackOperand = {
    kind: "ct",
    commit: action.commit,
    force: action.force,
    zone,
    mark: markMask === 0 ? null : { value: (flow[WORD.ctMark]! & markMask) >>> 0, mask: markMask },
    label: labelMask.every((word) => word === 0)
      ? null
      : { value: labelMask.map((mask, i) => flow[labelAt + i]! & mask), mask: labelMask },
    nat: ctx.nat,
  };
  wildcards[WORD.ctMark] = oldMark;
  wildcards.set(oldLabel, labelAt);
  emitOperand(ctx, ODP.ct, operand);
  return zone;
}

/** `exec(...)` and `nat(...)`: no action in there leads anywhere. */
function execute(ctx: Context, { actions }: Conntrack): void {
  if (actions.length === 0) ctx.observer?.action({ type: "drop" }, ctx);
  for (const action of actions) {
    ctx.observer?.action(action, ctx);
    if (action.type === "nat") ctx.nat = action;
    else if (action.type === "set-field") setField(ctx, action);
    else if (action.type === "move") move(ctx, action);
  }
}

/** The packet that goes on after ct(...) is as one that was never tracked. */
export function afterConntrack(ctx: Context): void {
  ctx.nat = null;
  clearConntrack(ctx);
  ctx.observer?.detail(
    "Sets the packet to an untracked state, and clears all the conntrack fields.",
  );
  ctx.conntracked = false;
}

/** Exchanges the packet's 5-tuple with that of the connection's first packet (tuple_swap). */
export function swapTuple(words: Uint32Array): void {
  const proto = words[WORD.ip]! >>> 24;
  words[WORD.ip] = (words[WORD.ip]! & 0x00ffffff) | (words[WORD.ctNwProto]! << 24);
  words[WORD.ctNwProto] = proto;
  const swap = (a: number, b: number): void => {
    [words[a], words[b]] = [words[b]!, words[a]!];
  };
  swap(WORD.nwSrc, WORD.ctNwSrc);
  swap(WORD.nwDst, WORD.ctNwDst);
  swap(WORD.ports, WORD.ctPorts);
  for (let i = 0; i < 8; i++) swap(WORD.ipv6Src + i, WORD.ctIpv6Src + i);
}
