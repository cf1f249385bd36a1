// Cross-checks the rewritten program against its functions as they were written: every edge between
// local states that the search has followed is run again from its log; and where the program is
// small enough, all states and all traces are searched anew with the functions as they are, no
// local states merged. Any thread; synchronous but for loading.
import { explore } from "../explore.js";
import { Machine, type Vector } from "../search/machine.js";
import { NOT_HELD } from "../search/node-table.js";
import { StateGraph } from "../states/state-graph.js";
import { type LoadedProgram, OP, type Step, VERDICTS } from "../types.js";
import { Rerun } from "./rerun.js";

export interface Audit {
  /** Edges between local states that were run again. */
  readonly edges: number;
  /** States of the search without merging; null: too many, only edges were looked at. */
  readonly states: number | null;
  /** What the two say differently; empty if all is well. */
  readonly differences: readonly string[];
}

export interface AuditBounds {
  readonly maxSteps: number;
  readonly maxStates: number;
  readonly maxSeconds: number;
}

/** How big a program may be, without merging, to be searched anew. */
const WHOLE = { maxStates: 20_000, maxExecutions: 20_000, maxSeconds: 5, maxSteps: 200 };

export async function audit(
  program: LoadedProgram,
  source: string,
  bounds: AuditBounds,
): Promise<Audit> {
  const rerun = await Rerun.of(program, source);
  const machine = new Machine(program, bounds.maxSteps);
  const graph = new StateGraph(machine);
  graph.explore(bounds);
  const differences: string[] = [];
  const edges = auditEdges(machine, rerun, differences);
  const isBounded = graph.bound !== null;
  const states = isBounded ? null : auditWhole(graph, rerun, differences);
  return { edges, states, differences };
}

/** Runs each edge again, from the log of the local state that it leaves. */
function auditEdges(machine: Machine, rerun: Rerun, differences: string[]): number {
  const { steps } = machine.table;
  const out = new Map<number, { value: number; to: number }[]>();
  for (const [node, value, to] of machine.table.followed()) {
    const all = out.get(node) ?? [];
    out.set(node, all);
    all.push({ value, to });
  }
  let edges = 0;
  for (const [thread, { start }] of machine.threads.entries()) {
    const logs = new Map<number, readonly number[]>([[start, []]]);
    const queue = [start];
    const compare = (log: readonly number[], node: number): void => {
      edges++;
      const { name } = machine.program.threads[thread]!;
      const own = rerun.stepAfter(thread, log);
      const difference = differenceOf(own, steps[node]!);
      if (difference !== null) differences.push(`${name} after ${log.join(", ")}: ${difference}`);
    };
    compare([], start);
    for (const node of queue) {
      const log = logs.get(node)!;
      for (const { value, to } of out.get(node) ?? []) {
        // The machine itself ends a thread here; its code is not asked.
        if (steps[node]!.kind === OP.unlock && value === NOT_HELD) continue;
        compare([...log, value], to);
        if (!logs.has(to)) {
          logs.set(to, [...log, value]);
          queue.push(to);
          continue;
        }
        // Merged with another: then both must go on alike, too.
        for (const next of out.get(to) ?? []) {
          if (steps[to]!.kind === OP.unlock && next.value === NOT_HELD) continue;
          compare([...log, value, next.value], next.to);
        }
      }
    }
  }
  return edges;
}

/** How two steps differ, or null. */
function differenceOf(own: Step, step: Step): string | null {
  if (step.kind === OP.limit) return null;
  const isSame =
    own.kind === step.kind &&
    own.a === step.a &&
    (own.kind >= OP.done || (own.addr === step.addr && own.b === step.b));
  return isSame ? null : `${textOf(own)}, but rewritten ${textOf(step)}`;
}

function textOf({ kind, addr, a, b }: Step): string {
  if (kind === OP.fail) return VERDICTS[a]!;
  return kind === OP.done ? "it returns" : `step ${kind} (${addr}, ${a}, ${b})`;
}

/** Searches the program as it was written; the number of its states, null if there are too many. */
function auditWhole(graph: StateGraph, rerun: Rerun, differences: string[]): number | null {
  const written = rerun.asProgram();
  const other = new StateGraph(new Machine(written, WHOLE.maxSteps));
  other.explore(WHOLE);
  if (other.bound !== null) return null;
  const own = explore(rerun.program, WHOLE);
  const anew = explore(written, WHOLE);
  const facts = ["verdict", "traces", "blocked", "interleavings"] as const;
  for (const fact of facts) {
    // With merged local states, a loop can make a cycle of what is a long way without.
    if (own.cyclic === true && fact !== "verdict") continue;
    if (own[fact] !== anew[fact]) differences.push(`${fact}: ${anew[fact]}, but ${own[fact]}`);
  }
  const runs = explore(written, { ...WHOLE, strategy: "dpor" });
  if (runs.complete && own.cyclic === false && runs.traces !== own.traces) {
    differences.push(`traces by runs: ${runs.traces}, but ${own.traces}`);
  }
  const merged = mergedStates(graph.machine, other);
  if (merged !== graph.count) differences.push(`states: ${merged}, but ${graph.count}`);
  return other.count;
}

/** How many states remain when local states are merged as the rewritten program merges them. */
function mergedStates(machine: Machine, graph: StateGraph): number {
  const own = graph.machine;
  const nodes = new Map<number, number>();
  const out = new Map<number, [number, number][]>();
  for (const [node, value, to] of own.table.followed()) {
    const all = out.get(node) ?? [];
    out.set(node, all);
    all.push([value, to]);
  }
  for (const [thread, automaton] of machine.threads.entries()) {
    const { start } = own.threads[thread]!;
    nodes.set(start, automaton.start);
    const queue = [start];
    for (const node of queue) {
      for (const [value, to] of out.get(node) ?? []) {
        nodes.set(to, automaton.next(nodes.get(node)!, value));
        queue.push(to);
      }
    }
  }
  const seen = new Set<string>();
  const textOfState = (s: Vector) =>
    s.map((word, i) => (i < own.firstThread ? word : (nodes.get(word) ?? -1))).join();
  for (let i = 0; i < graph.count; i++) seen.add(textOfState(graph.state(i)));
  return seen.size;
}
