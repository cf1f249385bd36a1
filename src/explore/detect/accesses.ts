// What a step does to its cell or lock, as the detectors see it: whether it writes, and whether it
// is a plain access, which orders nothing, or an atomic one. Pure; any thread.
import type { Machine, Vector } from "../search/machine.js";
import { SHADOWED, SHADOWED_READ, SHADOWED_WRITE } from "../search/kernel/heap.js";
import { OP, type Step } from "../types.js";

export interface Access {
  readonly addr: number;
  readonly isWrite: boolean;
  /** Not atomic: at the same time as a conflicting access it is a data race. */
  readonly isPlain: boolean;
}

/** The kind of a step as if its cell could be neither freed nor uninitialised. */
export function baseKind(kind: number): number {
  if (kind === SHADOWED_READ) return OP.read;
  if (kind === SHADOWED_WRITE) return OP.write;
  return kind >= SHADOWED && kind < SHADOWED_READ ? kind - SHADOWED : kind;
}

/** What the step would do in this state; null for one that touches neither cell nor lock. */
export function accessOf(machine: Machine, s: Vector, step: Step): Access | null {
  const { addr } = step;
  if (addr === 0 || step.kind >= OP.done || addr >= machine.program.names.length) return null;
  const kind = baseKind(step.kind);
  if (kind === OP.read || kind === OP.write) {
    return { addr, isWrite: kind === OP.write, isPlain: true };
  }
  const isLoad = kind === OP.ld || kind === OP.waitWhile || kind === OP.waitUntil;
  const isWrite = kind === OP.cas ? s[addr] === step.a : !isLoad;
  return { addr, isWrite, isPlain: false };
}

/** Whether the order of two accesses can matter. */
export function doConflict(x: Access, y: Access): boolean {
  return x.addr === y.addr && (x.isWrite || y.isWrite);
}

/** Whether two accesses at the same time are a data race. */
export function doRace(x: Access, y: Access): boolean {
  return doConflict(x, y) && (x.isPlain || y.isPlain);
}

/** Whether any thread has a plain access; looks only at nodes that it has not looked at before. */
export function plainFinder(machine: Machine): () => boolean {
  const { steps } = machine.table;
  let looked = 0;
  let isFound = false;
  return () => {
    for (; looked < steps.length && !isFound; looked++) {
      const kind = baseKind(steps[looked]?.kind ?? 0);
      isFound = kind === OP.read || kind === OP.write;
    }
    return isFound;
  };
}
