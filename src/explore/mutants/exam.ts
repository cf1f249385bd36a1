// The cells that mutants are held against, and what a cell says of a system. Main thread or a
// worker that explores.
import { createHash } from "node:crypto";
import { encodeToken } from "../text/token.js";
import { CPU, cpuBlock, HEADER } from "../../sync/memory.js";
import type { Verdict } from "../types.js";
import { decide } from "../matrix/case.js";
import { type CellOptions, Cells } from "../system/cell.js";
import type { Graph } from "../system/graph.js";

/** What a cell says: SAFE by a finished search, with its size, or the cheapest counterexample. */
export interface Answer {
  readonly cell: string;
  readonly verdict: Verdict;
  readonly message: string;
  readonly token: string | null;
  readonly bound: string | null;
  readonly states: number;
  readonly transitions: number;
  /** SHA-256 over the memories in which the executions end, in no order. */
  readonly ends: string;
}

/**
 * Far more than a shipped cell needs, and soon over; in states, for a busy machine counts alike.
 */
const BOUNDS = { maxStates: 100_000, maxSeconds: 60 };

const EVENTS = ["link-delete", "netns-delete", "del-port", "netns-move", "batch-delete"];
const KINDS = ["veth", "dummy", "tun", "bond"];
const PROFILES = ["6.12", "5.10-stable", "current"];

/** A cell, and whether its packets are explored together even where they do not concern others. */
export interface ExamCell {
  readonly options: CellOptions;
  readonly product: boolean;
}

/**
 * Cells where one law of the kernel is asserted each: with a second administrator, a reader, or a
 * packet that waits.
 */
const LAWS: readonly (readonly [event: string, kinds: string, profiles: string])[] = [
  ["peer-down", "veth", "6.12"],
  ["delete-other", "dummy", "6.12"],
  ["lookup-delete", "dummy", "6.12"],
  ["lookup-move", "dummy", "6.12"],
  ["frame-in", "dummy", "6.12 5.10-stable"],
  ["frame-move", "dummy", "5.10-stable"],
  ["host-send", "dummy tun", "6.12"],
  ["foreign-handler", "dummy", "6.12"],
  ["move-delete", "dummy", "6.12"],
  ["del-port-delete", "dummy", "6.12 5.10-stable"],
  ["remap-delete", "dummy", "6.12"],
  ["remap-shrink", "dummy", "6.12"],
  ["hold-delete", "dummy", "6.12"],
  ["re-use", "dummy", "6.12"],
];

/** Cells of which each looks at another part of the system; those that fail soonest come first. */
export function examCells(): ExamCell[] {
  const cells: ExamCell[] = [];
  const put = (options: Omit<CellOptions, "queues" | "underRcu">, product: boolean): void => {
    cells.push({ options: { ...options, queues: 2, underRcu: true }, product });
  };
  const add = (guard: string, kind: string, profile: string, event: string): void => {
    put({ guard, kind, profile, event, mappings: [[1], [3]] }, false);
  };
  const guard = "running-carrier";
  for (const profile of PROFILES) {
    for (const event of EVENTS) {
      for (const kind of KINDS) add(guard, kind, profile, event);
    }
  }
  for (const [event, kinds, profiles] of LAWS) {
    for (const profile of profiles.split(" ")) {
      for (const kind of kinds.split(" ")) {
        put({ guard, kind, profile, event, mappings: [[1]] }, false);
      }
    }
  }
  const profile = "6.12";
  const timed = { guard, kind: "dummy", profile, event: "link-delete", mappings: [[1]] };
  put({ ...timed, timer: true }, false);
  put({ guard, kind: "veth", profile, event: "delete-other", mappings: [[1, 3]] }, true);
  put({ guard, kind: "tun", profile, event: "freeze-delete", mappings: [[1]] }, true);
  add(guard, "dummy", "current", "add-port");
  add(guard, "tun", "6.12", "shrink");
  for (const kind of KINDS) {
    add(guard, kind, "6.12", "tc-remap");
    add("none", kind, "6.12", "link-down");
  }
  for (const event of EVENTS) {
    add("carrier", "veth", "6.12", event);
    for (const kind of KINDS) add("registered", kind, "6.12", event);
  }
  for (const kind of ["veth", "dummy"]) add("running", kind, "6.12", "link-delete");
  for (const kind of ["macvlan", "internal"]) add("none", kind, "6.12", "del-port");
  return cells;
}

