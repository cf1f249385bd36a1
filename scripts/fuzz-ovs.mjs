// Compares our pipeline with a private Open vSwitch on random flow sets and packets; see --help.
// The sources are bundled on the spot, so that it runs what is there and needs no build.
import { build } from "esbuild";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "packetpath-fuzz-"));
const outfile = join(folder, "fuzz.mjs");
let main;
try {
  await build({
    entryPoints: [join(root, "test/differential/main.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: "inline",
    logLevel: "warning",
  });
  ({ main } = await import(pathToFileURL(outfile).href));
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = await main(process.argv.slice(2));
