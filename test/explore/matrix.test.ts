// The guard matrix: every cell of guard x kind x hint x profile x event against the model of the
// path, packets together against packets one by one, guards of users, what is wrong in them.
import { beforeAll, describe, expect, it } from "vitest";
import { openMatrix, runMatrix } from "../../src/explore/matrix/lab.js";
import type { MatrixCell } from "../../src/explore/matrix/matrix.js";
import { PROFILES } from "../../src/path/profiles.js";

const LOSES_CARRIER_BEFORE_ZERO = ["veth", "bond"];
const OWN_SELECTOR = ["tun", "internal"];

/** Which cells lock up: the table of the kernel's own sources. */
function locksUp({ guard, kind, hint, profile, event }: MatrixCell): boolean {
  const zeroes = PROFILES.find(({ id }) => id === profile)!.zeroesQueueCounts;
  if (!zeroes || OWN_SELECTOR.includes(kind)) return false;
  // Unpublished before the device is touched, or not unregistered at all.
  if (event === "del-port" || event === "netns-move") return false;
  if (!hint && kind !== "bond") return false;
  if (guard === "none" || guard === "qcount") return true;
  return guard === "carrier" && !LOSES_CARRIER_BEFORE_ZERO.includes(kind);
}

describe("the matrix", () => {
  let cells: readonly MatrixCell[] = [];

  beforeAll(async () => {
    ({ cells } = await runMatrix());
  });

  it("has every cell, and each is decided", () => {
    expect(cells.length).toBe(6 * 2 * PROFILES.length * (3 * 7 + 8));
    expect(cells.filter(({ bound }) => bound !== null)).toEqual([]);
  });

  it("locks up exactly where the kernel's sources say", () => {
    const wrong = cells.filter((cell) => (cell.verdict === "LOCKUP") !== locksUp(cell));
    expect(wrong).toEqual([]);
    expect(cells.filter(({ verdict }) => !["SAFE", "LOCKUP"].includes(verdict))).toEqual([]);
  });

  it("has a way of one switch to each lockup, in a token of 24 characters at most", () => {
    const bad = cells.filter(({ verdict }) => verdict !== "SAFE");
    expect(bad.length).toBeGreaterThan(0);
    for (const { switches, token } of bad) {
      expect(switches).toBe(1);
      expect(token!.length).toBeLessThanOrEqual(24);
    }
  });

  it("shares no result between profiles that differ: each by itself says the same", async () => {
    const kinds = ["veth", "bond"];
    for (const { id } of PROFILES) {
      const alone = await runMatrix({ kinds, profiles: [id], events: ["link-delete"] });
      for (const cell of alone.cells) {
        expect(cell.sameAs).toBeNull();
        const shared = cells.find((other) => nameOf(other) === nameOf(cell))!;
        expect([nameOf(cell), shared.verdict]).toEqual([nameOf(cell), cell.verdict]);
      }
    }
  });
});

function nameOf({ guard, kind, hint, profile, event }: MatrixCell): string {
  return [guard, kind, hint, profile, event].join("/");
}

describe("what was searched before a cell", () => {
  it("changes nothing of what is said of it, the numbers of states neither", async () => {
    const kinds = ["veth", "tun", "bond"];
    const request = {
      kinds,
      profiles: ["5.4-stable", "6.12"],
      events: ["link-delete", "del-port"],
    };
    const forwards = (await openMatrix(request)).run().cells;
    const matrix = await openMatrix(request);
    const backwards = matrix
      .coordinates()
      .reverse()
      .map((at) => matrix.decide(at));
    const said = ({ seconds: _s, sameAs: _as, ...rest }: MatrixCell) => rest;
    expect(backwards.reverse().map(said)).toEqual(forwards.map(said));
  });
});

