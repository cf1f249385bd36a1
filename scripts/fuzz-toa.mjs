// Malformed frames through the load balancer; test/balancer/fuzz/main.ts says what must hold.
// The sources are bundled on the spot, so that it runs what is there and needs no build.
import { build } from "esbuild";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "packetpath-fuzz-toa-"));
const outfile = join(folder, "fuzz.mjs");
let main;
try {
  await build({
    entryPoints: [join(root, "test/balancer/fuzz/main.ts")],
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
process.exitCode = main(process.argv.slice(2));
