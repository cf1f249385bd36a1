// For scripts whose program is TypeScript below test/: bundles it on the spot and calls its `main`,
// so that it runs what is there and needs no build.
import { build } from "esbuild";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Sets the exit code to what `main` of the file answers to the script's arguments.
 * @param file from the project's root.
 */
export async function runTypescript(file) {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-script-"));
  const outfile = join(folder, "main.mjs");
  let main;
  try {
    await build({
      entryPoints: [join(root, file)],
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
}
