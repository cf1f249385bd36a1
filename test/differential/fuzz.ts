// The long run: random flow sets and packets through a private Open vSwitch and through our
// pipeline, until so many pairs are done or something differs. Started by scripts/fuzz-ovs.mjs.
import { Random } from "../../src/base/random.js";
import { compare, type Case, type Difference, type Outcome } from "./compare.js";
import { randomFlowSet } from "./flows.js";
import { addKinds, type Kind } from "./kinds.js";
import type { PrivateOvs } from "./ovs.js";

export interface FuzzOptions {
  readonly seed: number;
  /** Pairs of a flow set and a packet. */
  readonly pairs: number;
  readonly packetsPerSet: number;
  /** What sets may have beside flows. */
  readonly kinds: readonly Kind[];
  /** Compares the text of traces too. */
  readonly texts: boolean;
  /** Stops after this many flow sets that differ. */
  readonly stopAfter: number;
  readonly onProgress: (totals: Totals) => void;
  readonly onDifference: (found: Found) => void;
}

export interface Totals {
  sets: number;
  pairs: number;
  refusedSets: number;
  same: number;
  narrower: number;
  flips: number;
  differentSets: number;
  theirsWider: number;
  /** Flow sets that Open vSwitch did not survive; they count for nothing. */
  readonly crashes: number[];
  readonly narrowerIn: Map<string, number>;
  /** Pairs by the kinds of their sets; a set may be of several. */
  readonly byKind: Map<Kind, number>;
}

export interface Found {
  /** The seed of this flow set: `--set-seed`. */
  readonly setSeed: number;
  readonly case: Case;
  readonly differences: readonly Difference[];
}

/** The flow set of a seed; the same everywhere. */
export function caseOf(
  setSeed: number,
  packets: number,
  kinds: readonly Kind[],
): { readonly one: Case; readonly kinds: readonly Kind[] } {
  const random = new Random(setSeed);
  const set = randomFlowSet(random, packets);
  const parts = {
    ...{ version: set.version, flows: [...set.flows], groups: [...set.groups] },
    ...{ setup: [], taught: [], peerFlows: [] },
  };
  const drawn = addKinds(random, parts, kinds);
  return { one: { ...parts, packets: set.packets }, kinds: drawn };
}

export async function fuzz(ovs: PrivateOvs, options: FuzzOptions): Promise<Totals> {
  const random = new Random(options.seed);
  const totals: Totals = {
    ...{ sets: 0, pairs: 0, refusedSets: 0 },
    ...{ same: 0, narrower: 0, flips: 0, differentSets: 0, theirsWider: 0 },
    crashes: [],
    narrowerIn: new Map(),
    byKind: new Map(),
  };
  while (totals.pairs < options.pairs && totals.differentSets < options.stopAfter) {
    const setSeed = random.next();
    const { one, kinds } = caseOf(setSeed, options.packetsPerSet, options.kinds);
    const outcome = await compare(ovs, one, new Random(setSeed), options.texts);
    if (!(await ovs.isAlive())) {
      // Nothing can be compared with a switch that has fallen.
      totals.crashes.push(setSeed);
      await ovs.restart();
      continue;
    }
    add(totals, outcome);
    for (const kind of kinds) {
      totals.byKind.set(kind, (totals.byKind.get(kind) ?? 0) + outcome.pairs);
    }
    if (outcome.differences.length > 0) {
      totals.differentSets++;
      options.onDifference({ setSeed, case: one, differences: outcome.differences });
    }
    options.onProgress(totals);
  }
  return totals;
}

function add(totals: Totals, outcome: Outcome): void {
  totals.sets++;
  totals.pairs += outcome.pairs;
  totals.same += outcome.same;
  totals.narrower += outcome.narrower;
  totals.flips += outcome.flips;
  totals.theirsWider += outcome.theirsWider;
  for (const [fields, count] of outcome.narrowerIn) {
    totals.narrowerIn.set(fields, (totals.narrowerIn.get(fields) ?? 0) + count);
  }
  if (outcome.pairs === 0) totals.refusedSets++;
}
