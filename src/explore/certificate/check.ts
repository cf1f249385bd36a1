// The checker of certificates, which shares nothing with the search: it runs the program's own
// thread functions on the logged values, so it sees itself what each local state does next, takes
// every step of every state by its own rules, and wants each outcome to be in the set. States are
// in an order that steps only go forward in, but for runs of states with a thread that could go on
// in each of them and never does: a fair execution does not stay there. Any thread; synchronous.
import { type LoadedProgram, OP, type Step } from "../types.js";
import { Digest, mix, weight } from "./digest.js";
import { type Header, readCertificate } from "./header.js";
import { Reduction } from "./reduction.js";
import { isRead, type Local, localStates, refuse, resume } from "./replay.js";

/** What is wrong with the certificate; null: it proves that the program is SAFE. */
export function checkCertificate(file: Uint8Array, program: LoadedProgram): string | null {
  try {
    const { header, words } = readCertificate(file);
    if (header.sourceHash !== program.sourceHash) return "it is about another source";
    if (program.kernel !== undefined) return "contexts and the heap are not checked";
    return new Checker(program, header, words).check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What a step does to memory, and the value that the thread gets. */
function access(s: Int32Array, { kind, addr, a, b }: Step, thread: number, choice: number): number {
  const old = s[addr]!;
  if (isRead(kind)) return old;
  if (kind === OP.choose) return choice;
  if (kind === OP.unlock && old !== thread + 1) refuse("unlock of a lock that is not held");
  if (kind === OP.st || kind === OP.xchg) s[addr] = a;
  else if (kind === OP.add) s[addr] = old + a;
  else if (kind === OP.cas) s[addr] = old === a ? b : old;
  else if (kind === OP.setBits) s[addr] = old | a;
  else if (kind === OP.clearBits) s[addr] = old & ~a;
  else if (kind === OP.lock || kind === OP.tryLock) s[addr] = old === 0 ? thread + 1 : old;
  else if (kind === OP.unlock) s[addr] = 0;
  else refuse(`a kind of step that is not checked: ${kind}`);
  if (kind === OP.tryLock) return old === 0 ? 1 : 0;
  return kind === OP.st || kind === OP.lock || kind === OP.unlock ? 0 : old;
}

class Checker {
  readonly locals: readonly Local[];
  readonly cells: number;
  /** The state that steps are taken in, and its hash: a weighted sum of its words. */
  readonly s: Int32Array;
  private hash = 0;
  private transitions = 0;
  private readonly program: LoadedProgram;
  private readonly header: Header;
  private readonly runs: Int32Array;
  private readonly states: Int32Array;
  private readonly hashes: Int32Array;
  private readonly weights: Int32Array;
  private readonly table: Int32Array;
  private readonly reduction: Reduction | null;

  constructor(program: LoadedProgram, header: Header, words: Int32Array) {
    this.program = program;
    this.header = header;
    let used = 0;
    const cut = (count: number) => words.subarray(used, (used += count));
    const edges = program.threads.map((_one, t) => cut(3 * header.edges[t]!));
    this.locals = program.threads.map((one, t) => localStates(one, program.runtime, edges[t]!));
    this.cells = program.initial.length;
    this.s = new Int32Array(this.cells + this.locals.length);
    this.runs = cut(3 * header.runs);
    this.states = cut(header.states * this.s.length);
    if (used !== words.length || !(header.states > 0)) refuse("its length is wrong");
    this.reduction = header.isReduced ? new Reduction(this.locals, this.cells) : null;
    if (header.isReduced && header.runs > 0) refuse("runs of states in a reduced set");
    this.hashes = new Int32Array(header.states);
    this.weights = this.s.map((_zero, i) => weight(i));
    this.table = new Int32Array(2 ** Math.ceil(Math.log2(2 * header.states + 1)));
  }

  check(): null {
    const { s, locals, header, runs } = this;
    const digest = new Digest(this.cells, locals.length);
    const hashOf = (t: number, node: number) => locals[t]!.hashes[node] ?? refuse("no local state");
    for (let i = 0; i < header.states; i++) {
      digest.add(this.states, i * s.length, hashOf);
      this.load(i);
      this.hashes[i] = this.weigh();
      const place = this.find();
      if (place >= 0) refuse(`state ${i} is there twice`);
      this.table[~place] = i + 1;
    }
    s.fill(0).set(this.program.initial);
    this.weigh();
    this.arrive("the start");
    for (let r = 0, end = 0; r < runs.length; r += 3) {
      if (runs[r]! < end || runs[r + 1]! < 1) refuse("runs that overlap");
      end = runs[r]! + runs[r + 1]!;
    }
    for (let i = 0, r = 0; i < header.states; i++) {
      if (i >= runs[r]! + runs[r + 1]!) r += 3;
      this.expand(i, runs.subarray(r, i >= runs[r]! ? r + 3 : r));
    }
    if (this.transitions !== header.transitions) refuse(`it has ${this.transitions} transitions`);
    if (digest.text() !== header.digest) refuse(`its digest is ${digest.text()}`);
    return null;
  }

  /** Takes every step of a state; a run is its first state, their number, the idle thread. */
  private expand(i: number, [first = 0, count = 0, idle = -1]: Int32Array): void {
    let isStuck = true;
    if (count > 0 && !(idle in this.locals)) refuse(`state ${i} can come again`);
    for (let t = 0; t < this.locals.length; t++) {
      this.load(i);
      if (!this.isEnabled(t)) {
        if (t === idle) refuse(`state ${i}: thread ${t} cannot go on`);
        continue;
      }
      isStuck = false;
      const { kind, a } = this.stepOf(t);
      for (let choice = 0; choice < (kind === OP.choose ? a : 1); choice++) {
        if (choice > 0) this.load(i);
        this.take(t, choice);
        const to = this.arrive(`a step of thread ${t} from state ${i}`);
        const isInside = to >= first && to < first + count;
        if (isInside ? t === idle : to <= i) refuse(`thread ${t} goes back from state ${i}`);
      }
    }
    if (isStuck) this.checkEnd(i);
  }

  stepOf(t: number): Step {
    return this.locals[t]!.steps[this.s[this.cells + t]!]!;
  }

  isEnabled(t: number): boolean {
    const { kind, addr, a } = this.stepOf(t);
    if (kind === OP.lock) return this.s[addr] === 0;
    if (kind === OP.waitWhile) return this.s[addr] !== a;
    return kind === OP.waitUntil ? this.s[addr] === a : kind !== OP.done;
  }

  take(t: number, choice: number): void {
    const { s, weights } = this;
    const step = this.stepOf(t);
    const [at, old, node] = [this.cells + t, s[step.addr]!, s[this.cells + t]!];
    const value = access(s, step, t, choice);
    s[at] = this.locals[t]!.next[node]!.get(value) ?? refuse(`thread ${t}: no edge for ${value}`);
    this.hash += Math.imul(s[step.addr]! - old, weights[step.addr]!);
    this.hash = (this.hash + Math.imul(s[at]! - node, weights[at]!)) | 0;
    this.transitions++;
  }

  /** The number of the state that was come to. */
  private arrive(how: string): number {
    this.reduction?.goOn(this);
    const found = this.find();
    return found < 0 ? refuse(`${how} leads out of the set`) : found;
  }

  private load(i: number): void {
    const { s, states } = this;
    for (let k = 0, at = i * s.length; k < s.length; k++) s[k] = states[at + k]!;
    this.hash = this.hashes[i]!;
  }

  private weigh(): number {
    const weigh = (sum: number, x: number, k: number) => (sum + Math.imul(x, this.weights[k]!)) | 0;
    return (this.hash = this.s.reduce(weigh, 0));
  }

  /** The number of this state, or ~ the place in the table where it is missing. */
  private find(): number {
    const { s, states, table } = this;
    for (let at = mix(this.hash); ; at++) {
      at &= table.length - 1;
      const base = (table[at]! - 1) * s.length;
      if (base < 0) return ~at;
      let k = 0;
      while (k < s.length && states[base + k] === s[k]) k++;
      if (k === s.length) return table[at]! - 1;
    }
  }

  private checkEnd(i: number): void {
    const { final, threads, runtime } = this.program;
    this.load(i);
    for (const [t, { isDaemon }] of threads.entries()) {
      const { kind } = this.stepOf(t);
      const isIdle = isDaemon && (kind === OP.waitWhile || kind === OP.waitUntil);
      if (kind !== OP.done && !isIdle) refuse(`state ${i} is a deadlock`);
    }
    if (final === null) return;
    runtime.keys = [""];
    const run = final.start();
    for (let step = resume(run, runtime); step.kind !== OP.done;) {
      if (step.kind > OP.done) refuse(`state ${i}: ${step.message}`);
      step = resume(run, runtime, access(this.s, step, threads.length, 0));
    }
  }
}
