// `packetpath explore SCENARIO`: what a run of a scenario is expected to show in some schedule is
// what all schedules show. Runs dist/, which the set-up of the tests has built.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, vi } from "vitest";
import { scenarioCell } from "../../src/cli/exploration/scenario-cell.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { scenarioKind } from "../../src/scenario/text/kind.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "packetpath-scenarios-"));
afterAll(() => rmSync(folder, { recursive: true }));

function run(command: string, ...args: readonly string[]) {
  const main = join(root, "dist/cli/main.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, command, ...args], {
    encoding: "utf8",
    cwd: root,
  });
  return { status, stdout, stderr };
}

interface Result {
  readonly verdict: string;
  readonly traces: string | null;
  readonly counterexample: { readonly token: string; readonly steps: number } | null;
}

/** The same in this process: nothing is started and loaded anew for each scenario. */
async function exploredHere(file: string, guard: string) {
  const { exploreScenario } = (await import(join(root, "dist/cli/exploration/scenario.js"))) as {
    exploreScenario: (file: string, flags: object) => Promise<number>;
  };
  const write = vi.spyOn(process.stdout, "write").mockImplementation((_text, ...rest) => {
    rest.forEach((one) => typeof one === "function" && one());
    return true;
  });
  try {
    const status = await exploreScenario(join(root, file), { json: true, guard });
    const stdout = write.mock.calls.map(([text]) => String(text)).join("");
    return { status, result: JSON.parse(stdout) as Result };
  } finally {
    write.mockRestore();
  }
}

function explored(file: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = run("explore", file, "--json", ...args);
  expect(stderr).toBe("");
  return { status, result: JSON.parse(stdout) as Result };
}

const LINK = "scenarios/ovs-link-delete.yaml";
/** Their faults take nothing away. */
const OTHERS = ["flap", "toa-fullnat", "two-hosts"].map((name) => `scenarios/${name}.yaml`);
/** Those of models and endpoints have tests of their own. */
const FILES = readdirSync(join(root, "scenarios"))
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => `scenarios/${file}`)
  .filter((file) => scenarioKind(readFileSync(join(root, file), "utf8")) === "switch");

const CASES = FILES.filter((file) => !OTHERS.includes(file)).flatMap((file) => {
  const { guard, expect: verdicts } = parseScenario(readFileSync(join(root, file), "utf8"), file);
  const guards = Object.keys(verdicts).filter((name) => name !== "default");
  return [...new Set([guard, ...guards])].map((name) => {
    return [file, name, verdicts[name] ?? verdicts.default] as const;
  });
});

describe("every scenario", () => {
  it.each(CASES)("%s, guard %s: %s in every schedule", async (file, guard, verdict) => {
    const { status, result } = await exploredHere(file, guard);
    expect(result).toMatchObject({ guard, verdict, expected: verdict, complete: true });
    expect(status).toBe(0);
    expect(result.counterexample === null).toBe(verdict === "SAFE");
  });

  it.each(OTHERS)("%s: says that its faults take nothing away", (file) => {
    const { status, stderr } = run("explore", file);
    expect(status).toBe(2);
    expect(stderr).toContain("no fault that takes a device or queues away");
    expect(stderr).toContain(file);
  });
});

describe("the cell of a scenario", () => {
  const cellOf = (file: string, ...changes: readonly [string, string][]) => {
    let text = readFileSync(join(root, file), "utf8");
    for (const [from, to] of changes) text = text.replaceAll(from, to);
    return scenarioCell(parseScenario(text, file));
  };

  it("packets have the queue_mapping that senders and the profile can give them", () => {
    const sortsOf = (...changes: readonly [string, string][]) => cellOf(LINK, ...changes).sorts;
    expect(sortsOf()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    // Before leftover transmit indices, a veth without XDP recorded nothing.
    expect(sortsOf(["guard: none", "guard: none\nprofile: '5.10'"])).toEqual([0]);
    // A tap always records a queue.
    expect(sortsOf(["name: noise,", "name: noise, kind: tun,"])).toContain(8);
    expect(sortsOf(["queues: 8", "queues: 1"])).toEqual([0]);
  });

  it("of a namespace, the port that load is sent to is taken away", () => {
    expect(cellOf("scenarios/ovs-netns-delete.yaml")).toMatchObject({
      event: "netns-delete",
      port: "server",
      queues: 16,
    });
  });
});

describe("packetpath explore SCENARIO", () => {
  it("a verdict that the scenario does not expect exits with 1", () => {
    const text = readFileSync(join(root, LINK), "utf8").replace("none: LOCKUP", "none: SAFE");
    const file = join(folder, "hopeful.yaml");
    writeFileSync(file, text);
    const { status, result } = explored(file);
    expect(status).toBe(1);
    expect(result).toMatchObject({ verdict: "LOCKUP", expected: "SAFE" });
  });

  it("the token repeats the schedule in another process", () => {
    const { counterexample } = explored(LINK).result;
    const again = explored(LINK, "--replay", counterexample!.token);
    expect(again).toMatchObject({ status: 0, result: { verdict: "LOCKUP", counterexample } });
    expect(counterexample!.token.length).toBeLessThanOrEqual(24);
  });

  it("a strategy that knows nothing of the reduction comes to the same", () => {
    const found = explored(LINK, "--strategy", "pct", "--seed", "7").result;
    expect(found.verdict).toBe("LOCKUP");
    const token = found.counterexample!.token;
    expect(explored(LINK, "--replay", token).result.verdict).toBe("LOCKUP");
    const safe = explored(LINK, "--strategy", "dpor", "--guard", "running-carrier").result;
    expect(safe).toMatchObject({ verdict: "SAFE", complete: true });
  });

  it("parts add up to the whole, and say of which guard they are", () => {
    const guard = ["--guard", "running-carrier"];
    const whole = explored(LINK, "--strategy", "dpor", ...guard).result;
    const parts = [0, 1, 2].map((i) => {
      const file = join(folder, `part-${i}.json`);
      expect(run("explore", LINK, ...guard, "--shard", `${i}/3`, "--out", file).status).toBe(0);
      return file;
    });
    const merged = run("merge", ...parts, "--json");
    expect(merged.status).toBe(0);
    expect(JSON.parse(merged.stdout)).toMatchObject({
      verdict: "SAFE",
      guard: "running-carrier",
      profile: "6.1",
      traces: whole.traces,
    });
    const foreign = join(folder, "foreign.json");
    run("explore", LINK, "--guard", "registered", "--shard", "2/3", "--out", foreign);
    const refused = run("merge", ...parts.slice(0, 2), foreign);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("another guard: registered, not running-carrier");
  });

  it.each([
    [[LINK, "--guard", "nonsense"], '"nonsense" is none of the guards'],
    [[LINK, "--guard", "./no-such-guard.ts"], "no such file"],
    [[LINK, "--jobs", "2"], "--jobs is for program files"],
    [[LINK, "--replay", "zzz"], "--replay"],
    [["scenarios/programs/seqlock.ts", "--guard", "none"], "--guard is for scenarios"],
  ])("%j is refused: %s", (args, message) => {
    const { status, stderr } = run("explore", ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
