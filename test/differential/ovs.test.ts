// The private Open vSwitch leaves nothing behind, however its owner ends.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { PrivateOvs, missingOvs } from "./ovs.js";

const missing = missingOvs();
const title = (text: string): string => (missing === "" ? text : `${text} (${missing})`);
const FUZZER = join(import.meta.dirname, "../../scripts/fuzz-ovs.mjs");

/** Processes that have this folder in their command line. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
    } catch {
      return false;
    }
  });
}

describe.skipIf(missing !== "")(title("a private Open vSwitch"), () => {
  it("ends with its daemons and files", async () => {
    const ovs = await PrivateOvs.start();
    const { folder } = ovs;
    expect(processesOf(folder).length).toBe(2);
    ovs.stop();
    expect(existsSync(folder)).toBe(false);
    await eventually("its daemons to end", () => processesOf(folder).length === 0, {
      timeoutMs: 60_000,
    });
  });

  it("ends with a process that is killed; the next start removes its files", async () => {
    const owner = spawn(process.execPath, [FUZZER, "--pairs", "1000000"], {
      stdio: "ignore",
    });
    const folder = await eventually(
      "its folder",
      () => PrivateOvs.foldersOf(owner.pid!).find((each) => processesOf(each).length === 2),
      { timeoutMs: 60_000, everyMs: 20 },
    );
    owner.kill("SIGKILL");
    await eventually("its daemons to end", () => processesOf(folder).length === 0, {
      timeoutMs: 60_000,
    });
    expect(existsSync(folder)).toBe(true);
    (await PrivateOvs.start()).stop();
    expect(existsSync(folder)).toBe(false);
  });
});