describe("packets of two CPUs together", () => {
  // An ifb has a queueing discipline, which a dummy has not: its product is far larger.
  it.each([
    ["dummy", {}],
    ["ifb", { guards: ["none", "carrier", "running-carrier"], hints: [true] }],
  ])("say the same as one by one: %s", async (kind, some) => {
    const request = { kinds: [kind], profiles: ["6.12"], events: ["link-delete"], ...some };
    const together = await runMatrix({ ...request, product: true });
    const alone = await runMatrix(request);
    expect(together.cells.every(({ oneByOne }) => !oneByOne)).toBe(true);
    expect(alone.cells.every(({ oneByOne }) => oneByOne)).toBe(true);
    expect(together.cells.map(({ verdict }) => verdict)).toEqual(
      alone.cells.map(({ verdict }) => verdict),
    );
  });

  it("are four CPUs with three packets each, too", async () => {
    const { cells } = await runMatrix({
      guards: ["running-carrier", "none"],
      kinds: ["veth"],
      hints: [true],
      profiles: ["6.12"],
      events: ["link-delete"],
      cpus: 4,
      packets: 3,
    });
    expect(cells.map(({ verdict }) => verdict)).toEqual(["SAFE", "LOCKUP"]);
  });

  it.each(["veth", "tun"])("with a timer and backlogs worked off later, too: %s", async (kind) => {
    const request = {
      guards: ["running-carrier", "none"],
      kinds: [kind],
      hints: [true],
      profiles: ["6.12"],
      events: ["link-delete"],
      cpus: 4,
      packets: 3,
    };
    const plain = await runMatrix(request);
    const { cells } = await runMatrix({ ...request, timer: true, softirq: true });
    const unguarded = kind === "tun" ? "SAFE" : "LOCKUP";
    expect(cells.map(({ verdict }) => verdict)).toEqual(["SAFE", unguarded]);
    cells.forEach(({ states }, i) => {
      // The timer is there; and the case stays far below ten million states.
      expect(states).toBeGreaterThan(plain.cells[i]!.states);
      expect(states).toBeLessThan(100_000);
    });
  });
});

const ONE = { kinds: ["veth"], hints: [true], profiles: ["6.12"], events: ["link-delete"] };

function guard(text: string) {
  return { ...ONE, guard: { file: "my-guard.ts", text } };
}

describe("a guard of a user's own", () => {
  it("that is the kernel's is SAFE", async () => {
    const { cells } = await runMatrix(
      guard("export default (dev) => dev.running && dev.carrierOk;"),
    );
    expect(cells.map((cell) => [cell.guard, cell.verdict])).toEqual([["my-guard.ts", "SAFE"]]);
  });

  it("that looks at the count is too late: the count is read again", async () => {
    const text = "export default function own(dev) { return dev.realNumTxQueues > 0; }";
    const matrix = await openMatrix(guard(text));
    const [cell] = matrix.run().cells;
    expect([cell!.verdict, cell!.switches]).toEqual(["LOCKUP", 3]);
    const told = matrix.tell(cell!, null)!;
    expect(told.counterexample.minimal).toBe(true);
    const lines = told.counterexample.timeline.map(
      ({ thread, text: step }) => `${thread}: ${step}`,
    );
    expect(lines).toContain("admin: st dev0.realNumTxQueues := 0");
    expect(lines.at(-1)).toMatch(/^rx0: the same values again/);
  });

  it.each([
    ["with helpers of its own", "const up = (d) => d.up; export default (dev) => up(dev);", "SAFE"],
    ["that reads nothing", "export default () => true;", "LOCKUP"],
    ["that refuses everything", "export default () => false;", "SAFE"],
    ["of the packet", "export default (dev, skb) => skb.queueMapping === 0;", "SAFE"],
    // Nobody writes that word: no step in the loop is one that anybody else could notice.
    ["that waits for ever", "export default (d) => { while (d.numTxQueues); }", "LOCKUP"],
    ["of the registration", "export default (d) => { return d.regState === 1; };", "SAFE"],
  ])("%s", async (_name, text, verdict) => {
    const { cells } = await runMatrix(guard(text));
    expect(cells[0]!.verdict).toBe(verdict);
  });

  it.each([
    ["a syntax error", "export default (dev => dev.up;", /my-guard\.ts|expected/],
    ["no function", "export default 3;", /not a function/],
    ["no export", "const x = 1;", /not a function/],
    ["an import", 'import fs from "node:fs"; export default () => fs.x;', /import|node:fs/],
    ["an endless loop", "export default () => { while (true) {} };", /loop/],
    ["the process", "export default () => process.pid > 3;", /process/],
  ])("is refused for %s", async (_name, text, message) => {
    await expect(runMatrix(guard(text))).rejects.toThrow(message);
  });

  it.each([
    [{ guards: ["carier"] }, /"carier" is none of the guards/],
    [{ kinds: ["vet"] }, /"vet" is none of the kinds/],
    [{ profiles: ["7.0"] }, /"7.0" is none of the profiles/],
    [{ cpus: 0 }, /cpus 0: expected 1 to/],
  ])("unknown values are named: %j", async (request, message) => {
    await expect(openMatrix(request)).rejects.toThrow(message);
  });
});
