// What the inserted tokens of a program call while it is explored: steps that hand control to the
// explorer, and the keys that say which local state a thread is in. One thread of the program runs
// at a time, so one `frames` is enough; the automaton puts the right one in place.
import {
  type Primitive,
  PRIMITIVE_TABLE,
  type Result,
  shadowedKind,
  type Target,
} from "./requests.js";
import { KERNEL_FIRST } from "./search/kernel-steps.js";
import { failureOf } from "./search/kernel/failures.js";
import { SHADOWED } from "./search/kernel/heap.js";
import { FINISHED, YES } from "./search/kernel/result.js";
import { serialize } from "./serialize.js";
import { Keeping } from "./source/realm/kept.js";
import { OWN, type Plain } from "./source/realm/realm.js";
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

/** Where in memory what stands; each is the first address behind the one before. */
export interface Bounds {
  /** Addresses below are NULL and the first words behind it. */
  readonly first: number;
  /** From here on, cells have shadow words. */
  readonly shadowed: number;
  readonly heap: number;
  readonly cells: number;
  /** From here on, locks have to be initialised. */
  readonly uninitialized: number;
  readonly locks: number;
  /** Behind the handles of threads. */
  readonly addresses: number;
}

/** A step that ends the thread with a verdict. */
export function failStep(verdict: Verdict, message: string, site: number): Step {
  return { kind: OP.fail, addr: 0, a: VERDICTS.indexOf(verdict), b: 0, site, message };
}

/** What an assert that does not hold says. */
export function claimOf(args: readonly unknown[]): [verdict: Verdict, message: string] {
  const [, message = "assertion failed", named = "ASSERT"] = args;
  const verdict = VERDICTS.find((one) => one === named && one !== "SAFE" && one !== "UNDECIDED");
  if (verdict !== undefined) return [verdict, String(message)];
  return ["MISUSE", `assert: ${String(named)} is not a verdict of failures`];
}

/** Among the keys since the last step: what was found about the loop that they are of. */
const ENDLESS = "endless";
const TOO_MANY = "too many";

export class Runtime extends Keeping implements Frames {
  keys: string[] = [""];
  seen = new Set<string>();
  isReset = false;
  readonly ahead: number[] = [];
  /** Prototypes of the plain objects of the program's world. */
  private readonly plain: Plain;
  /** Set by the loader. */
  bounds: Bounds = {
    first: 1,
    shadowed: 1,
    heap: 1,
    cells: 1,
    uninitialized: 1,
    locks: 1,
    addresses: 1,
  };

  constructor(plain: Plain = OWN) {
    super();
    this.plain = plain;
  }

  /** One primitive: a scheduling point, but for assert and tick. */
  *step(site: number, request: Request): Generator<Step, unknown, number> {
    const { op, args } = request;
    // A finally block on the way out of a loop that never ends takes no steps.
    if (this.seen.has(ENDLESS)) throw new EndlessLoop(site);
    if (this.seen.has(TOO_MANY)) throw new TooManyRounds();
    if (op === "assert") {
      if (!args[0]) yield failStep(...claimOf(args), site);
      return undefined;
    }
    if (op === "tick") return this.tick(site, args);
    const step = this.stepOf(op, args, site);
    const value = this.ahead.length > 0 ? this.again() : yield step;
    this.keys[this.keys.length - 1] += `,${value}`;
    const { result, then } = PRIMITIVE_TABLE.get(op)!;
    if (step.kind < KERNEL_FIRST)
      return result === "boolean" ? value !== 0 : valueOf(result, value);
    yield* this.checked(step, value);
    if (then !== 0 && (value & FINISHED) === 0) {
      const second = { ...step, kind: then };
      yield* this.checked(second, yield second);
    }
    const isBitwise = result === "boolean" || result === "flag";
    if (step.kind >= SHADOWED || !isBitwise) return valueOf(result, value);
    const isYes = (value & YES) !== 0;
    return result === "flag" ? Number(isYes) : isYes;
  }

