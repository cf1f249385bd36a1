// What the inserted tokens of a program call while it is explored: steps that hand control to the
// explorer, and the keys that say which local state a thread is in. One thread of the program runs
// at a time, so one `frames` is enough; the automaton puts the right one in place.
import { type Frames, OP, type Step, VERDICTS, type Verdict } from "./types.js";

/** Most times that loops go round between two shared accesses. */
const LOCAL_ROUNDS_MAX = 20_000;

/** Thrown through a thread: its loop came round with the values it had before. */
export class EndlessLoop extends Error {
  readonly site: number;

  constructor(site: number) {
    super("the same values again: this loop never ends");
    this.site = site;
  }
}

/** Thrown through a thread: its loop went round too often to go on. */
export class TooManyRounds extends Error {
  constructor() {
    super(`more than ${LOCAL_ROUNDS_MAX} rounds without a shared access`);
  }
}

/** What a primitive's name returns in an explored program; `$.step` makes a step of it. */
export interface Request {
  readonly op: string;
  readonly args: readonly unknown[];
}

export interface Bounds {
  readonly cells: number;
  readonly addresses: number;
}

/** A step that ends the thread with a verdict. */
export function failStep(verdict: Verdict, message: string, site: number): Step {
  return { kind: OP.fail, addr: 0, a: VERDICTS.indexOf(verdict), b: 0, site, message };
}

export class Runtime implements Frames {
  keys: string[] = [""];
  seen = new Set<string>();
  isReset = false;
  /** Cells are 1 to `cells` - 1, locks `cells` to `addresses` - 1; set by the loader. */
  bounds: Bounds = { cells: 1, addresses: 1 };

  /** One primitive: a scheduling point, but for assert and tick. */
  *step(site: number, request: Request): Generator<Step, unknown, number> {
    const { op, args } = request;
    if (op === "assert") {
      if (!args[0]) yield failStep("ASSERT", String(args[1] ?? "assertion failed"), site);
      return undefined;
    }
    if (op === "tick") return this.tick(site, args);
    const step = this.checked(op, args, site);
    const value = yield step;
    this.keys[this.keys.length - 1] += `,${value}`;
    if (op === "tryLock") return value !== 0;
    const isSilent = op === "st" || op === "lock" || op === "unlock" || op === "waitUntil";
    return isSilent ? undefined : value;
  }

  /** A call of an explored function: its loops do not forget what its caller has loaded. */
  *call(site: number, body: Generator<Step, unknown, number>): Generator<Step, unknown, number> {
    this.keys.push(`@${site}`);
    const value: unknown = yield* body;
    const inner = this.keys.pop();
    this.keys[this.keys.length - 1] += `(${inner})`;
    return value;
  }

  /** Start of a round of a loop: from here on only the live locals matter. Always true. */
  head(site: number, locals: readonly unknown[]): true {
    this.keys[this.keys.length - 1] = `${site}:${serialize(locals)}`;
    this.isReset = true;
    this.round(site, this.keys.join("/"));
    return true;
  }

  private tick(site: number, live: readonly unknown[]): undefined {
    if (live.length === 0) return undefined;
    this.round(site, `${this.keys.slice(0, -1).join("/")}t${site}:${serialize(live)}`);
    return undefined;
  }

  private round(site: number, key: string): void {
    if (this.seen.has(key)) throw new EndlessLoop(site);
    if (this.seen.size >= LOCAL_ROUNDS_MAX) throw new TooManyRounds();
    this.seen.add(key);
  }

  private checked(op: string, args: readonly unknown[], site: number): Step {
    const kind = OP[op as keyof typeof OP];
    if (op === "choose") {
      const count = args[0];
      const isRight = typeof count === "number" && Number.isInteger(count) && count >= 1;
      if (!isRight || count > 1000) {
        return failStep("MISUSE", `choose(${String(count)}): expected 1 to 1000`, site);
      }
      return { kind, addr: 0, a: count, b: 0, site, message: "" };
    }
    const addr = args[0];
    if (addr === 0) return failStep("NULL-DEREF", `${op} of NULL`, site);
    const isLockOp = op === "lock" || op === "unlock" || op === "tryLock";
    const from = isLockOp ? this.bounds.cells : 1;
    const to = isLockOp ? this.bounds.addresses : this.bounds.cells;
    if (typeof addr !== "number" || !Number.isInteger(addr) || addr < from || addr >= to) {
      const what = isLockOp ? "a lock" : "a cell";
      return failStep("MISUSE", `${op}(${String(addr)}): expected ${what}`, site);
    }
    for (const value of args.slice(1)) {
      if (typeof value === "number" && (value | 0) === value) continue;
      return failStep("MISUSE", `${op}: ${String(value)} is not a 32-bit integer`, site);
    }
    const [, a = 0, b = 0] = args as readonly number[];
    return { kind, addr, a, b, site, message: "" };
  }
}

/** The primitives as an explored program sees them. */
export function primitivesOf(names: Iterable<string>): Record<string, unknown> {
  const all: Record<string, unknown> = { program: (spec: unknown) => spec };
  for (const op of names) all[op] = (...args: readonly unknown[]): Request => ({ op, args });
  return all;
}

/** Values as text, equal for equal values; the same object twice is told from an equal copy. */
export function serialize(value: unknown, seen: Map<object, number> = new Map()): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "f";
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : `${value}`;
  const before = seen.get(value);
  if (before !== undefined) return `#${before}`;
  seen.set(value, seen.size);
  if (Array.isArray(value)) return `[${value.map((one) => serialize(one, seen)).join()}]`;
  const entries = value instanceof Map || value instanceof Set ? [...value] : Object.entries(value);
  return `{${entries.map((one: unknown) => serialize(one, seen)).join()}}`;
}
