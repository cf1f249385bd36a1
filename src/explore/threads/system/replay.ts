// Repeats a schedule of the kernel path on real worker threads: the shipped files of `path`, real
// atomic operations on shared memory, each step when the schedule says so. Main thread only.
import { DEFAULTS } from "../../explore.js";
import { Machine } from "../../search/machine.js";
import { decodeToken } from "../../text/token.js";
import type { LoadedProgram } from "../../types.js";
import { Member } from "../member.js";
import { type Plan, planOf, type PlanStep } from "../plan.js";
import {
  alone,
  endTeam,
  type Expected,
  repeatPlan,
  type Team,
  type ThreadReplay,
} from "../team.js";

/** What the threads need to know; sent to them. */
export interface SystemData {
  readonly options: {
    readonly guard: string;
    readonly kind: string;
    readonly profile: string;
    readonly event: string;
    readonly queues: number;
    /** Recorded queue + 1 of each packet, or 0. */
    readonly mappings: readonly number[];
  };
  /** Size of the emulated kernel. */
  readonly config: object;
  /** Names, in the program's order. */
  readonly threads: readonly string[];
  /** URL of a JavaScript module with a user's guard, or null for a built-in one. */
  readonly guardFile: string | null;
}

export interface SystemRequest {
  readonly program: LoadedProgram;
  /** Addresses in shared memory by slot of the explorer's states. */
  readonly addresses: readonly number[];
  /** Words of the shared memory. */
  readonly words: number;
  readonly data: SystemData;
  readonly token: string;
  readonly expected: Expected;
  readonly times: number;
}

/** @throws PacketpathError INTERNAL when a thread does not do what the explorer says. */
export async function replaySystem(request: SystemRequest): Promise<ThreadReplay[]> {
  const { program, data, times, expected } = request;
  const moves = decodeToken(request.token, program.sourceHash, program.threads.length);
  const machine = new Machine(program, Math.max(DEFAULTS.maxSteps, moves.length + 1));
  const slots = planOf(machine, moves);
  const member = () => new Member("./system/worker.js", data);
  const checker = member();
  const team: Team = {
    names: data.threads,
    members: program.threads.map(member),
    checker,
    nameOf: (addr) => program.names[request.addresses.indexOf(addr)] ?? `word ${addr}`,
  };
  try {
    const initial = new Int32Array(request.words);
    await alone(checker, -1, initial);
    const plan = addressed(slots, request.addresses, initial);
    const results: ThreadReplay[] = [];
    for (let i = 0; i < times; i++) results.push(await repeatPlan(team, plan, expected));
    return results;
  } finally {
    await endTeam(team);
  }
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
