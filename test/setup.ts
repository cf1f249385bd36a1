// Builds dist/ once before the tests: worker threads and the command line run from there. Not when
// scripts/test has just done so, for two runs of vitest at once.
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export function setup(): void {
  if (process.env["PACKETPATH_BUILT"] !== undefined) return;
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  execFileSync(process.execPath, [join(root, "scripts", "build.mjs")], { stdio: "inherit" });
}
