// The guard matrix: every guard, kind of device, hint, kernel profile and way of taking the device
// away, each decided by search. Main thread or a worker; synchronous between cells.
import { nowMs } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { withinSeconds } from "../deadline.js";
import { encodeToken } from "../text/token.js";
import { inShard } from "../shard/shards.js";
import type { LoadedProgram, Shard, Verdict } from "../types.js";
import { BOUNDS, decide, type Decision, singles } from "./case.js";
import { type CellOptions, Cells, type GuardFunction } from "../system/cell.js";
import type { Graph } from "../system/graph.js";
import { PARTS } from "../system/prepared.js";
import { type SystemStory, tellCase } from "./story.js";

/** What a user may choose of; each list is a part of what `dimensions` gives. */
export interface MatrixOptions {
  readonly guards: readonly string[];
  readonly kinds: readonly string[];
  readonly hints: readonly boolean[];
  readonly profiles: readonly string[];
  readonly events: readonly string[];
  /** CPUs that transmit, packets of each, transmit queues of the device. */
  readonly cpus: number;
  readonly packets: number;
  readonly queues: number;
  /** Explores all packets together even where they cannot concern each other. */
  /** Whether the device has a watchdog timer (CellOptions). */
  readonly timer?: boolean;
  /** Whether backlogs are worked off after a CPU's last packet. */
  readonly softirq?: boolean;
  readonly product: boolean;
  /** What `queue_mapping` packets can have, in place of what `hints` stand for. */
  readonly sorts?: readonly number[];
  /** Which part of the cells; those that differ in the profile only stay together. */
  readonly shard?: Shard;
}

export interface MatrixCell {
  readonly system: "ovs-output";
  readonly guard: string;
  readonly kind: string;
  readonly hint: boolean;
  readonly profile: string;
  readonly event: string;
  readonly verdict: Verdict;
  readonly message: string;
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
  /** The profile whose search this result is: this cell reads nothing in which the two differ. */
  readonly sameAs: string | null;
  readonly oneByOne: boolean;
  readonly bound: string | null;
  /** The cheapest counterexample, or null. */
  readonly token: string | null;
  readonly switches: number | null;
  readonly steps: number | null;
}

export interface MatrixResult {
  readonly cells: readonly MatrixCell[];
  readonly seconds: number;
}

/** Everything that the matrix is over, from the tables of `src/path`. */
export function dimensions(graph: Graph) {
  const { KINDS } = graph.exportsOf("path/core/netdevice.ts") as { KINDS: readonly string[] };
  const { PROFILES } = graph.exportsOf("path/profiles.ts") as {
    PROFILES: readonly { readonly id: string }[];
  };
  const { GUARD_NAMES } = graph.exportsOf("path/guards.ts") as { GUARD_NAMES: readonly string[] };
  const { EVENTS } = graph.exportsOf(PARTS.events) as { EVENTS: readonly string[] };
  return {
    guards: GUARD_NAMES,
    kinds: KINDS,
    hints: [false, true],
    profiles: PROFILES.map(({ id }) => id),
    events: EVENTS,
  };
}

/** Decides the cells one after the other. */
export class Matrix {
  private readonly graph: Graph;
  private readonly options: MatrixOptions;
  private readonly user: GuardFunction | null;
  private readonly cells: Cells;
  /** Decisions by case without the profile, each with the fields of the profile that it read. */
  private readonly decided = new Map<string, Known[]>();

  /** `user`: the function behind guards that are not built in. */
  constructor(graph: Graph, options: MatrixOptions, user: GuardFunction | null) {
    this.graph = graph;
    this.options = options;
    this.user = user;
    this.cells = new Cells(graph, user);
  }

  /** The cells that there are. */
  coordinates(): Coordinates[] {
    const { guards, kinds, hints, profiles, events, shard } = this.options;
    const all: Coordinates[] = [];
    let group = 0;
    for (const event of events) {
      for (const kind of kinds) {
        if (!isPossible(kind, event)) continue;
        for (const guard of guards) {
          for (const hint of hints) {
            if (shard !== undefined && !inShard(group++, shard)) continue;
            for (const profile of profiles) all.push({ guard, kind, hint, profile, event });
          }
        }
      }
    }
    return all;
  }

  /** All of them. `onCell` hears of each. */
  run(onCell: (cell: MatrixCell) => void = () => undefined): MatrixResult {
    const startMs = nowMs();
    const cells = this.coordinates().map((at) => {
      const cell = this.decide(at);
      onCell(cell);
      return cell;
    });
    return { cells, seconds: (nowMs() - startMs) / 1000 };
  }

  /** The counterexample of a cell that was decided here, or another schedule of it, as a story. */
  tell(at: Coordinates, token: string | null): SystemStory | null {
    const { decision } = this.known(at);
    const own = tokenOf(this.graph, decision);
    const replayed = token ?? own;
    if (replayed === null) return null;
    const options = decision.failure?.options ?? firstPacketOf(this.optionsOf(at));
    return tellCase(this.cells, options, replayed, { decision, own });
  }

  /** What repeats the counterexample of a cell on real threads; null where there is none. */
  schedule(at: Coordinates): CellSchedule | null {
    const { decision } = this.known(at);
    const { failure, verdict, message } = decision;
    const token = tokenOf(this.graph, decision);
    if (failure === null || token === null) return null;
    const { options } = failure;
    const program = this.cells.make(options).program();
    const { addresses } = this.graph.runtime;
    const words = this.cells.memoryWords(options);
    return { program, options, token, expected: { verdict, message }, addresses, words };
  }