  /** What a step got when the way was first gone. */
  private again(): number {
    if (this.seen.size > 0) this.seen.clear();
    this.isReset = false;
    return this.ahead.pop()!;
  }

  /** Ends the thread if the value stands for something that is wrong. */
  private *checked({ site }: Step, value: number): Generator<Step, void, number> {
    const wrong = failureOf(value);
    if (wrong === null) return;
    const { verdict, message } = wrong;
    if (verdict !== "UNDECIDED") yield failStep(verdict, message, site);
    yield { kind: OP.limit, addr: 0, a: 0, b: 0, site, message };
  }

  /** A handler's life: it begins anew each time that it is raised. */
  *handler(
    run: (argument: number) => Generator<Step, unknown, number>,
  ): Generator<Step, unknown, number> {
    const step = (kind: number) => ({ kind, addr: 0, a: 0, b: 0, site: -1, message: "" });
    for (;;) {
      this.keys = [""];
      this.isReset = true;
      const argument = yield step(OP.enter);
      this.keys = [`(${argument}`];
      yield* run(argument);
      this.keys = ["leave"];
      this.isReset = true;
      yield* this.checked(step(OP.leave), yield step(OP.leave));
    }
  }

  /** A call of an explored function: its loops do not forget what its caller has loaded. */
  *call(site: number, body: Generator<Step, unknown, number>): Generator<Step, unknown, number> {
    this.keys.push(`@${site}`);
    const value: unknown = yield* body;
    const inner = this.keys.pop();
    this.keys[this.keys.length - 1] += `(${inner})`;
    return value;
  }

  /**
   * The items of a for...of around another loop. The loop inside may forget what was loaded before
   * it, but neither how far this one is nor what was loaded outside of it.
   */
  *each<T>(site: number, items: Iterable<T>): Generator<T, void, undefined> {
    const depth = this.keys.length;
    let count = 0;
    this.keys.push(`each${site}`, "");
    try {
      for (const item of items) {
        this.keys[depth] = `each${site}:${count++}`;
        yield item;
      }
    } finally {
      const inner = this.keys.splice(depth).join("/");
      this.keys[depth - 1] += `(${inner})`;
    }
  }

  /**
   * Start of a round of a loop: from here on only the live locals matter. Where one of them hides
   * what it holds (an iterator, a closure), nothing is forgotten. Always true.
   */
  head(site: number, locals: readonly unknown[]): true {
    const text = serialize(locals, this.plain);
    const last = this.keys.length - 1;
    if (text === null) {
      this.keys[last] += `;${site}`;
      this.round(site, `${this.seen.size}`);
      return true;
    }
    this.keys[last] = `${site}:${text}`;
    this.isReset = true;
    this.round(site, this.keys.join("/"));
    return true;
  }

  private tick(site: number, live: readonly unknown[]): undefined {
    if (live.length === 0) return undefined;
    const text = serialize(live, this.plain) ?? `${this.seen.size}`;
    this.round(site, `${this.keys.slice(0, -1).join("/")}t${site}:${text}`);
    return undefined;
  }

  private round(site: number, key: string): void {
    const isEndless = this.seen.has(key);
    if (!isEndless && this.seen.size < LOCAL_ROUNDS_MAX) {
      this.seen.add(key);
      return;
    }
    this.seen.add(isEndless ? ENDLESS : TOO_MANY);
    throw isEndless ? new EndlessLoop(site) : new TooManyRounds();
  }

