// The baton that real threads pass on while they repeat a schedule: a shared word with the number
// of the step whose turn it is. Each thread waits for the numbers of its own steps. Any thread.

/** Words of the shared block. Writer of `turn`: whoever has it; of `stop`: the main thread. */
const WORD = { turn: 0, stop: 1 } as const;
export const BATON_BYTES = 8;

/** Thrown out of a wait when the repetition is over. */
export class Stopped extends Error {
  constructor() {
    super("the repetition is over");
  }
}

export class Baton {
  private readonly words: Int32Array;
  private readonly own: readonly number[];
  private readonly total: number;
  private at = 0;

  /** @param schedule which thread takes each step. */
  constructor(shared: SharedArrayBuffer, schedule: readonly number[], thread: number) {
    this.words = new Int32Array(shared);
    this.total = schedule.length;
    this.own = schedule.flatMap((one, i) => (one === thread ? [i] : []));
  }

  /**
   * Waits for the turn of the thread's next step and returns its number; -1, once the whole
   * schedule is over, if the thread has none left. @throws Stopped.
   */
  take(): number {
    const step = this.own[this.at];
    this.waitFor(step ?? this.total);
    if (step === undefined) return -1;
    this.at++;
    return step;
  }

  /** Gives the turn to the next step. */
  pass(): void {
    Atomics.add(this.words, WORD.turn, 1);
    Atomics.notify(this.words, WORD.turn);
  }

  /** Waits for the end of the repetition. @throws Stopped, always. */
  rest(): never {
    for (;;) {
      this.check();
      Atomics.wait(this.words, WORD.stop, 0);
    }
  }

  /** @throws Stopped when the repetition is over. */
  check(): void {
    if (Atomics.load(this.words, WORD.stop) !== 0) throw new Stopped();
  }

  private waitFor(step: number): void {
    for (;;) {
      this.check();
      const turn = Atomics.load(this.words, WORD.turn);
      if (turn === step) return;
      Atomics.wait(this.words, WORD.turn, turn);
    }
  }
}

/** How many steps have been taken. */
export function turnOf(shared: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(shared), WORD.turn);
}

/** Ends the repetition: whoever waits for a turn or rests throws Stopped. Main thread only. */
export function stopAll(shared: SharedArrayBuffer): void {
  const words = new Int32Array(shared);
  Atomics.store(words, WORD.stop, 1);
  // A changed value, so that a thread which is about to wait for the turn does not.
  Atomics.add(words, WORD.turn, 1 << 30);
  Atomics.notify(words, WORD.turn);
  Atomics.notify(words, WORD.stop);
}
