// Synchronisation mutants of the explored system: each is a change of one file, and is explored in
// cells where the shipped system is SAFE, until one of them is not. Main thread or a worker; goes
// on between mutants only.
import { nowMs } from "../../base/clock.js";
import { evaluateGraph, hashTexts, systemTexts } from "../system/graph.js";
import { type Memory, prepare } from "../system/prepare.js";
import { PARTS, SYNC } from "../system/prepared.js";
import type { Site } from "../types.js";
import { type Answer, type ExamCell, examCells, Examinee } from "./exam.js";
import { type Mutant, mutantsOf, mutated } from "./operators.js";
import { type Reason, reasonOf } from "./reasons.js";

/**
 * `killed`: a cell is not SAFE any more. `equivalent`: every cell is SAFE by a finished search, its
 * executions end in the same memories as those of the shipped system, and there is a reason
 * (reasons.ts). `survived`: SAFE, but they end in others or nobody knows why. `undecided`: a search
 * met its bound. `invalid`: it does not load, or has no start.
 */
export type Fate = "killed" | "equivalent" | "survived" | "undecided" | "invalid";

export interface Result extends Omit<Mutant, "edits"> {
  readonly fate: Fate;
  /** Why it is invalid; of the killed ones, what the counterexample says. */
  readonly message: string;
  /** Why it is equivalent; null for others. */
  readonly reason: Reason | null;
  /** The cell that killed it; null for others. */
  readonly killer: Answer | null;
  /** Of those that are not killed: what each cell says, which is the certificate. */
  readonly cells: readonly Answer[];
  readonly seconds: number;
}

/** Files that are mutated: the path, and the model. */
function isMutable(file: string): boolean {
  // The model's parts say how all begins, what must hold, and who else is there.
  if (file === SYNC || Object.values<string>(PARTS).includes(file)) return false;
  return !/^path\/(kernel|profiles|verdict|watchdog|trace-events)\.ts$/.test(file);
}

export class Hunt {
  /** Mutants of what threads come by in a cell that is SAFE as shipped. */
  readonly mutants: readonly Mutant[];
  /** How many more there are, of what no thread comes by. */
  readonly unreached: number;
  private readonly texts = systemTexts();
  private readonly memory: Memory = { known: new Set(), codes: new Map() };
  private readonly shipped: readonly { readonly one: ExamCell; readonly answer: Answer }[];

  constructor() {
    const { examinee, sites } = this.load(this.texts);
    this.shipped = examCells()
      .map((one) => ({ one, answer: examinee.ask(one) }))
      .filter(({ answer }) => answer.verdict === "SAFE");
    const met = new Set([...examinee.reached].map((site) => placeOf(sites[site]!)));
    const all = [...this.texts]
      .filter(([file]) => isMutable(file))
      .flatMap(([file, text]) => mutantsOf(file, text));
    this.mutants = all.filter((one) => isMet(one, this.texts.get(one.file)!, met));
    this.unreached = all.length - this.mutants.length;
  }

  /** Cells that are SAFE as shipped. */
  get cells(): readonly Answer[] {
    return this.shipped.map(({ answer }) => answer);
  }

  judge(mutant: Mutant): Result {
    const startMs = nowMs();
    const { id, file, line, operator, within, before, after } = mutant;
    const shown = { id, file, line, operator, within, before, after };
    const done = (fate: Fate, message: string, killer: Answer | null, cells: Answer[]): Result => {
      const reason = fate === "equivalent" ? reasonOf(mutant) : null;
      const seconds = (nowMs() - startMs) / 1000;
      return { ...shown, fate, message, reason, killer, cells, seconds };
    };
    const cells: Answer[] = [];
    try {
      const { examinee } = this.load(this.withMutant(mutant));
      for (const { one } of this.shipped) {
        const answer = examinee.ask(one);
        const { verdict, message } = answer;
        if (verdict !== "SAFE" && verdict !== "UNDECIDED") {
          return done("killed", message, answer, []);
        }
        cells.push(answer);
      }
    } catch (error) {
      return done("invalid", error instanceof Error ? error.message : String(error), null, []);
    }
    const open = cells.find(({ verdict }) => verdict === "UNDECIDED");
    if (open !== undefined) return done("undecided", `${open.cell}: ${open.bound}`, null, cells);
    const other = cells.find(({ ends }, i) => ends !== this.shipped[i]!.answer.ends);
    if (other !== undefined) return done("survived", `${other.cell} ends otherwise`, null, cells);
    if (reasonOf(mutant) !== null) return done("equivalent", "", null, cells);
    return done("survived", "no cell can tell it, and nobody has said why", null, cells);
  }

  /** The file comes last: the sites of all others stay as they are, and so does their code. */
  private withMutant(mutant: Mutant): Map<string, string> {
    const texts = new Map(this.texts);
    texts.delete(mutant.file);
    return texts.set(mutant.file, mutated(this.texts.get(mutant.file)!, mutant));
  }

  private load(texts: ReadonlyMap<string, string>) {
    const prepared = prepare(texts, hashTexts(texts), this.memory);
    return { examinee: new Examinee(evaluateGraph(prepared)), sites: prepared.sites };
  }
}

function placeOf({ file, line }: Site): string {
  return `${file}:${line}`;
}

/** Whether a thread has come by a line that the mutant changes. */
function isMet({ file, edits }: Mutant, text: string, met: ReadonlySet<string>): boolean {
  return edits.some(({ start, end }) => {
    const first = text.slice(0, start).split("\n").length;
    const last = text.slice(0, end).split("\n").length;
    for (let line = first; line <= last; line++) if (met.has(`${file}:${line}`)) return true;
    return false;
  });
}
