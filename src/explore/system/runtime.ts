// What the inserted tokens of an explored system call. Like the runtime of a program, but memory is
// one array of words as production lays it out: an address becomes a slot of the state when a step
// first touches it, and the values of objects that never change are left out of local states.
import { EndlessLoop, failStep, type Request, TooManyRounds } from "../runtime.js";
import { Questions } from "../search/questions.js";
import { Keeping } from "../source/realm/kept.js";
import { type Frames, OP, type Step } from "../types.js";

/** Most times that loops go round between two shared accesses. */
const LOCAL_ROUNDS_MAX = 20_000;

/** What freed memory holds (POISON_FREE of include/linux/poison.h); loading it is a verdict. */
export const POISON_FREE = 0x6b6b6b6b;

/** A guard has read a property of a device in a way that no token stands at. */
export class UnaskedRead extends Error {}

export class SystemRuntime extends Keeping implements Frames {
  keys: string[] = [""];
  seen = new Set<string>();
  isReset = false;
  readonly ahead: number[] = [];
  /** CPU of the thread that runs now. */
  cpu = 0;
  /** Addresses by slot; slot 0 is NULL. */
  readonly addresses: number[] = [0];
  /** Objects that are the same in all local states: the kernel, its profile, its memory. */
  readonly constants = new WeakSet<object>();
  /** Fields of the kernel profile and the guard. */
  readonly questions = new Questions();
  /** Called when a step touches an address for the first time: states need one more word. */
  onSlot: (slot: number, address: number) => void = () => undefined;
  /** Whether the running code looks at what is left when all is over: at freed memory, too. */
  looksBack = false;
  /** Where the running code was last. */
  site = -1;
  private readonly slots = new Map<number, number>();
  private words = 0;
  /** A property of a device that has been read, until the step that this is has been asked for. */
  private read: { readonly name: string; readonly body: unknown } | null = null;
  /** Memory that steps go to at once, while nobody else sees it; null: they are scheduled. */
  private direct: Int32Array | null = null;
  /** Loads from that memory, each with its value. */
  private loads: Load[] = [];

  /** Runs a check by itself; what is wrong, or null, and what it has loaded. */
  checkAlone(m: Int32Array, start: () => unknown): { message: string | null; loads: Load[] } {
    const wrong = this.runAlone(m, start) as Step | undefined;
    return { message: wrong === undefined ? null : wrong.message, loads: this.loads };
  }

  /** Runs explored code by itself, before there are threads. */
  runAlone(m: Int32Array, start: () => unknown): unknown {
    this.direct = m;
    this.loads = [];
    this.words = m.length;
    try {
      const body = start();
      return isGenerator(body) ? body.next().value : body;
    } finally {
      this.direct = null;
    }
  }

  *step(site: number, request: Request): Generator<Step, unknown, number> {
    const { op, args } = request;
    this.site = site;
    if (op === "assert") {
      if (!args[0]) yield failStep("ASSERT", String(args[1]), site);
      return undefined;
    }
    if (op === "tick") {
      return this.direct === null ? this.round(site, `t${site}:${this.text(args)}`) : undefined;
    }
    if (this.direct !== null) {
      const value = accessAlone(this.direct, op, args as readonly number[]);
      this.loads.push([args[0] as number, value]);
      return value;
    }
    if (this.ahead.length > 0) {
      const value = this.ahead.pop()!;
      if (this.seen.size > 0) this.seen.clear();
      this.isReset = false;
      this.keys[this.keys.length - 1] += `,${value}`;
      return value;
    }
    const step = this.stepOf(op, args as readonly number[], site);
    const value = yield step;
    if (value === POISON_FREE && step.kind < OP.done && !this.looksBack) {
      yield failStep("USE-AFTER-FREE", `${op}: the memory has been freed`, site);
    }
    this.keys[this.keys.length - 1] += `,${value}`;
    return value;
  }

  *call(site: number, body: unknown): Generator<Step, unknown, number> {
    if (this.read?.body === body) this.read = null;
    this.mustHaveAsked();
    if (!isGenerator(body)) return body;
    this.site = site;
    this.keys.push(`@${site}`);
    const value: unknown = yield* body;
    const inner = this.keys.pop();
    this.keys[this.keys.length - 1] += `(${inner})`;
    return value;
  }

