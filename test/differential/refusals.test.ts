// Flow texts with mistakes are refused in the words of ovs-ofctl 3.1. More of them:
// node scripts/fuzz-ovs.mjs --refusals 1000 --seed 1
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { mutatedTexts, ourSentence, theirSentence } from "./refusals.js";

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

it.skipIf(missing !== "").each([2, 3])(
  `80 random texts are refused, or not, as by ovs-ofctl, seed %i${missing}`,
  (seed) => {
    const texts = mutatedTexts(seed, 80);
    const ours = texts.map((text) => ({ text, sentence: ourSentence(text) }));
    const theirs = texts.map((text) => ({ text, sentence: theirSentence(text) }));
    expect(ours).toEqual(theirs);
    expect(theirs.filter(({ sentence }) => sentence !== "").length).toBeGreaterThan(40);
  },
  120_000,
);