  /**
   * What the engines of programs explore of a cell: what fails, or else each packet by itself where
   * packets do not concern each other, or all of them together. One is to be used up before the
   * next one is made: the last one alone learns of words that come into use.
   */
  programs(at: Coordinates): CellProgram[] {
    const { decision } = this.known(at);
    const { failure, oneByOne } = decision;
    const options = this.optionsOf(at);
    const safe = () => (oneByOne ? singles(options, this.options.sorts) : [options]);
    const all = failure === null ? safe() : [failure.options];
    return all.map((one) => ({ options: one, make: () => this.cells.make(one).program() }));
  }

  /** Of the sources that are explored, as in tokens. */
  get sourceHash(): string {
    return this.graph.hash;
  }

  /** Addresses of the words that threads have touched so far, in this process, by slot. */
  get addresses(): readonly number[] {
    return this.graph.runtime.addresses;
  }

  decide(at: Coordinates): MatrixCell {
    const startMs = nowMs();
    const one = this.known(at);
    const sameAs = one.profile === at.profile ? null : one.profile;
    const { decision } = one;
    const { failure, verdict, message, states, transitions, oneByOne, bound } = decision;
    return {
      system: "ovs-output",
      ...at,
      verdict,
      message,
      states,
      transitions,
      seconds: Math.round(1e3 * (nowMs() - startMs)) / 1e6,
      sameAs,
      oneByOne,
      bound,
      token: tokenOf(this.graph, decision),
      switches: failure?.switches ?? null,
      steps: failure?.moves.length ?? null,
    };
  }

  private known(at: Coordinates): Known {
    const options = this.optionsOf(at);
    const { guard, kind, hint, event, profile } = at;
    const key = `${guard} ${kind} ${hint} ${event}`;
    const known = this.decided.get(key) ?? [];
    this.decided.set(key, known);
    const one = known.find((other) => {
      const its = { ...options, profile: other.profile };
      return this.cells.isSame(other.reads, its, profile);
    });
    if (one !== undefined) return one;
    const reads = new Map<string, unknown>();
    const { product, sorts } = this.options;
    const search = () => decide(this.cells, options, { product, sorts, reads });
    const decision = this.user === null ? search() : this.bounded(search);
    const made = { decision, reads, profile };
    known.push(made);
    return made;
  }

  /** A search that runs the code of a user's guard, which may not come back, or may not forget. */
  private bounded(search: () => Decision): Decision {
    const decision = withinSeconds(BOUNDS.maxSeconds, search);
    this.graph.runtime.kept?.mustBeSame();
    if (decision !== null) return decision;
    const [guard = ""] = this.options.guards;
    const message = `the guard's own code takes more than ${BOUNDS.maxSeconds} s in one case`;
    throw new PacketpathError("GUARD_INVALID", message, { place: { file: guard } });
  }

  private optionsOf({ guard, kind, hint, profile, event }: Coordinates): CellOptions {
    const { cpus, packets, queues, sorts, timer, softirq } = this.options;
    const mappings = Array.from({ length: cpus }, (_cpu, c) =>
      Array.from({ length: packets }, (_one, i) => {
        return sorts === undefined ? hintOf(hint, i) : sorts[(c * packets + i) % sorts.length]!;
      }),
    );
    const deferred = { ...(timer === true && { timer }), ...(softirq === true && { softirq }) };
    return { guard, kind, profile, event, mappings, queues, underRcu: true, ...deferred };
  }
}

/** An internal port goes with del-port only, and only a veth has a far end. */
function isPossible(kind: string, event: string): boolean {
  if (event === "peer-down") return kind === "veth";
  return kind !== "internal" || event === "del-port";
}

export interface CellProgram {
  readonly options: CellOptions;
  make(): LoadedProgram;
}

/** A counterexample with all that it takes to repeat it elsewhere. */
export interface CellSchedule {
  readonly program: LoadedProgram;
  readonly options: CellOptions;
  readonly token: string;
  readonly expected: { readonly verdict: Verdict; readonly message: string };
  /** Addresses in the kernel's memory, by slot of the explorer's states. */
  readonly addresses: readonly number[];
  /** Words of the kernel's memory. */
  readonly words: number;
}

export interface Coordinates {
  readonly guard: string;
  readonly kind: string;
  readonly hint: boolean;
  readonly profile: string;
  readonly event: string;
}

interface Known {
  readonly decision: Decision;
  readonly reads: ReadonlyMap<string, unknown>;
  readonly profile: string;
}

/** Recorded queue 0 first, which is the one that the local patch covers, then others; 0: none. */
function hintOf(hint: boolean, i: number): number {
  return hint ? 1 + 2 * i : 0;
}

function firstPacketOf(options: CellOptions): CellOptions {
  return { ...options, mappings: [[options.mappings[0]![0]!]] };
}

function tokenOf(graph: Graph, { failure }: Decision): string | null {
  if (failure === null) return null;
  const moves = failure.moves.map((thread) => ({ thread, choice: 0, isChoice: false }));
  return encodeToken(graph.hash, moves);
}
