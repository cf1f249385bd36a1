// Locks that are taken, or initialised again, without anything that orders it after their initLock:
// found in a run in which the order happened to be right. Any thread.
import { endOf } from "../outcome.js";
import type { Machine, Vector } from "../search/machine.js";
import { turnScheduler } from "../strategies/schedulers.js";
import { walk } from "../strategies/walk.js";
import type { TokenMove } from "../text/token.js";
import { OP, type LoadedProgram } from "../types.js";
import { aroundPair, RaceWatcher, stateAfter } from "./clocks.js";

export interface EarlyUse {
  readonly lock: number;
  /** Who initialises it, and who uses it. */
  readonly threads: readonly [number, number];
  readonly sites: readonly [number, number];
  /** A schedule in which it comes to that; null if the obvious ones do not. */
  readonly moves: TokenMove[] | null;
}

/** The first such lock that the plainest runs show; null if none does. */
export function earlyUse(machine: Machine, maxSteps: number): EarlyUse | null {
  for (let first = 0; first < machine.threads.length; first++) {
    const watcher = new RaceWatcher(machine, "locks");
    const { noticed } = walk(machine, {
      scheduler: turnScheduler(machine, first),
      bounds: { maxExecutions: 1, maxSteps, maxSeconds: 10 },
      verdictOf: () => "SAFE",
      watchers: () => [watcher],
      isFound: () => watcher.found !== null,
    });
    if (noticed !== null) return useOf(machine, noticed, watcher.found!.addr);
  }
  return null;
}

function useOf(machine: Machine, moves: TokenMove[], lock: number): EarlyUse | null {
  const around = aroundPair(machine, moves, "locks");
  if (around === null) return null;
  const { needed, first, second } = around;
  const tries = [
    [...needed, second],
    [...needed, first, second],
    [...needed, second, first],
  ];
  const isWrong = (s: Vector | null) => s !== null && endOf(machine, s).verdict === "UNINIT-LOCK";
  const before = stateAfter(machine, around.whole.slice(0, -1));
  if (before === null) return null;
  const s = stateAfter(machine, around.whole.slice(0, around.whole.indexOf(first)))!;
  const steps = [machine.stepOf(s, first.thread), machine.stepOf(before, second.thread)] as const;
  const threads = [first.thread, second.thread] as const;
  const isTurned = steps[0].kind !== OP.initLock;
  return {
    lock,
    threads: isTurned ? [threads[1], threads[0]] : threads,
    sites: isTurned ? [steps[1].site, steps[0].site] : [steps[0].site, steps[1].site],
    moves: tries.find((one) => isWrong(stateAfter(machine, one))) ?? null,
  };
}

/** One sentence. */
export function earlyUseText({ names, threads }: LoadedProgram, use: EarlyUse): string {
  const [init, user] = use.threads.map((thread) => threads[thread]!.name);
  return `nothing orders the use of ${names[use.lock]} by ${user} after its initLock by ${init}`;
}

/** In the words of the kernel's lockdep for a lock that it does not know. */
export function earlyUseReport(program: LoadedProgram, use: EarlyUse): string {
  const [init, user] = use.sites.map((site) => {
    const place = program.sites[site];
    return `line ${place?.line ?? 0}:${place?.column ?? 0}`;
  });
  return (
    "INFO: trying to register non-static key.\n" +
    `${earlyUseText(program, use)}\n initLock, ${init}\n used, ${user}\n`
  );
}
