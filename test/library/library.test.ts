// The library as another program uses it: imported by its package name, from dist/.
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const here = dirname(fileURLToPath(import.meta.url));

it("a program imports packetpath, runs a scenario and reads the result", () => {
  const out = execFileSync(process.execPath, [join(here, "program.mjs")], {
    cwd: join(here, "..", ".."),
    encoding: "utf8",
    timeout: 300_000,
  });
  expect(JSON.parse(out)).toEqual({
    verdict: "SAFE",
    ok: 20,
    balanced: true,
    refused: "SCENARIO_INVALID",
    ld: "function",
  });
});
