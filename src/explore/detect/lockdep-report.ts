// Suspicions of the lock graph as text, in the form in which the kernel's lockdep reports them, so
// that who can read one can read the other. Pure; any thread.
import type { LoadedProgram } from "../types.js";
import type { Edge, Holding, LockGraph, Where } from "./lock-graph.js";
import type { Suspicion } from "./lock-order.js";

/** One sentence. */
export function suspicionText(program: LoadedProgram, suspicion: Suspicion): string {
  const { names, threads } = program;
  const { kind, circle, inversion } = suspicion;
  if (kind === "recursive") {
    const { thread, to } = circle[0]!;
    const who = threads[thread]!.name;
    return `possible recursive locking: ${who} takes ${names[to.lock]}, which it has`;
  }
  if (inversion !== null) {
    const { inside, outside, irq } = inversion;
    const [a, b] = [names[inside.holding.lock], names[outside.holding.lock]];
    const how = `${a} is taken in ${irq.toLowerCase()} by ${threads[inside.thread]!.name}`;
    const other = `${b} by ${threads[outside.thread]!.name} while it can come in`;
    return a === b
      ? `inconsistent lock state: ${how}, and ${other}`
      : `${irq} lock inversion: ${how}, ${a} comes before ${b}, ${other}`;
  }
  const order = circle.map(({ thread, from }) => `${names[from.lock]} (${threads[thread]!.name})`);
  const way = [...order, names[circle[0]!.from.lock]].join(" -> ");
  return `possible circular locking dependency: ${way}`;
}

/** The report in full. */
export function suspicionReport(
  program: LoadedProgram,
  graph: LockGraph,
  suspicion: Suspicion,
): string {
  const { inversion, kind } = suspicion;
  const page = new Page(program, graph);
  if (inversion !== null) return page.inversion(inversion);
  return kind === "circular"
    ? page.circular(suspicion.circle)
    : page.recursive(suspicion.circle[0]!);
}

const COLUMN = 24;

class Page {
  private readonly program: LoadedProgram;
  private readonly graph: LockGraph;

  constructor(program: LoadedProgram, graph: LockGraph) {
    this.program = program;
    this.graph = graph;
  }

  circular(circle: readonly Edge[]): string {
    const [first] = circle;
    const chain = circle.flatMap((edge, i) => [
      `-> #${i} ${this.lock(edge.to)}:`,
      `       ${this.name(edge.thread)}: ${this.taken(edge.to)}`,
      `       with ${this.lock(edge.from)} held, ${this.taken(edge.from)}`,
      "",
    ]);
    const entries = circle.map((_edge, i) => chain.slice(4 * i, 4 * i + 4)).reverse();
    const columns = circle.map((edge) => edge.thread);
    const calls = [
      ...circle.map((edge) => ({ thread: edge.thread, what: edge.from })),
      ...circle.map((edge) => ({ thread: edge.thread, what: edge.to })),
    ];
    return this.titled("possible circular locking dependency detected", [
      `${this.name(first!.thread)} is trying to acquire lock:`,
      ` ${this.lock(first!.to)}, at: ${this.taken(first!.to)}`,
      "",
      "but task is already holding lock:",
      ` ${this.lock(first!.from)}, at: ${this.taken(first!.from)}`,
      "",
      "which lock already depends on the new lock.",
      "",
      "the existing dependency chain (in reverse order) is:",
      "",
      ...entries.flat(),
      ...this.scenario(columns, calls),
    ]);
  }

  recursive(edge: Edge): string {
    const calls = [
      { thread: edge.thread, what: edge.from },
      { thread: edge.thread, what: edge.to },
    ];
    return this.titled("possible recursive locking detected", [
      `${this.name(edge.thread)} is trying to acquire lock:`,
      ` ${this.lock(edge.to)}, at: ${this.taken(edge.to)}`,
      "",
      "but task is already holding lock:",
      ` ${this.lock(edge.from)}, at: ${this.taken(edge.from)}`,
      "",
      ...this.scenario([edge.thread], calls),
    ]);
  }

  inversion({ inside, outside, irq }: NonNullable<Suspicion["inversion"]>): string {
    const isOne = inside.holding.lock === outside.holding.lock;
    const mode = ({ holding }: Where) => (holding.use.isRead ? "R" : "W");
    const title = isOne
      ? "inconsistent lock state"
      : `${irq}-safe -> ${irq}-unsafe lock order detected`;
    return this.titled(title, [
      ...(isOne
        ? [`inconsistent {${irq}-ON-${mode(outside)}} -> {IN-${irq}-${mode(inside)}} usage.`]
        : []),
      `${this.name(inside.thread)} takes in ${irq.toLowerCase()}:`,
      ` ${this.lock(inside.holding)}, at: ${this.taken(inside.holding)}`,
      "",
      `${this.name(outside.thread)} takes while ${irq.toLowerCase()} can come in:`,
      ` ${this.lock(outside.holding)}, at: ${this.taken(outside.holding)}`,
      "",
      " Possible unsafe locking scenario:",
      "",
      "       CPU0",
      "       ----",
      `  lock(${this.lockName(outside.holding)});`,
      "  <Interrupt>",
      `    lock(${this.lockName(inside.holding)});`,
      "",
      " *** DEADLOCK ***",
    ]);
  }

  private scenario(
    columns: readonly number[],
    calls: readonly { readonly thread: number; readonly what: Holding }[],
  ): string[] {
    const row = (texts: readonly string[]) =>
      `  ${texts.map((text) => text.padEnd(COLUMN)).join("")}`.trimEnd();
    return [
      " Possible unsafe locking scenario:",
      "",
      row(columns.map((thread) => this.name(thread))),
      row(columns.map(() => "----")),
      ...calls.map(({ thread, what }) =>
        row(columns.map((one) => (one === thread ? `lock(${this.lockName(what)});` : ""))),
      ),
      "",
      " *** DEADLOCK ***",
    ];
  }

  private titled(title: string, lines: readonly string[]): string {
    const text = `WARNING: ${title}`;
    const line = (sign: string) => sign.repeat(text.length);
    return `${[line("="), text, line("-"), ...lines].join("\n")}\n`;
  }

  private name(thread: number): string {
    return this.program.threads[thread]!.name;
  }

  private lockName({ lock }: Holding): string {
    return this.program.names[lock] ?? "?";
  }

  private lock(holding: Holding): string {
    return `(${this.lockName(holding)})${this.graph.letters(holding.lock)}`;
  }

  private taken({ site, use }: Holding): string {
    const place = this.program.sites[site];
    return `${use.name}, line ${place?.line ?? 0}:${place?.column ?? 0}`;
  }
}
