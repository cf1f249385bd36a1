// Repeats a schedule on real worker threads, with the program's functions as they were written and
// real atomic operations on shared memory, and says which verdict that ends in. Main thread only.
import { PacketpathError } from "../../base/errors.js";
import { DEFAULTS, fairCircle, replay } from "../explore.js";
import { Machine } from "../search/machine.js";
import { transpile } from "../source/evaluate.js";
import { usesOf } from "../source/load.js";
import { decodeToken, type TokenMove } from "../text/token.js";
import type { LoadedProgram, Verdict } from "../types.js";
import { BATON_BYTES, stopAll } from "./baton.js";
import { Member } from "./member.js";
import type { Job, Report, TeamData } from "./messages.js";
import { type Plan, planOf } from "./plan.js";

/** How often the cycle of a livelock is gone around. */
const CYCLE_ROUNDS = 20;

export interface ThreadReplay {
  /** What the threads ended in. */
  readonly verdict: Verdict;
  readonly message: string;
  /** Steps taken, those of repeated cycles included. */
  readonly steps: number;
  readonly threads: readonly { readonly name: string; readonly how: string }[];
}

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
  const data: TeamData = { code, file: program.file, uses: usesOf(source) };
  const members = program.threads.map(() => new Member("./program-worker.js", data));
  const checker = new Member("./program-worker.js", data);
  try {
    const results: ThreadReplay[] = [];
    for (let i = 0; i < times; i++) {
      const { reports, memory } = await repeat(plan, members);
      check(program, plan, { reports, memory });
      const final = plan.isDone ? await finalCheck(program, memory, checker) : null;
      results.push(resultOf(program, { plan, reports, final, expected }));
    }
    return results;
  } finally {
    await Promise.all([...members, checker].map((one) => one.end()));
  }
}

function goneAround(moves: readonly TokenMove[], from: number): TokenMove[] {
  const cycle = moves.slice(from);
  return [...moves, ...Array.from({ length: CYCLE_ROUNDS - 1 }, () => cycle).flat()];
}

interface Outcome {
  readonly reports: readonly Report[];
  /** As the threads left it. */
  readonly memory: Int32Array;
}

async function repeat(plan: Plan, members: readonly Member[]): Promise<Outcome> {
  const memory = new SharedArrayBuffer(plan.initial.byteLength);
  const words = new Int32Array(memory);
  words.set(plan.initial);
  const baton = new SharedArrayBuffer(BATON_BYTES);
  const asked = members.map((member, thread) => {
    const end = plan.ends[thread]!;
    return member.ask({ thread, isFinal: false, memory, baton, steps: plan.steps, end });
  });
  try {
    const reports = await allOrDiverged(asked.map((one) => one.report));
    return { reports, memory: words.slice() };
  } finally {
    stopAll(baton);
    // A changed word lets go even a thread that is only about to wait for it.
    for (let i = 0; i < words.length; i++) {
      Atomics.xor(words, i, 1 << 30);
      Atomics.notify(words, i);
    }
    await Promise.all(asked.map((one) => one.left));
  }
}

/** All reports; but a thread that left the plan keeps the others waiting, so its alone will do. */
async function allOrDiverged(reports: readonly Promise<Report>[]): Promise<Report[]> {
  const diverged = reports.map(async (one) => {
    const report = await one;
    if (report.how === "diverged") throw different(report.message);
    return report;
  });
  return Promise.all(diverged);
}

function different(message: string): PacketpathError {
  return new PacketpathError("INTERNAL", `real threads and the explorer differ: ${message}`);
}

/** Each thread stands as the explorer says, and so does each word of memory. */
function check(program: LoadedProgram, plan: Plan, { reports, memory }: Outcome): void {
  for (const { thread, how } of reports) {
    const { how: planned } = plan.ends[thread]!;
    const name = program.threads[thread]!.name;
    if (how !== planned) throw different(`${name} ends ${how} instead of ${planned}`);
  }
  for (let i = 1; i < plan.words; i++) {
    if (memory[i] === plan.last[i]) continue;
    throw different(`${program.names[i]} is ${memory[i]} instead of ${plan.last[i]}`);
  }
}

async function finalCheck(
  program: LoadedProgram,
  memory: Int32Array,
  checker: Member,
): Promise<Report | null> {
  if (program.final === null) return null;
  const shared = new SharedArrayBuffer(memory.byteLength);
  new Int32Array(shared).set(memory);
  const baton = new SharedArrayBuffer(BATON_BYTES);
  const thread = program.threads.length;
  const end = { how: "done", verdict: null } as const;
  const job: Job = { thread, isFinal: true, memory: shared, baton, steps: [], end };
  const { report, left } = checker.ask(job);
  const result = await report;
  await left;
  return result;
}

interface Parts {
  readonly plan: Plan;
  readonly reports: readonly Report[];
  readonly final: Report | null;
  readonly expected: { readonly verdict: Verdict; readonly message: string };
}

/**
 * What the threads show. Where all could go on (the cycle of a livelock, whose every step was what
 * the explorer had foreseen) or the fault is one of the end state (a race, a leak), threads and
 * memory stand as foreseen and the explorer's verdict holds.
 */
function resultOf(program: LoadedProgram, { plan, reports, final, expected }: Parts): ThreadReplay {
  const failed = reports.find((one) => one.how === "failed") ?? final;
  const isStuck = reports.every((one) => one.how === "blocked" || one.how === "done");
  let { verdict, message } = expected;
  if (failed?.verdict != null) {
    verdict = failed.verdict;
    message = failed === final ? `final check: ${failed.message}` : failed.message;
  } else if (isStuck && !plan.isDone) {
    verdict = "DEADLOCK";
  } else if (plan.isDone && expected.verdict === "ASSERT") {
    verdict = "SAFE";
    message = "";
  }
  const threads = reports.map(({ thread, how, message: what }) => {
    const name = program.threads[thread]!.name;
    return { name, how: what === "" ? how : `${how}: ${what}` };
  });
  return { verdict, message, steps: plan.steps.length, threads };
}
