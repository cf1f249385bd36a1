// Scenarios of endpoints: what they may say, what is refused where, and what a run of one is judged
// by. Real runs are in test/e2e/endpoint.test.ts.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { DESIGNS } from "../../src/models/endpoint/variants.js";
import { endpointText } from "../../src/report/endpoint/text.js";
import { type Gathered, judge, timesOf } from "../../src/scenario/endpoint/judge.js";
import { parseEndpointScenario } from "../../src/scenario/endpoint/parse.js";
import { DESIGN_NAMES } from "../../src/scenario/endpoint/schema.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { scenarioKind } from "../../src/scenario/text/kind.js";

const FILE = new URL("../../scenarios/endpoint-shutdown.yaml", import.meta.url);
const TEXT = readFileSync(FILE, "utf8");

function errorsOf(text: string, set: readonly string[] = []): string[] {
  try {
    parseEndpointScenario(text, "x.yaml", set);
    return [];
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    return [error, ...error.others].map(String);
  }
}

describe("the text of a scenario of an endpoint", () => {
  it("has defaults for everything, and what the file says is what they are", () => {
    const whole = parseEndpointScenario(TEXT, "x.yaml");
    const short = parseEndpointScenario("name: a\nendpoint: {}\n", "x.yaml");
    expect(short.endpoint).toEqual(whole.endpoint);
    expect(short.expect).toEqual(whole.expect);
    expect(whole.name).toBe("endpoint-shutdown");
    expect(TEXT).toContain("$schema=./scenario.schema.json");
  });

  it("may name the designs that can run", () => {
    expect(Object.keys(DESIGNS)).toEqual([...DESIGN_NAMES]);
    const set = ["endpoint.design=buggy", "endpoint.flood.flows=3"];
    const { endpoint } = parseEndpointScenario(TEXT, "x.yaml", set);
    expect([endpoint.design, endpoint.flood.flows]).toEqual(["buggy", 3]);
  });

  it.each([
    ["design: fixed", "design: broken", "12:11: error: endpoint.design: expected one of fixed"],
    ["queues: 4\n", "queues: 65\n", "13:11: error: endpoint.queues: expected at most 64, not 65"],
    ["cycles: 1000", "cycle: 1000", '15:3: error: endpoint.cycle: unknown key "cycle" (did you'],
    ["flows: 64", "flows: 0", "17:19: error: endpoint.flood.flows: expected at least 1, not 0"],
    ["idle: 50", "idle: fast", "18:25: error: endpoint.stopWithinMs.idle: expected a number"],
    ["fixed: SAFE", "fixed: FINE", "20:18: error: expect.fixed: expected one of SAFE"],
    ["name: endpoint-shutdown\n", "", "8:1: error: name: missing"],
  ])("%j -> %j is refused with its place", (from, to, place) => {
    const errors = errorsOf(TEXT.replace(from, to));
    expect(errors.map((one) => one.startsWith(`x.yaml:${place}`))).toEqual([true]);
  });

  it("--set may name only what there is", () => {
    expect(errorsOf(TEXT, ["endpoint.desing=buggy"])[0]).toContain("desing");
  });

  it("is told from others by its key, and is no scenario of a switch", () => {
    expect(scenarioKind(TEXT)).toBe("endpoint");
    expect(() => parseScenario(TEXT, "x.yaml")).toThrow("this scenario is of an endpoint");
  });
});

const NONE = { runt: 0, foreign: 0, detached: 0 };
const range = { threads: { least: 9, most: 9 }, fds: { least: 20, most: 20 } };
const COUNTS = {
  taken: 10,
  delivered: 9,
  dropped: { ...NONE, foreign: 1 },
  inHand: 0,
  takenAfterStop: 1,
  handlerErrors: 0,
  written: 1,
  refusals: { down: 0, gone: 0, other: 0 },
};

function gathered(more: Partial<Gathered["outcome"]> = {}, counts = COUNTS): Gathered {
  return {
    scenario: parseEndpointScenario(TEXT, "x.yaml"),
    options: { backend: "memory", command: "again", outFolder: null },
    outcome: {
      idleStops: [1],
      floodStops: [1, 2, 3],
      deadlock: null,
      detectedAfterMs: null,
      failure: null,
      invalid: null,
      process: { idle: range, flood: range },
      flood: { sent: 10, received: 0, errors: {}, seconds: 1, latencyMs: null },
      ...more,
    },
    counts,
    leaks: { namespaces: 0, devices: 0, fds: 0, workers: 0 },
    seconds: 1,
  };
}

describe("what a run is judged by", () => {
  it("SAFE: every stop has ended in time, nothing is missing, nothing grows", () => {
    const report = judge(gathered());
    expect(report).toMatchObject({ verdict: "SAFE", expected: "SAFE", frames: { balanced: true } });
    expect(endpointText(report)).toMatch(/^ SAFE {2}endpoint-shutdown, design fixed, memory/);
  });

  it.each([
    ["a packet is missing", {}, { ...COUNTS, delivered: 8 }, "packets are missing"],
    ["a packet is kept", {}, { ...COUNTS, delivered: 8, inHand: 1 }, "packets are missing"],
    ["the handler failed", {}, { ...COUNTS, handlerErrors: 2 }, "the handler failed 2 times"],
    ["reading goes on", {}, { ...COUNTS, takenAfterStop: 17 }, "17 packets were read after a stop"],
    ["idle is late", { idleStops: [51] }, COUNTS, "p99 of stops without traffic: 51 ms"],
    ["flood is late", { floodStops: [201] }, COUNTS, "p99 of stops under the flood: 201 ms"],
    [
      "a thread is left",
      { process: { idle: range, flood: { ...range, threads: { least: 9, most: 10 } } } },
      COUNTS,
      "threads or descriptors",
    ],
    ["a thread died", { failure: "loop0 has ended by itself" }, COUNTS, "loop0 has ended"],
  ])("ASSERT: %s", (_name, outcome, counts, why) => {
    const report = judge(gathered(outcome, counts));
    expect(report.verdict).toBe("ASSERT");
    expect(report.why).toContain(why);
  });

  it("LEAK, INVALID and DEADLOCK come before", () => {
    const leaks = { namespaces: 0, devices: 1, fds: 0, workers: 0 };
    expect(judge({ ...gathered(), leaks }).verdict).toBe("LEAK");
    expect(judge(gathered({ invalid: "interrupted" })).verdict).toBe("INVALID");
    const side = { thread: "loop0", tid: 7, holds: ["a packet"], in: "RLock", waitsFor: "mu" };
    const deadlock = { sides: [side], others: [], confirmedAfterMs: 50, text: "a circle" };
    const report = judge({ ...gathered({ deadlock, detectedAfterMs: 100 }), leaks });
    expect(report).toMatchObject({ verdict: "DEADLOCK", why: "a circle", cycle: [side] });
    expect(endpointText(report)).toContain("[7] holds a packet; waits in RLock for mu");
  });

  it("percentiles are those of the nearest rank", () => {
    const stops = Array.from({ length: 100 }, (_one, i) => 100 - i);
    expect(timesOf(stops)).toEqual({ p50: 50, p99: 99, max: 100 });
    expect(timesOf([3])).toEqual({ p50: 3, p99: 3, max: 3 });
    expect(timesOf([])).toBeNull();
  });
});
