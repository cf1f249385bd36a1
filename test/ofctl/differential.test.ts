// The same flow texts through this parser and printer and through the real ovs-ofctl, which needs
// no daemon for that. The generator was written from the documentation.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { formatFlowMod } from "../../src/ofctl/format.js";
import { parseFlowMod } from "../../src/ofctl/parse.js";
import { randomFlowText } from "./generate.js";

const version = spawnSync("ovs-ofctl", ["--version"], { encoding: "utf8" }).stdout ?? "";
const missing = /\) 3\.1\./.test(version) ? "" : " (needs ovs-ofctl 3.1)";

/** What `ovs-ofctl parse-flows` makes of a file of flows: one line each, from `ADD` on. */
function realFlows(texts: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-flows-"));
  try {
    const file = join(folder, "flows");
    writeFileSync(file, texts.map((text) => `${text}\n`).join(""));
    const run = spawnSync("ovs-ofctl", ["-vconsole:off", "parse-flows", file], {
      encoding: "utf8",
    });
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    const mods = run.stdout.split("\n").filter((line) => line.includes("FLOW_MOD"));
    // A flow without `table=` is sent with 255 when another flow of the file has one.
    return mods.map((line) =>
      line.replace(/^\w+ (\(OF1\.\d\) )?\(xid=0x[0-9a-f]+\): /, "").replace("ADD table:255", "ADD"),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("ovs-ofctl parse-flows agrees", () => {
  it.skipIf(missing !== "").each([1, 2, 3, 4])(
    `on 500 random flows, seed %i${missing}`,
    (seed) => {
      const random = new Random(seed);
      const texts = Array.from({ length: 500 }, () => randomFlowText(random));
      const real = realFlows(texts);
      expect(real.length).toBe(texts.length);
      const pairs = texts.map((text, i) => ({
        text,
        ours: formatFlowMod(parseFlowMod(text, "add").mod),
        real: real[i],
      }));
      expect(pairs.filter(({ ours, real: theirs }) => ours !== theirs)).toEqual([]);
    },
    60_000,
  );
});
