// The command line of scripts/fuzz-ovs.mjs, which bundles this file and runs it.
import { parseArgs } from "node:util";
import { nowMs } from "../../src/base/clock.js";
import { Random } from "../../src/base/random.js";
import { compare } from "./compare.js";
import { caseOf, fuzz, type Found, type Totals } from "./fuzz.js";
import { KINDS, type Kind } from "./kinds.js";
import { PrivateOvs, missingOvs } from "./ovs.js";
import { packetText } from "./packets.js";
import { compareSwitches, mutatedTexts, ourReading, theirReading } from "./refusals.js";
import { shrink } from "./shrink.js";

const USAGE = `Usage: node scripts/fuzz-ovs.mjs [--pairs N] [--seed N] [--packets N] [--kinds LIST]
                               [--traces] [--stop-after N]
       node scripts/fuzz-ovs.mjs --set-seed N [--packets N] [--kinds LIST]
       node scripts/fuzz-ovs.mjs --texts N | --refusals N [--seed N]

Compares our pipeline with a private Open vSwitch on random flow sets and packets: what happens to
each packet, how wide its megaflow is, and with --traces every line of the trace.

--kinds says what a switch is set up with beside flows, at random; a list of the following with
commas between, "all" (default) or "none":
  vlan        VLAN modes of ports, priority tags, protected ports, flood VLANs
  mirrors     one or two mirrors to a port or a VLAN
  learned     packets that teach first; then fdb/show and the flows are compared
  select      select groups of which one bucket is alive
  meters      flows with meters
  fragments   what fragments are matched as (set-frags)
  vlan-limit  0 to 2 tags that are looked at, and frames with 0 to 3 tags
  patch       a second bridge behind a patch cable
  frames      frames as bytes: options, extension headers, cut and contradictory ones

The first form runs until N pairs of a flow set and a packet are done (default 100000), or until
sets differ (default 5). The second runs one flow set again, makes it small and prints it. With
--texts, N flow texts, most of them with a mistake, are read: the canonical text, the sentence and
the exit code are compared. With --refusals, N such flows are sent to a switch: what it says is
compared, and whether a refused one leaves the table as it was.

Exit code 0: no difference; 1: some; 3: no Open vSwitch.
`;

