// A thread's code as an automaton that is kept over many cases: what one case has made it run, no
// other runs again. Where the code asks for more than shared memory (search/questions.ts), an edge
// leads to as many places as it got answers. One owner, the maker of cases.
import { Automaton, BAD_VALUE } from "../search/automaton.js";
import { NodeTable } from "../search/node-table.js";
import type { Answer, Questions } from "../search/questions.js";
import type { Frames, Step, ThreadCode } from "../types.js";

/** An edge on which the code asked. */
interface AskedEdge {
  readonly value: number;
  readonly answers: readonly Answer[];
  readonly to: number;
}

const NOTHING: readonly Answer[] = [];

export class SharedThread {
  readonly code: ThreadCode;
  /** What the last edge that `next` followed was told. */
  answers = NOTHING;
  private readonly automaton: Automaton;
  private readonly questions: Questions;
  private readonly asked = new Map<number, AskedEdge[]>();

  constructor(
    code: ThreadCode,
    frames: Frames & { readonly questions: Questions },
    maxSteps: number,
  ) {
    this.code = code;
    this.questions = frames.questions;
    const home = { table: new NodeTable(), thread: 0 };
    this.automaton = new Automaton(code, frames, maxSteps, home);
  }

  get start(): number {
    return this.automaton.start;
  }

  /** What was asked before the first step: a case that answers otherwise has another thread. */
  get firstAnswers(): readonly Answer[] {
    return this.automaton.answersOf(this.start);
  }

  get count(): number {
    return this.automaton.steps.length;
  }

  step(node: number): Step {
    return this.automaton.steps[node]!;
  }

  /** Where a step that got `value` leads, in the case that is set. */
  next(node: number, value: number): number {
    this.answers = NOTHING;
    if (value === BAD_VALUE) return this.automaton.next(node, value);
    const known = this.automaton.known(node, value);
    if (known !== 0) return known;
    const edges = this.asked.get(node) ?? [];
    const one = edges.find((edge) => edge.value === value && this.questions.agrees(edge.answers));
    if (one !== undefined) {
      this.answers = one.answers;
      return one.to;
    }
    const to = this.automaton.grow(node, value);
    const answers = this.questions.asked;
    if (answers.length === 0) this.automaton.keep(node, value, to);
    else {
      this.asked.set(node, edges);
      edges.push({ value, answers, to });
      this.answers = answers;
    }
    return to;
  }
}
