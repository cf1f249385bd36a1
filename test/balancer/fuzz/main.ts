// The command line of scripts/fuzz-toa.mjs, which bundles this file and runs it.
import { parseArgs } from "node:util";
import { nowMs } from "../../../src/base/clock.js";
import { fuzz } from "./fuzz.js";

const USAGE = `Usage: node scripts/fuzz-toa.mjs [--frames N] [--seed N]

Sends N malformed frames (default 1000000) through the load balancer and the decoders behind it:
broken option lists, lengths, IP, TCP, UDP and vnet headers, and frames that are cut short. Nothing
may throw, write outside a frame, change a frame that is dropped, or keep a connection whose options
alone are broken from going on.

Exit code 0: all laws held; 1: one was broken; 2: bad input.
`;

function whole(text: string | undefined, otherwise: number): number {
  const value = Number(text ?? otherwise);
  return Number.isSafeInteger(value) && value >= 0 ? value : NaN;
}

export function main(args: readonly string[]): number {
  const options = { frames: { type: "string" }, seed: { type: "string" } } as const;
  let values: { frames?: string; seed?: string } = {};
  try {
    values = parseArgs({ args: [...args], options }).values;
  } catch (error) {
    process.stderr.write(`${String(error)}\n${USAGE}`);
    return 2;
  }
  const [frames, seed] = [whole(values.frames, 1_000_000), whole(values.seed, 1)];
  if (Number.isNaN(frames + seed)) {
    process.stderr.write(`--frames and --seed are whole numbers, 0 or more\n${USAGE}`);
    return 2;
  }
  const started = nowMs();
  process.stderr.write(`seed ${seed}\n`);
  try {
    const result = fuzz(frames, seed, (done) => {
      process.stderr.write(`${done} frames, ${Math.round((nowMs() - started) / 1000)} s\n`);
    });
    process.stdout.write(`${JSON.stringify({ seed, ...result }, null, 2)}\n`);
    return 0;
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
