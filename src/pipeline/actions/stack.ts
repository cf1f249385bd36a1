// push, pop, and what the stack may hold (Open vSwitch 3.1, lib/nx-match.c, nxm_execute_stack_*).
// Slow path of each worker.
import { markSub, readSub, writeSub } from "./bits.js";
import type { Context } from "../context.js";
import type { SubField } from "../../flow/types.js";

/** Bytes that values on the stack take, each with a byte for its length. */
const STACK_BYTES_MAX = 65_536;
const ITEM_BYTES_MAX = 17;

export function push(ctx: Context, source: SubField): void {
  markSub(ctx.wildcards, source);
  ctx.stack.push({ value: readSub(ctx.flow, source), bits: source.width });
}

/** A value that is too long loses its high bits, one that is too short gets zeros. */
export function pop(ctx: Context, target: SubField): void {
  const item = ctx.stack.pop();
  if (item === undefined) {
    ctx.observer?.error("stack underflow");
    return;
  }
  markSub(ctx.wildcards, target);
  writeSub(ctx.flow, target, item.value);
  ctx.observer?.subField(target, ctx);
}

/** @returns false when the stack is too large for another table (xlate_resubmit_resource_check). */
export function stackFits(ctx: Context): boolean {
  // No value is longer than a register of 128 bits.
  if (ctx.stack.length * ITEM_BYTES_MAX < STACK_BYTES_MAX) return true;
  let bytes = 0;
  for (const { bits } of ctx.stack) bytes += Math.ceil(bits / 8) + 1;
  return bytes < STACK_BYTES_MAX;
}
