// Steps of the kernel and of Go in words, as the timeline shows them. Pure.
import { FINISHED, YES } from "../search/kernel/result.js";
import { SPIN } from "../search/kernel/spin.js";
import { failureOf } from "../search/kernel/failures.js";
import type { Machine, Vector } from "../search/machine.js";
import { OP, OP_NAMES, type Step } from "../types.js";

const SUFFIX: Readonly<Record<number, string>> = {
  [SPIN.plain]: "",
  [SPIN.bh]: "Bh",
  [SPIN.irq]: "Irq",
  [SPIN.irqsave]: "Irqsave",
};

/** A step that was taken with this value, in the state after it. */
export function kernelText(
  machine: Machine,
  s: Vector,
  step: Step,
  thread: number,
  value: number,
): string {
  const { program } = machine;
  const name = program.names[step.addr] ?? "";
  const op = OP_NAMES[step.kind] ?? "";
  if (failureOf(value) !== null) return `${op} ${name}`.trim();
  switch (step.kind) {
    case OP.read:
      return `read ${name} = ${value}`;
    case OP.write:
      return `write ${name} := ${step.a}`;
    case OP.spinLock:
      return `spinLock${SUFFIX[step.a]} ${name}${isDone(value) ? "" : ": spins"}`;
    case OP.spinUnlock:
      return `spinUnlock${SUFFIX[step.a] === "Irqsave" ? "Irqrestore" : SUFFIX[step.a]} ${name}`;
    case OP.rlock:
    case OP.rwlock:
    case OP.wgWait:
    case OP.rcuBarrier:
    case OP.synchronizeRcu:
    case OP.flushWork:
      return `${op} ${name}`.trim() + (isDone(value) ? "" : ": has to wait");
    case OP.rlockWait:
    case OP.rwlockWait:
    case OP.spinWait:
      return `has ${name}`;
    case OP.wgWake:
    case OP.handlerWait:
    case OP.gracePeriod:
      return "waits no longer";
    case OP.goTryLock:
    case OP.mutexTrylock:
    case OP.spinTrylock:
      return `${op} ${name}: ${isYes(value) ? "ok" : "taken"}`;
    case OP.queueWork:
      return `queueWork ${name}${isYes(value) ? "" : ": is queued already"}`;
    case OP.cancelWorkSync:
    case OP.delTimer:
    case OP.delTimerSync:
      return `${op} ${name}: ${isYes(value) ? "was" : "was not"} pending`;
    case OP.wgAdd:
      return step.a === -1 ? `wgDone ${name}` : `wgAdd ${name} ${step.a}`;
    case OP.eventRead:
      return `eventRead ${name} = ${value}`;
    case OP.eventWrite:
      return `eventWrite ${name} ${step.a}`;
    case OP.thisCpu:
      return `thisCpu = ${value}`;
    case OP.fault:
      return isYes(value) ? "fault: strikes" : "fault: does not strike";
    case OP.alloc:
      return `alloc ${step.a} = ${value === 0 ? "NULL" : (program.names[value] ?? "")}`;
    case OP.migrate:
      return migrationText(machine, s, thread);
    case OP.enter:
    case OP.leave: {
      const { context } = program.kernel!.placements[thread]!;
      return `${context} ${step.kind === OP.enter ? "begins" : "returns"}`;
    }
    default:
      return `${op} ${name}`.trim();
  }
}

function migrationText({ program }: Machine, s: Vector, thread: number): string {
  const { kernel } = program;
  const task = kernel!.placements[thread]!.mover;
  return `${program.threads[task]!.name} moves to CPU ${s[kernel!.cpuOf + task]}`;
}

function isDone(value: number): boolean {
  return (value & FINISHED) !== 0;
}

function isYes(value: number): boolean {
  return (value & YES) !== 0;
}
