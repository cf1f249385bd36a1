// For scripts whose program is TypeScript below test/: bundles it on the spot and calls its `main`,
// so that it runs what is there and needs no build.
import { build } from "esbuild";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Sets the exit code to what `main` of the file answers to the script's arguments.
 * @param file from the project's root.
 */
export async function runTypescript(file) {
  const built = await build({
    entryPoints: [join(root, file)],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: "inline",
    logLevel: "warning",
  });
  const { main } = await imported(built.outputFiles[0].contents);
  process.exitCode = await main(process.argv.slice(2));
}

/** The folder is there no longer than the import takes, as whoever is killed leaves it behind. */
async function imported(contents) {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-script-"));
  const outfile = join(folder, "main.mjs");
  try {
    writeFileSync(outfile, contents);
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