  /** The step of a call, or the one that says what is wrong with it. Runs at every replay. */
  private stepOf(op: string, args: readonly unknown[], site: number): Step {
    const primitive = PRIMITIVE_TABLE.get(op)!;
    const { target } = primitive;
    // Numbers begin behind the target; those of fault are for its readers.
    const first = op === "fault" ? args.length : target === "none" ? 0 : 1;
    const wrong =
      (this.isRight(target, args[0]) ? null : this.targetProblem(op, target, args[0])) ??
      numberProblem(op, primitive, args, first);
    if (wrong !== null) return failStep(wrong.verdict, wrong.message, site);
    const addr = target === "none" ? 0 : (args[0] as number);
    const isGiven = primitive.a === null;
    const a = isGiven ? args[first] : primitive.a;
    const b = args[isGiven ? first + 1 : first];
    const kind = this.isShadowed(addr) ? shadowedKind(primitive.kind) : primitive.kind;
    return { kind, addr, a: (a as number) ?? 0, b: (b as number) ?? 0, site, message: "" };
  }

  private isShadowed(addr: number): boolean {
    const { shadowed, cells, uninitialized } = this.bounds;
    return (addr >= shadowed && addr < cells) || addr >= uninitialized;
  }

  /** Whether an address is of what a primitive is for. */
  private isRight(target: Target, addr: unknown): boolean {
    if (target === "none") return true;
    if (typeof addr !== "number" || !Number.isInteger(addr) || addr < 0) return false;
    const { first, heap, cells, locks, addresses } = this.bounds;
    if (target === "object") return addr < addresses;
    if (target === "handler") return addr >= locks && addr < addresses;
    if (target === "cell") return addr >= first && addr < cells;
    const isLock = addr >= cells && addr < locks;
    return isLock || (target === "anyLock" && addr >= heap && addr < cells);
  }

  private targetProblem(op: string, target: Target, addr: unknown): Problem {
    if (typeof addr === "number" && Number.isInteger(addr) && addr >= 0 && addr < this.bounds.first)
      return { verdict: "NULL-DEREF", message: `${op} of NULL` };
    const what = { cell: "a cell", handler: "a handler", object: "what alloc returned" };
    const expected = target in what ? what[target as keyof typeof what] : "a lock";
    return { verdict: "MISUSE", message: `${op}: ${givenText(addr)}; expected ${expected}` };
  }
}

function valueOf(result: Result, value: number): number | undefined {
  return result === "nothing" ? undefined : value;
}

/** What a primitive was given in the place of a handle, and how that comes about. */
function givenText(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}, not one of its elements`;
  if (value === undefined) return "undefined, as behind the end of an array";
  if (typeof value !== "number") return `a ${typeof value}`;
  return `${value} is the handle of something else, or of nothing`;
}

interface Problem {
  readonly verdict: Verdict;
  readonly message: string;
}

/** Largest number of outcomes of a choice, and of words of an allocation. */
const COUNT_MAX = 1000;

/** What is wrong with the numbers of a call, which are its arguments from `first` on. */
function numberProblem(
  op: string,
  primitive: Primitive,
  args: readonly unknown[],
  first: number,
): Problem | null {
  const misuse = (message: string): Problem => ({ verdict: "MISUSE", message });
  const count = args.length - first;
  const [fewest, most] = primitive.numbers;
  if (count < fewest || count > most) {
    const expected = fewest === most ? `${fewest}` : `${fewest} or ${most}`;
    return misuse(`${op}: expected ${expected} numbers, not ${count}`);
  }
  if (op === "choose" || op === "alloc") {
    const outcomes = args[first];
    const isRight = typeof outcomes === "number" && Number.isInteger(outcomes) && outcomes >= 1;
    if (isRight && outcomes <= COUNT_MAX) return null;
    return misuse(`${op}(${String(outcomes)}): expected 1 to ${COUNT_MAX}`);
  }
  for (let i = first; i < args.length; i++) {
    const one = args[i];
    if (typeof one === "number" && (one | 0) === one) continue;
    return misuse(`${op}: ${String(one)} is not a 32-bit integer`);
  }
  return null;
}

/** The primitives as an explored program sees them. */
export function primitivesOf(names: Iterable<string>): Record<string, unknown> {
  const all: Record<string, unknown> = { program: (spec: unknown) => spec };
  for (const op of names) all[op] = (...args: readonly unknown[]): Request => ({ op, args });
  return all;
}
