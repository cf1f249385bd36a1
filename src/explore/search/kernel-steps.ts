// Steps beyond plain cells and locks (kinds 30 to 99): what each needs to run, does, and conflicts
// with. Called by the machine, with one thread's step at a time; any thread of the host.
import type { Step } from "../types.js";
import type { Machine, Vector } from "./machine.js";

/** Steps of this kind and above, up to `OP.done`, are this file's. */
export const KERNEL_FIRST = 30;

/** Whether the thread can take its step in this state. */
export function kernelEnabled(_m: Machine, _s: Vector, step: Step, _thread: number): boolean {
  throw unknownKind(step);
}

/** Takes the step; returns the value that the thread gets. */
export function kernelTake(_m: Machine, _s: Vector, step: Step, _thread: number): number {
  throw unknownKind(step);
}

/** Whether two steps, one of them of this file, do not commute in this state. */
export function kernelConflict(
  _machine: Machine,
  _s: Vector,
  x: Step,
  _threadX: number,
  _y: Step,
  _threadY: number,
): boolean {
  throw unknownKind(x);
}

function unknownKind(step: Step): Error {
  return new Error(`no step of kind ${step.kind}`);
}
