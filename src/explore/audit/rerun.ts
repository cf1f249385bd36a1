// A program's functions as they were written, without any inserted token: to see what a thread does
// after some values, it is run from its start with a log of them, and thrown out of where the log
// ends. Slow, and it transforms nothing. Any thread.
import { PRIMITIVE_TABLE } from "../requests.js";
import { failStep, Runtime } from "../runtime.js";
import { failureOf } from "../search/kernel/failures.js";
import { evaluate, transpile } from "../source/evaluate.js";
import { usesOf } from "../source/load.js";
import { boundsOf, type Parts, unpack } from "../source/unpack.js";
import { FREE, type LoadedProgram, OP, type Step, type ThreadCode, UNINIT } from "../types.js";

/** Most ticks of one run: a loop that goes on for so long is taken to be endless. */
const TICKS_MAX = 100_000;

/** Thrown through a thread's function where its log ends, or where it cannot go on. */
class Stop extends Error {
  readonly step: Step;

  constructor(step: Step) {
    super("the log ends here");
    this.step = step;
  }
}

export class Rerun {
  readonly program: LoadedProgram;
  private readonly parts: Parts;
  private readonly runtime = new Runtime();
  private log: readonly number[] = [];
  private used = 0;
  private ticks = 0;

  /** @throws PacketpathError PROGRAM_INVALID */
  static async of(program: LoadedProgram, source: string): Promise<Rerun> {
    return new Rerun(program, source, await transpile(source, program.file));
  }

  private constructor(program: LoadedProgram, source: string, code: string) {
    this.program = program;
    const door: Record<string, unknown> = { program: (spec: unknown) => spec, UNINIT, FREE };
    for (const op of [...PRIMITIVE_TABLE.keys(), "assert", "tick"]) {
      door[op] = (...args: readonly unknown[]) => this.primitive(op, args);
    }
    const exported = evaluate(code, program.file, { door, $: null });
    this.parts = unpack(exported, program.file, usesOf(source));
    this.runtime.bounds = boundsOf(this.parts);
  }

  /** What a thread does next, when its steps so far have given it these values. */
  stepAfter(thread: number, log: readonly number[]): Step {
    this.log = log;
    this.used = 0;
    this.ticks = 0;
    this.runtime.keys = [""];
    this.runtime.seen.clear();
    try {
      this.live(thread);
    } catch (error) {
      if (error instanceof Stop) return error.step;
      return failStep("ASSERT", `threw ${error instanceof Error ? error.message : "?"}`, -1);
    }
    return { kind: OP.done, addr: 0, a: 0, b: 0, site: -1, message: "" };
  }

  /** The same program with these functions in the place of the rewritten ones. */
  asProgram(): LoadedProgram {
    const threads = this.program.threads.map((one, thread): ThreadCode => {
      return { ...one, start: () => this.generator(thread) };
    });
    // These tell the program's runtime of no loop, so no local state is taken for another; the
    // final check, which stays as it is, does, and needs it.
    return { ...this.program, threads };
  }

  private *generator(thread: number): Generator<Step, undefined, number> {
    const log: number[] = [];
    for (;;) {
      const step = this.stepAfter(thread, log);
      if (step.kind === OP.done) return undefined;
      log.push(yield step);
    }
  }

  /** A task's function runs once, a handler's each time that it is raised. */
  private live(thread: number): void {
    const { run, placement } = this.parts.threads[thread]!;
    const call = (argument: number) =>
      (run as (handles: unknown, argument: number) => unknown)(this.parts.memory.handles, argument);
    if (placement.mover < 0 && placement.context === "task") {
      call(0);
      return;
    }
    for (;;) {
      if (placement.mover >= 0) {
        this.bare(OP.migrate);
        continue;
      }
      call(this.bare(OP.enter));
      this.bare(OP.leave);
    }
  }

  private bare(kind: number): number {
    const value = this.take({ kind, addr: 0, a: 0, b: 0, site: -1, message: "" });
    const wrong = kind === OP.leave ? failureOf(value) : null;
    if (wrong !== null && wrong.verdict !== "UNDECIDED") {
      throw new Stop(failStep(wrong.verdict, wrong.message, -1));
    }
    return value;
  }

  /** The value that the log has for a step. */
  private take(step: Step): number {
    const value = this.log[this.used++];
    if (value === undefined) throw new Stop(step);
    return value;
  }

  private primitive(op: string, args: readonly unknown[]): unknown {
    if (op === "tick") {
      if (++this.ticks <= TICKS_MAX) return undefined;
      throw new Stop(failStep("LOCKUP", "", -1));
    }
    const run = this.runtime.step(-1, { op, args });
    for (let next = run.next(); ; next = run.next(this.take(next.value))) {
      if (next.done === true) return next.value;
    }
  }
}
