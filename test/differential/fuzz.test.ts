// Our decisions against those of Open vSwitch 3.1, on random flow sets and packets, and on the
// cases in which they differed once. The long run: node scripts/fuzz-ovs.mjs --pairs 100000 --seed
// 1
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import type { Version } from "./actions.js";
import { compare } from "./compare.js";
import { fuzz, type Found } from "./fuzz.js";
import { KINDS } from "./kinds.js";
import { PrivateOvs, missingOvs } from "./ovs.js";
import { packetOf } from "./packets.js";

const missing = missingOvs();
const title = (text: string): string => (missing === "" ? text : `${text} (${missing})`);

/** A file of cases/. */
interface KeptCase {
  /** What was wrong. */
  readonly what: string;
  readonly version: Version;
  readonly flows: readonly string[];
  readonly groups: readonly string[];
  readonly packets: readonly string[];
  readonly setup?: readonly string[];
  readonly taught?: readonly string[];
  readonly peerFlows?: readonly string[];
}

const CASES = join(import.meta.dirname, "cases");
const files = readdirSync(CASES).filter((name) => name.endsWith(".json"));

describe.skipIf(missing !== "")(title("a private Open vSwitch decides as we do"), () => {
  let ovs: PrivateOvs;
  beforeAll(async () => {
    ovs = await PrivateOvs.start();
  });
  afterAll(() => ovs.stop());

  it.each([1, 2])("on 500 pairs of random flow sets and packets, seed %i", async (seed) => {
    const found: Found[] = [];
    const totals = await fuzz(ovs, {
      ...{ seed, pairs: 500, packetsPerSet: 25, stopAfter: 3, texts: false, kinds: KINDS },
      onProgress: () => undefined,
      onDifference: (one) => found.push(one),
    });
    const again = found.map(({ setSeed, differences }) => ({
      command: `node scripts/fuzz-ovs.mjs --set-seed ${setSeed}`,
      differences: differences.slice(0, 2),
    }));
    expect(again).toEqual([]);
    expect(totals.pairs).toBeGreaterThanOrEqual(500);
  });

  it.each(files)("on the case of %s", async (file) => {
    const kept = JSON.parse(readFileSync(join(CASES, file), "utf8")) as KeptCase;
    const packets = kept.packets.map(packetOf);
    const rest = { setup: [], taught: [], peerFlows: [], ...kept };
    const outcome = await compare(ovs, { ...rest, packets }, new Random(1), false);
    expect(outcome.differences, kept.what).toEqual([]);
    expect(outcome.pairs).toBe(packets.length);
  });
});
