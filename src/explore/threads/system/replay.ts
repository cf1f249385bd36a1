// Repeats a schedule of the kernel path on real worker threads: the shipped files of `path`, real
// atomic operations on shared memory, each step when the schedule says so. Main thread only.
import { Machine } from "../../search/machine.js";
import { type CellOptions, kernelConfig } from "../../system/cell.js";
import type { CellSchedule } from "../../matrix/matrix.js";
import { decodeToken, type TokenMove } from "../../text/token.js";
import { Member } from "../member.js";
import { type Plan, planOf, type PlanStep } from "../plan.js";
import { alone, endTeam, repeatPlan, type Team, type ThreadReplay } from "../team.js";

/** Most steps of one thread: those of the explorer, and the spinning. */
const STEPS_MAX = 10_000;

/** What the threads need to know; sent to them. */
export interface SystemData {
  readonly options: CellOptions;
  /** Size of the emulated kernel. */
  readonly config: object;
  /** Names, in the program's order. */
  readonly threads: readonly string[];
}

/** Steps that a thread is left to spin on shared memory. */
const SPIN_STEPS = 1_000;

/**
 * Repeats the counterexample of a cell with a built-in guard.
 * @throws PacketpathError INTERNAL when a thread does not do what the explorer says.
 */
export async function replayCell(schedule: CellSchedule, times: number): Promise<ThreadReplay[]> {
  const { program, options, addresses, expected } = schedule;
  const machine = new Machine(program, STEPS_MAX);
  const slots = planOf(machine, movesOf(machine, schedule));
  const threads = program.threads.map((one) => one.name);
  const data: SystemData = { options, config: kernelConfig(options), threads };
  const member = () => new Member("./system/worker.js", data);
  const checker = member();
  const team: Team = {
    names: threads,
    members: program.threads.map(member),
    checker,
    nameOf: (addr) => program.names[addresses.indexOf(addr)] ?? `word ${addr}`,
  };
  try {
    const initial = new Int32Array(schedule.words);
    await alone(checker, -1, initial);
    const plan = addressed(slots, addresses, initial);
    const results: ThreadReplay[] = [];
    for (let i = 0; i < times; i++) results.push(await repeatPlan(team, plan, expected));
    return results;
  } finally {
    await endTeam(team);
  }
}

/** The schedule; a loop that looks at shared memory for ever goes on for a good while. */
function movesOf(machine: Machine, { program, token, expected }: CellSchedule): TokenMove[] {
  const moves = decodeToken(token, program.sourceHash, program.threads.length);
  const s = machine.initial();
  for (const { thread } of moves) machine.take(s, thread, 0);
  if (expected.verdict !== "LOCKUP" || machine.ended(s) >= 0) return moves;
  const { thread } = moves.at(-1)!;
  for (let i = 0; i < SPIN_STEPS; i++) {
    machine.take(s, thread, 0);
    moves.push({ thread, choice: 0, isChoice: false });
  }
  return moves;
}

/** The plan with addresses of shared memory in the place of slots. */
function addressed(plan: Plan, addresses: readonly number[], initial: Int32Array): Plan {
  const at = (slot: number) => addresses[slot] ?? 0;
  const steps = plan.steps.map((one): PlanStep => {
    const changes = one.changes.map(([slot, before, after]) => [at(slot), before, after] as const);
    return { ...one, addr: at(one.addr), changes };
  });
  const last = plan.last
    .filter(([slot]) => slot < addresses.length)
    .map(([slot, value]) => [at(slot), value] as const);
  return { ...plan, steps, initial, last };
}
