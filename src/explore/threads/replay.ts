// Repeats a schedule on real worker threads, with the program's functions as they were written and
// real atomic operations on shared memory, and says which verdict that ends in. Main thread only.
import { DEFAULTS, fairCircle, replay } from "../explore.js";
import { Machine } from "../search/machine.js";
import { transpile } from "../source/evaluate.js";
import { usesOf } from "../source/load.js";
import { decodeToken, type TokenMove } from "../text/token.js";
import type { LoadedProgram } from "../types.js";
import { Member } from "./member.js";
import type { ProgramData } from "./messages.js";
import { planOf } from "./plan.js";
import { endTeam, repeatPlan, type Team, type ThreadReplay } from "./team.js";

/** How often the cycle of a livelock is gone around. */
const CYCLE_ROUNDS = 20;

export interface ThreadRequest {
  /** The text of the program's file. */
  readonly source: string;
  readonly token: string;
  /** How often; the worker threads are made once. */
  readonly times: number;
}

/**
 * Repeats the schedule of a token.
 * @throws PacketpathError USAGE for a token that does not fit; INTERNAL when a thread does not do
 * what the explorer says that it does.
 */
export async function replayOnThreads(
  program: LoadedProgram,
  { source, token, times }: ThreadRequest,
): Promise<ThreadReplay[]> {
  const expected = replay(program, token);
  const moves = decodeToken(token, program.sourceHash, program.threads.length);
  const machine = new Machine(program, Math.max(DEFAULTS.maxSteps, CYCLE_ROUNDS * moves.length));
  const circle = fairCircle(machine, moves);
  const plan = planOf(machine, circle < 0 ? moves : goneAround(moves, circle));
  const code = await transpile(source, program.file);
  const data: ProgramData = { code, file: program.file, uses: usesOf(source) };
  const member = () => new Member("./program-worker.js", data);
  const team: Team = {
    names: program.threads.map((one) => one.name),
    members: program.threads.map(member),
    checker: program.final === null ? null : member(),
    nameOf: (addr) => program.names[addr] ?? String(addr),
  };
  try {
    const results: ThreadReplay[] = [];
    for (let i = 0; i < times; i++) results.push(await repeatPlan(team, plan, expected));
    return results;
  } finally {
    await endTeam(team);
  }
}

function goneAround(moves: readonly TokenMove[], from: number): TokenMove[] {
  const cycle = moves.slice(from);
  return [...moves, ...Array.from({ length: CYCLE_ROUNDS - 1 }, () => cycle).flat()];
}