export function cellName({ guard, kind, profile, event }: CellOptions): string {
  return `${guard}/${kind}/${profile}/${event}`;
}

/**
 * A system under examination: its cells, what they say, and which of its sites their threads
 * meet.
 */
export class Examinee {
  /** Sites that a thread has come by; what only the set-up does is not among them. */
  readonly reached = new Set<number>();
  private readonly graph: Graph;
  private readonly cells: Cells;
  /** Memories in which executions of the cell begin and end. */
  private readonly ends = new Set<string>();
  private readonly known = new Map<string, Known[]>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.cells = new Cells(graph, null);
    this.watch();
  }

  ask({ options, product }: ExamCell): Answer {
    const cell = cellName(options);
    const key = `${options.guard} ${options.kind} ${options.event} ${product} ${options.timer}`;
    const known = this.known.get(key) ?? [];
    this.known.set(key, known);
    const same = known.find(({ asked, reads }) => {
      return this.cells.isSame(reads, asked, options.profile);
    });
    if (same !== undefined) return { ...same.answer, cell };
    const reads = new Map<string, unknown>();
    const answer = this.search(options, product, reads);
    known.push({ asked: options, reads, answer });
    return answer;
  }

  private search(options: CellOptions, product: boolean, reads: Map<string, unknown>): Answer {
    this.ends.clear();
    const decision = decide(this.cells, options, { bounds: BOUNDS, product, reads });
    const { verdict, message, bound, states, transitions, failure } = decision;
    const moves = failure?.moves.map((thread) => ({ thread, choice: 0, isChoice: false }));
    const token = moves === undefined ? null : encodeToken(this.graph.hash, moves);
    const hash = createHash("sha256");
    for (const end of [...this.ends].sort()) hash.update(end);
    const ends = hash.digest("hex");
    return { cell: cellName(options), verdict, message, token, bound, states, transitions, ends };
  }

  private noteEnd(m: Int32Array): void {
    this.ends.add(createHash("sha256").update(withoutSections(m)).digest("base64"));
  }

  /** Notes the sites, and ends a set-up that never comes to its end. */
  private watch(): void {
    const { runtime } = this.graph;
    const step = runtime.step.bind(runtime);
    const call = runtime.call.bind(runtime);
    const alone = runtime.runAlone.bind(runtime);
    let left = Infinity;
    const note = (site: number): void => {
      if (left === Infinity) this.reached.add(site);
      else if (--left < 0) throw new Error("the set-up never ends");
    };
    runtime.step = (site, request) => {
      note(site);
      return step(site, request);
    };
    runtime.call = (site, body) => {
      note(site);
      return call(site, body);
    };
    runtime.runAlone = (m, start) => {
      left = ALONE_MAX;
      try {
        return alone(m, start);
      } finally {
        left = Infinity;
        this.noteEnd(m);
      }
    };
    this.cells.onEnd = (m) => this.noteEnd(m);
  }
}

/**
 * A memory without the numbers of its read sections: how many there were, nobody asks at the end.
 */
function withoutSections(m: Int32Array): Int32Array {
  const memory = m.slice();
  for (let cpu = 0; cpu < memory[HEADER.cpuCount]!; cpu++) {
    memory[cpuBlock(cpu) + CPU.rcuSequence]! &= 1;
  }
  return memory;
}

/** An answer that holds for all profiles in which nothing else is read. */
interface Known {
  readonly asked: CellOptions;
  readonly reads: ReadonlyMap<string, unknown>;
  readonly answer: Answer;
}

/** Most steps before there are threads, and of one final check. */
const ALONE_MAX = 200_000;
