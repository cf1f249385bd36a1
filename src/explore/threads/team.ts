// Real worker threads that repeat a plan together, and what they show when it is over. Main thread
// only.
import { PacketpathError } from "../../base/errors.js";
import type { Verdict } from "../types.js";
import { BATON_BYTES, stopAll } from "./baton.js";
import type { Member } from "./member.js";
import type { Job, Report } from "./messages.js";
import type { Plan } from "./plan.js";

export interface ThreadReplay {
  /** What the threads ended in. */
  readonly verdict: Verdict;
  readonly message: string;
  /** Steps taken, those of repeated cycles included. */
  readonly steps: number;
  readonly threads: readonly { readonly name: string; readonly how: string }[];
}

export interface Team {
  readonly names: readonly string[];
  readonly members: readonly Member[];
  /** Runs the final check by itself; null if there is none. */
  readonly checker: Member | null;
  nameOf(addr: number): string;
}

/** What the explorer says that the schedule comes to. */
export interface Expected {
  readonly verdict: Verdict;
  readonly message: string;
}

/** @throws PacketpathError INTERNAL when a thread does not do what the explorer says. */
export async function repeatPlan(
  team: Team,
  plan: Plan,
  expected: Expected,
): Promise<ThreadReplay> {
  const outcome = await repeat(plan, team.members);
  check(team, plan, outcome);
  const { checker } = team;
  const isChecked = plan.isDone && checker !== null;
  const final = isChecked ? await alone(checker, team.members.length, outcome.memory) : null;
  return resultOf(team, { plan, reports: outcome.reports, final, expected });
}

export async function endTeam({ members, checker }: Team): Promise<void> {
  await Promise.all([...members, checker].map((one) => one?.end()));
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
    return member.ask({ thread, isAlone: false, memory, baton, steps: plan.steps, end });
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
function check(team: Team, plan: Plan, { reports, memory }: Outcome): void {
  for (const { thread, how } of reports) {
    const { how: planned } = plan.ends[thread]!;
    const name = team.names[thread]!;
    if (how !== planned) throw different(`${name} ends ${how} instead of ${planned}`);
  }
  for (const [addr, value] of plan.last) {
    if (memory[addr] === value) continue;
    throw different(`${team.nameOf(addr)} is ${memory[addr]} instead of ${value}`);
  }
}

/** Has a thread do its part with nobody else there; changes `memory`. */
export async function alone(member: Member, thread: number, memory: Int32Array): Promise<Report> {
  const shared = new SharedArrayBuffer(memory.byteLength);
  new Int32Array(shared).set(memory);
  const baton = new SharedArrayBuffer(BATON_BYTES);
  const end = { how: "done", verdict: null } as const;
  const job: Job = { thread, isAlone: true, memory: shared, baton, steps: [], end };
  const { report, left } = member.ask(job);
  const result = await report;
  await left;
  memory.set(new Int32Array(shared));
  return result;
}

interface Parts {
  readonly plan: Plan;
  readonly reports: readonly Report[];
  readonly final: Report | null;
  readonly expected: Expected;
}

/**
 * What the threads show. Where all could go on (the cycle of a livelock, whose every step was what
 * the explorer had foreseen) or the fault is one of the end state (a race, a leak), threads and
 * memory stand as foreseen and the explorer's verdict holds.
 */
function resultOf(team: Team, { plan, reports, final, expected }: Parts): ThreadReplay {
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
    const name = team.names[thread]!;
    return { name, how: what === "" ? how : `${how}: ${what}` };
  });
  return { verdict, message, steps: plan.steps.length, threads };
}