  /**
   * A user's guard has read a property. The token around it asks for its step at once; a read
   * without one (`dev[name]`, `{ up } = dev`) would give the guard something else than a value.
   */
  reading(name: string, body: unknown): unknown {
    this.mustHaveAsked();
    this.kept?.look();
    this.read = { name, body };
    return body;
  }

  /** @throws UnaskedRead when the last property that was read has not become a step. */
  mustHaveAsked(): void {
    const { read } = this;
    this.read = null;
    if (read !== null) throw new UnaskedRead(read.name);
  }

  /**
   * The items of a for...of that holds a step. What stands in it may forget what was loaded before,
   * but not how far the loop is.
   */
  *each<T>(site: number, items: Iterable<T>): Generator<T, void, undefined> {
    const depth = this.keys.length;
    let count = 0;
    this.keys.push("", "");
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

  /** Start of a statement that holds a step: from here on only the live locals matter. */
  at(site: number, locals: readonly unknown[]): void {
    this.site = site;
    if (this.direct !== null) return;
    this.keys[this.keys.length - 1] = `${site}:${this.text(locals)}`;
    this.isReset = true;
  }

  head(site: number, locals: readonly unknown[]): true {
    this.at(site, locals);
    if (this.direct === null) this.round(site, this.keys.join("/"));
    return true;
  }

  /** An object of which each case has its own: what is read of it is asked of the case. */
  asking(prefix: string): object {
    const get = (_target: object, key: string | symbol): unknown => {
      return typeof key === "string" ? this.questions.ask(prefix + key) : undefined;
    };
    const object = new Proxy({}, { get });
    this.constants.add(object);
    return object;
  }

  /** Slot of an address. */
  slotOf(address: number): number {
    let slot = this.slots.get(address);
    if (slot === undefined) {
      slot = this.addresses.length;
      this.addresses.push(address);
      this.slots.set(address, slot);
      this.onSlot(slot, address);
    }
    return slot;
  }

  /** The same of one that some step has touched; else 0. */
  slotAt(address: number): number {
    return this.slots.get(address) ?? 0;
  }

  private round(site: number, key: string): undefined {
    if (this.seen.has(key)) throw new EndlessLoop(site);
    if (this.seen.size >= LOCAL_ROUNDS_MAX) throw new TooManyRounds();
    this.seen.add(key);
    return undefined;
  }

  private stepOf(op: string, args: readonly number[], site: number): Step {
    const [address = 0, a = 0, b = 0] = args;
    if (address === 0) return failStep("NULL-DEREF", `${op} of NULL`, site);
    if (address < 0 || address >= this.words) {
      return failStep("MISUSE", `${op} of address ${address}`, site);
    }
    const kind = OP[op as keyof typeof OP];
    return { kind, addr: this.slotOf(address), a: a | 0, b: b | 0, site, message: "" };
  }

  private text(values: readonly unknown[]): string {
    let text = "";
    for (const value of values) text += `${this.textOf(value)},`;
    return text;
  }

  private textOf(value: unknown): string {
    if (typeof value !== "object" || value === null) return String(value);
    if (this.constants.has(value)) return "k";
    return `{${this.text(Object.values(value))}}`;
  }
}

/** An address and what was loaded from there. */
export type Load = readonly [address: number, value: number];

/** What a step does to memory that only one thread sees. */
function accessAlone(m: Int32Array, op: string, args: readonly number[]): number {
  const [address = 0, a = 0, b = 0] = args;
  const old = m[address]!;
  if (op === "st" || op === "xchg") m[address] = a;
  else if (op === "add") m[address] = old + a;
  else if (op === "setBits") m[address] = old | a;
  else if (op === "clearBits") m[address] = old & ~a;
  else if (op === "lock") m[address] = 1;
  else if (op === "unlock") m[address] = 0;
  else if (op === "cas" && old === a) m[address] = b;
  return old;
}

function isGenerator(value: unknown): value is Generator<Step, unknown, number> {
  return typeof value === "object" && value !== null && "next" in value;
}
