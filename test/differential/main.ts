// The command line of scripts/fuzz-ovs.mjs, which bundles this file and runs it.
import { parseArgs } from "node:util";
import { nowMs } from "../../src/base/clock.js";
import { Random } from "../../src/base/random.js";
import { compare } from "./compare.js";
import { caseOf, fuzz, type Found, type Totals } from "./fuzz.js";
import { PrivateOvs, missingOvs } from "./ovs.js";
import { packetText } from "./packets.js";
import { mutatedTexts, ourSentence, theirSentence } from "./refusals.js";
import { shrink } from "./shrink.js";

const USAGE = `Usage: node scripts/fuzz-ovs.mjs [--pairs N] [--seed N] [--packets N] [--texts]
                               [--stop-after N]
       node scripts/fuzz-ovs.mjs --set-seed N [--packets N]
       node scripts/fuzz-ovs.mjs --refusals N [--seed N]

Compares our pipeline with a private Open vSwitch on random flow sets and packets: what happens to
each packet, how wide its megaflow is, and with --texts every line of the trace.

The first form runs until N pairs of a flow set and a packet are done (default 100000), or until
sets differ (default 5). The second runs one flow set again, makes it small and prints it. The third
compares what is said of N flow texts with mistakes.

Exit code 0: no difference; 1: some; 3: no Open vSwitch.
`;

const number = (text: string | undefined, otherwise: number): number => {
  const value = Number(text ?? otherwise);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${text}: not a number`);
  return value;
};

function print(found: Found, packets: number): void {
  const lines = found.differences.slice(0, 4).map(({ kind, packet, ours, theirs }) => {
    return `  ${kind}: ${packet}\n    ours:   ${ours}\n    theirs: ${theirs}\n`;
  });
  const again = `node scripts/fuzz-ovs.mjs --set-seed ${found.setSeed} --packets ${packets}`;
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

function runRefusals(count: number, seed: number): number {
  let [refused, different] = [0, 0];
  for (const text of mutatedTexts(seed, count)) {
    const [ours, theirs] = [ourSentence(text), theirSentence(text)];
    if (theirs !== "") refused++;
    if (ours === theirs) continue;
    different++;
    process.stdout.write(`${text}\n    ours:   ${ours}\n    theirs: ${theirs}\n`);
  }
  process.stdout.write(`seed ${seed}: ${count} texts, ${refused} refused, ${different} differ\n`);
  return different === 0 ? 0 : 1;
}

async function runOne(ovs: PrivateOvs, setSeed: number, packets: number): Promise<number> {
  const one = caseOf(setSeed, packets);
  process.stdout.write([...one.groups, ...one.flows].map((line) => `${line}\n`).join(""));
  for (const key of one.packets) process.stdout.write(`packet ${packetText(key)}\n`);
  const { differences } = await compare(ovs, one, new Random(setSeed));
  if (differences.length === 0) return 0;
  print({ setSeed, case: one, differences }, packets);
  const small = await shrink(ovs, one, differences[0]!);
  const text = { ...small, packets: small.packets.map(packetText) };
  process.stdout.write(`shrunk:\n${JSON.stringify(text, null, 2)}\n`);
  const again = await compare(ovs, small, new Random(setSeed));
  print({ setSeed, case: small, differences: again.differences }, packets);
  return 1;
}

interface RunFlags {
  readonly seed?: string;
  readonly packets?: string;
  readonly pairs?: string;
  readonly "stop-after"?: string;
  readonly texts?: boolean;
}

async function runMany(ovs: PrivateOvs, values: RunFlags): Promise<number> {
  const seed = number(values.seed, 1);
  const packetsPerSet = number(values.packets, 25);
  const started = nowMs();
  let told = started;
  const totals = await fuzz(ovs, {
    seed,
    packetsPerSet,
    texts: values.texts ?? false,
    pairs: number(values.pairs, 100_000),
    stopAfter: number(values["stop-after"], 5),
    onProgress: (so) => {
      if (nowMs() - told < 5000) return;
      told = nowMs();
      process.stderr.write(`${progress(so, started)}\n`);
    },
    onDifference: (found) => print(found, packetsPerSet),
  });
  process.stdout.write(`seed ${seed}: ${progress(totals, started)}\n`);
  if (totals.crashes.length > 0) process.stdout.write(`  crashes: ${totals.crashes.join(" ")}\n`);
  const most = [...totals.narrowerIn].sort((a, b) => b[1] - a[1]).slice(0, 8);
  for (const [fields, count] of most) process.stdout.write(`  narrower: ${count} in ${fields}\n`);
  return totals.differentSets === 0 ? 0 : 1;
}

export async function main(args: readonly string[]): Promise<number> {
  const text = { type: "string" } as const;
  const options = {
    ...{ pairs: text, seed: text, packets: text, "stop-after": text, "set-seed": text },
    refusals: text,
    texts: { type: "boolean" },
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
  if (values.refusals !== undefined) {
    return runRefusals(number(values.refusals, 0), number(values.seed, 1));
  }
  const ovs = await PrivateOvs.start();
  const { "set-seed": setSeed } = values;
  try {
    if (setSeed === undefined) return await runMany(ovs, values);
    return await runOne(ovs, number(setSeed, 0), number(values.packets, 25));
  } finally {
    ovs.stop();
  }
}
