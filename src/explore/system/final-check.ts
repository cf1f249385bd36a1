// The final check of a case as a tree of what it loads: where it goes depends on nothing else, so
// that most memories are judged by looking their words up, without running it. Kept over many
// cases. One owner, the maker of cases.
import type { SystemRuntime } from "./runtime.js";

/** A load, and where each value leads. */
interface Branch {
  /** NULL where nothing is known yet, or where the check ends. */
  address: number;
  readonly next: Map<number, Branch>;
  /** What is wrong, or null, where it ends. */
  message?: string | null;
}

export class FinalCheck {
  private readonly runtime: SystemRuntime;
  private readonly start: () => unknown;
  private readonly root: Branch = { address: 0, next: new Map() };

  /** `start` begins the check. */
  constructor(runtime: SystemRuntime, start: () => unknown) {
    this.runtime = runtime;
    this.start = start;
  }

  /** What is wrong with a memory, or null. `load`: one of its words; `whole`: all of them. */
  judge(load: (address: number) => number, whole: () => Int32Array): string | null {
    let at: Branch | undefined = this.root;
    while (at !== undefined && at.address !== 0) at = at.next.get(load(at.address));
    return at?.message === undefined ? this.run(whole()) : at.message;
  }

  private run(m: Int32Array): string | null {
    const { message, loads } = this.runtime.checkAlone(m, this.start);
    let at = this.root;
    for (const [address, value] of loads) {
      at.address = address;
      let next = at.next.get(value);
      if (next === undefined) at.next.set(value, (next = { address: 0, next: new Map() }));
      at = next;
    }
    at.message = message;
    return message;
  }
}
