// What a thread's code asks of its case beside shared memory: fields of the kernel profile, the
// guard. The same code serves many cases; what it asked, and was told, is part of how it came to a
// local state. One owner, the runtime of an explored system.

/** What a case says, by name. */
export type Setting = Readonly<Record<string, unknown>>;

/** A question with its answer. */
export type Answer = readonly [name: string, answer: unknown];

export class Questions {
  /** Of the case whose code runs now. */
  setting: Setting = {};
  /** Asked since this was last emptied, while nothing was repeated. */
  asked: Answer[] = [];
  private repeated: readonly Answer[] = [];
  private place = 0;

  ask(name: string): unknown {
    if (this.place < this.repeated.length) return this.repeated[this.place++]![1];
    const answer = this.setting[name];
    this.asked.push([name, answer]);
    return answer;
  }

  /** A way is gone once more: the next questions get these answers, whatever the case says. */
  repeat(answers: readonly Answer[]): void {
    this.repeated = answers;
    this.place = 0;
  }

  /** Whether the case gives these answers. */
  agrees(answers: readonly Answer[]): boolean {
    return answers.every(([name, answer]) => this.setting[name] === answer);
  }
}
