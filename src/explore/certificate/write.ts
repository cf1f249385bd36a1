// Makes the certificate of a finished search: the local states of each thread as a tree of logs,
// and the states in an order that steps only go forward in. Also what results say of it. Called by
// the engines' front; any thread; writes no file.
import { gzipSync } from "node:zlib";
import { components, type EdgeList } from "../states/lasso.js";
import type { Machine, Vector } from "../search/machine.js";
import { KERNEL_FIRST } from "../search/kernel-steps.js";
import { type Certificate, type ExploreOptions, OP, type Step } from "../types.js";
import { Digest, stepHash } from "./digest.js";
import { FORMAT, type Header } from "./header.js";

/** A finished search: its states and edges. */
export interface Finished extends EdgeList {
  readonly machine: Machine;
  state(index: number): Vector;
}

type Options = Required<Pick<ExploreOptions, "maxStates" | "maxSteps" | "onCertificate">>;

/** What a certificate says beside its states. */
export type Facts = Pick<
  Header,
  "states" | "transitions" | "traces" | "blocked" | "interleavings" | "isReduced"
>;

/** Sums up a finished search that found nothing wrong, and offers it to be written. */
export function certify(finished: Finished, facts: Facts, options: Options): Certificate {
  const { machine } = finished;
  const { maxStates, maxSteps } = options;
  const { states, transitions, traces, blocked, interleavings } = facts;
  const summary: Certificate = {
    sourceHash: machine.program.sourceHash,
    bounds: { maxStates, maxSteps },
    states,
    transitions,
    traces,
    blocked,
    interleavings,
    digest: digestOf(finished),
    collisionBound: null,
    unchecked: whyNone(machine),
    file: null,
  };
  options.onCertificate(summary, () => writeCertificate(finished, facts, summary));
  return summary;
}

/** Why the checker cannot check a program, or null. */
function whyNone(machine: Machine): string | null {
  const isChecked = ({ kind }: Step) => kind < KERNEL_FIRST || kind === OP.done;
  const other = machine.table.steps.find((one) => !isChecked(one));
  if (other === undefined && machine.program.kernel === undefined) return null;
  const known = "the checker knows steps on cells and plain locks only";
  const { beyond } = machine.program;
  return beyond === undefined ? known : `${known}, not ${beyond}`;
}

/** The digest of all states. */
function digestOf(finished: Finished): string {
  const { machine, count } = finished;
  const digest = new Digest(machine.firstThread, machine.threads.length);
  const hashes = machine.table.steps.map(stepHash);
  const hashOf = (_thread: number, node: number) => hashes[node]!;
  for (let i = 0; i < count; i++) digest.add(finished.state(i), 0, hashOf);
  return digest.text();
}

function writeCertificate(finished: Finished, facts: Facts, summary: Certificate): Uint8Array {
  const { machine, count } = finished;
  const { program, threads, firstThread, width } = machine;
  const locals = threads.map((one) => numberLocals(machine, one.start));
  const { order, runs } = orderOf(finished);
  const states = new Int32Array(count * width);
  for (let i = 0; i < count; i++) {
    states.set(finished.state(order[i]!), i * width);
    for (let t = 0; t < threads.length; t++) {
      const at = i * width + firstThread + t;
      states[at] = locals[t]!.numbers.get(states[at]!)!;
    }
  }
  const header: Header = {
    format: FORMAT,
    program: program.name,
    file: program.file,
    sourceHash: program.sourceHash,
    bounds: summary.bounds,
    ...facts,
    digest: summary.digest,
    edges: locals.map((one) => one.edges.length / 3),
    runs: runs.length / 3,
  };
  const words = [...locals.map((one) => one.edges), runs].map((one) => Int32Array.from(one));
  const bytes = [...words, states].map((one) => new Uint8Array(one.buffer, 0, one.byteLength));
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  return gzipSync(Buffer.concat([line, ...bytes]), { level: 3 });
}

/** Numbers a thread's local states depth first, so that the checker can mostly run straight on. */
function numberLocals(machine: Machine, start: number) {
  const out = new Map<number, [value: number, to: number][]>();
  for (const [node, value, to] of machine.table.followed()) {
    const all = out.get(node) ?? [];
    out.set(node, all);
    all.push([value, to]);
  }
  const numbers = new Map([[start, 0]]);
  const edges: number[] = [];
  const path = [{ node: start, left: [...(out.get(start) ?? [])] }];
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const edge = top.left.shift();
    if (edge === undefined) {
      path.pop();
      continue;
    }
    const [value, to] = edge;
    const known = numbers.get(to);
    edges.push(numbers.get(top.node)!, value, known ?? numbers.size);
    if (known !== undefined) continue;
    numbers.set(to, numbers.size);
    path.push({ node: to, left: [...(out.get(to) ?? [])] });
  }
  return { numbers, edges };
}

/** States so that edges lead forward; runs (first, count, idle thread) where they do not. */
function orderOf(finished: Finished): { order: Int32Array; runs: number[] } {
  const { count } = finished;
  const { component, size } = components(finished);
  // Components are numbered from the ends backwards.
  const place = new Int32Array(size.length + 1);
  for (let one = size.length - 1; one >= 0; one--) place[one] = place[one + 1]! + size[one]!;
  const firsts = place.slice(1);
  const order = new Int32Array(count);
  const next = firsts.slice();
  for (let state = 0; state < count; state++) order[next[component[state]!]!++] = state;
  const runs: number[] = [];
  for (let one = size.length - 1; one >= 0; one--) {
    const members = order.subarray(firsts[one]!, firsts[one]! + size[one]!);
    const idle = idleThread(finished, component, members);
    if (idle !== null) runs.push(firsts[one]!, size[one]!, idle);
  }
  return { order, runs };
}

/** A thread that can go on in all states of a component and never does inside; null: no cycle. */
function idleThread(finished: Finished, component: Int32Array, members: Int32Array): number | null {
  const { machine, firstEdge, edgeTo, edgeBy } = finished;
  const active = new Set<number>();
  for (const state of members) {
    const end = firstEdge.data[state + 1]!;
    for (let e = firstEdge.data[state]!; e < end; e++) {
      if (component[edgeTo.data[e]!] === component[state]) active.add(edgeBy.data[e]! & 0xff);
    }
  }
  if (active.size === 0) return null;
  return machine.threads.findIndex((_one, t) => {
    return !active.has(t) && members.every((state) => machine.isEnabled(finished.state(state), t));
  });
}