const number = (text: string | undefined, otherwise: number): number => {
  const value = Number(text ?? otherwise);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${text}: not a number`);
  return value;
};

const isKind = (name: string): name is Kind => (KINDS as readonly string[]).includes(name);

function kindsOf(text = "all"): readonly Kind[] {
  if (text === "all") return KINDS;
  const names = text === "none" ? [] : text.split(",");
  const unknown = names.find((name) => !isKind(name));
  if (unknown !== undefined) throw new Error(`${unknown}: not one of ${KINDS.join(", ")}`);
  return KINDS.filter((kind) => names.includes(kind));
}

/** The options by which the same sets are drawn again. */
const sameSets = (packets: number, kinds: readonly Kind[]): string =>
  `--packets ${packets} --kinds ${kinds.join(",") || "none"}`;

function print(found: Found, options: string): void {
  const lines = found.differences.slice(0, 4).map(({ kind, packet, ours, theirs }) => {
    return `  ${kind}: ${packet}\n    ours:   ${ours}\n    theirs: ${theirs}\n`;
  });
  const again = `node scripts/fuzz-ovs.mjs --set-seed ${found.setSeed} ${options}`;
  process.stdout.write(`different: ${again}\n${lines.join("")}`);
}

function progress(totals: Totals, started: number): string {
  const rate = Math.round(totals.pairs / ((nowMs() - started) / 1000));
  return [
    `${totals.pairs} pairs`,
    `${totals.sets} flow sets (${totals.refusedSets} refused)`,
    `${totals.same} megaflows equal`,
    `${totals.narrower} narrower`,
    `${totals.flips} flips (${totals.theirsWider} theirs alone)`,
    `${totals.differentSets} sets differ`,
    `${totals.crashes.length} crashes of theirs`,
    `${rate} pairs/s`,
  ].join(", ");
}

async function runTexts(count: number, seed: number): Promise<number> {
  let [refused, different, crashes] = [0, 0, 0];
  for (const text of mutatedTexts(seed, count)) {
    const [ours, theirs] = [await ourReading(text), theirReading(text)];
    // Some texts end ovs-ofctl with a failed assertion.
    if (theirs.exitCode < 0) {
      crashes++;
      continue;
    }
    if (theirs.exitCode !== 0) refused++;
    if (JSON.stringify(ours) === JSON.stringify(theirs)) continue;
    different++;
    const lines = [ours, theirs].map((each) => `${each.exitCode} ${each.stderr}${each.stdout}`);
    process.stdout.write(`${text}\n    ours:   ${lines[0]!}\n    theirs: ${lines[1]!}\n`);
  }
  const counts = `${refused} refused, ${different} differ, ${crashes} crashes of theirs`;
  process.stdout.write(`seed ${seed}: ${count} texts, ${counts}\n`);
  return different === 0 ? 0 : 1;
}

async function runRefusals(ovs: PrivateOvs, count: number, seed: number): Promise<number> {
  const { refused, differences } = await compareSwitches(ovs, mutatedTexts(seed, count));
  for (const { text, ours, theirs } of differences) {
    process.stdout.write(`${text}\n    ours:   ${ours}\n    theirs: ${theirs}\n`);
  }
  const counts = `${count} flows sent, ${refused} refused, ${differences.length} differ`;
  process.stdout.write(`seed ${seed}: ${counts}\n`);
  return differences.length === 0 ? 0 : 1;
}

async function runOne(ovs: PrivateOvs, setSeed: number, values: RunFlags): Promise<number> {
  const [packets, kinds] = [number(values.packets, 25), kindsOf(values.kinds)];
  const { one } = caseOf(setSeed, packets, kinds);
  const lines = [...one.setup, ...one.groups, ...one.flows];
  lines.push(...one.peerFlows.map((flow) => `peer ${flow}`));
  lines.push(...one.taught.map((text) => `taught ${text}`));
  lines.push(...one.packets.map((key) => `packet ${packetText(key)}`));
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  const { differences } = await compare(ovs, one, new Random(setSeed));
  if (differences.length === 0) return 0;
  print({ setSeed, case: one, differences }, sameSets(packets, kinds));
  const small = await shrink(ovs, one, differences[0]!);
  const text = { ...small, packets: small.packets.map(packetText) };
  process.stdout.write(`shrunk:\n${JSON.stringify(text, null, 2)}\n`);
  const again = await compare(ovs, small, new Random(setSeed));
  print({ setSeed, case: small, differences: again.differences }, sameSets(packets, kinds));
  return 1;
}

interface RunFlags {
  readonly seed?: string;
  readonly packets?: string;
  readonly pairs?: string;
  readonly "stop-after"?: string;
  readonly traces?: boolean;
  readonly kinds?: string;
}

async function runMany(ovs: PrivateOvs, values: RunFlags): Promise<number> {
  const seed = number(values.seed, 1);
  const [packetsPerSet, kinds] = [number(values.packets, 25), kindsOf(values.kinds)];
  const started = nowMs();
  let told = started;
  const totals = await fuzz(ovs, {
    seed,
    packetsPerSet,
    kinds,
    texts: values.traces ?? false,
    pairs: number(values.pairs, 100_000),
    stopAfter: number(values["stop-after"], 5),
    onProgress: (so) => {
      if (nowMs() - told < 5000) return;
      told = nowMs();
      process.stderr.write(`${progress(so, started)}\n`);
    },
    onDifference: (found) => print(found, sameSets(packetsPerSet, kinds)),
  });
  process.stdout.write(`seed ${seed}: ${progress(totals, started)}\n`);
  const byKind = kinds.map((kind) => `${kind} ${totals.byKind.get(kind) ?? 0}`);
  if (kinds.length > 0) process.stdout.write(`  pairs by kind: ${byKind.join(", ")}\n`);
  if (totals.crashes.length > 0) process.stdout.write(`  crashes: ${totals.crashes.join(" ")}\n`);
  const most = [...totals.narrowerIn].sort((a, b) => b[1] - a[1]).slice(0, 8);
  for (const [fields, count] of most) process.stdout.write(`  narrower: ${count} in ${fields}\n`);
  return totals.differentSets === 0 ? 0 : 1;
}

export async function main(args: readonly string[]): Promise<number> {
  const text = { type: "string" } as const;
  const options = {
    ...{ pairs: text, seed: text, packets: text, "stop-after": text, "set-seed": text },
    ...{ refusals: text, kinds: text, texts: text },
    traces: { type: "boolean" },
    help: { type: "boolean" },
  } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const missing = missingOvs();
  if (missing !== "") {
    process.stderr.write(`no comparison: ${missing}\n`);
    return 3;
  }
  if (values.texts !== undefined) {
    return runTexts(number(values.texts, 0), number(values.seed, 1));
  }
  const ovs = await PrivateOvs.start();
  const { "set-seed": setSeed } = values;
  try {
    if (values.refusals !== undefined) {
      return await runRefusals(ovs, number(values.refusals, 0), number(values.seed, 1));
    }
    if (setSeed === undefined) return await runMany(ovs, values);
    return await runOne(ovs, number(setSeed, 0), values);
  } finally {
    ovs.stop();
  }
}
