// Flow texts are printed, or refused, in the words of ovs-ofctl 3.1. More of them:
// node scripts/fuzz-ovs.mjs --texts 1000 --seed 1
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { mutatedTexts, ourReading, theirReading } from "./refusals.js";

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

it.skipIf(missing !== "").each([2, 3])(
  `80 random texts are printed or refused as by ovs-ofctl, seed %i${missing}`,
  async (seed) => {
    const texts = mutatedTexts(seed, 80);
    const theirs = texts.map((text) => ({ text, ...theirReading(text) }));
    const ours = await Promise.all(
      texts.map(async (text) => ({ text, ...(await ourReading(text)) })),
    );
    expect(ours).toEqual(theirs);
    expect(theirs.filter(({ exitCode }) => exitCode !== 0).length).toBeGreaterThan(40);
  },
);
