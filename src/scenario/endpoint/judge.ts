// From what a run of an endpoint has gathered to its report: what each number is held against, and
// the sentence that says why. Pure; main thread.
import type { EndpointReport, StopTimes } from "../../report/endpoint/types.js";
import type { Verdict } from "../../report/types.js";
import type { EndpointCounts } from "../../worker/endpoint/view.js";
import type { EndpointOutcome, EndpointRunOptions } from "./run.js";
import type { EndpointScenario } from "./schema.js";

export interface Gathered {
  readonly scenario: EndpointScenario;
  readonly options: Pick<EndpointRunOptions, "backend" | "command" | "outFolder">;
  readonly outcome: EndpointOutcome;
  readonly counts: EndpointCounts;
  readonly leaks: EndpointReport["leaks"];
  readonly seconds: number;
}

export function judge(gathered: Gathered): EndpointReport {
  const { scenario, options, outcome, leaks, seconds } = gathered;
  const { name, expect } = scenario;
  const { design, queues, stopWithinMs } = scenario.endpoint;
  const { idleStops, floodStops, deadlock, flood } = outcome;
  const stopMs = {
    idle: timesOf(idleStops),
    flood: timesOf(floodStops),
    within: stopWithinMs,
  };
  const frames = framesOf(gathered.counts);
  const { verdict, why } = verdictOf(gathered, stopMs, frames);
  return {
    schemaVersion: 1,
    scenario: name,
    backend: options.backend,
    ...{ guard: null, profile: null, seed: null },
    design,
    queues,
    verdict,
    expected: expect[design],
    why,
    cycles: { idle: idleStops.length, flood: floodStops.length },
    stopMs,
    cycle: deadlock?.sides ?? [],
    detectedAfterMs: outcome.detectedAfterMs,
    frames,
    flood: { sent: flood?.sent ?? 0, errors: flood?.errors ?? {} },
    process: outcome.process,
    leaks,
    seconds,
    command: options.command,
    folder: options.outFolder,
  };
}

/** Percentiles by the nearest rank; null of nothing. */
export function timesOf(stops: readonly number[]): StopTimes | null {
  if (stops.length === 0) return null;
  const sorted = [...stops].sort((x, y) => x - y);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function framesOf(counts: EndpointCounts): EndpointReport["frames"] {
  const { taken, delivered, dropped, inHand, takenAfterStop } = counts;
  const drops = Object.values(dropped).reduce((sum, one) => sum + one, 0);
  return {
    in: taken,
    out: delivered,
    drops: { ...dropped },
    inHand,
    balanced: taken === delivered + drops + inHand,
    afterStop: takenAfterStop,
  };
}

function verdictOf(
  { scenario, outcome, leaks, counts }: Gathered,
  stopMs: EndpointReport["stopMs"],
  frames: EndpointReport["frames"],
): { verdict: Verdict; why: string } {
  const { queues } = scenario.endpoint;
  const { deadlock, failure, invalid, idleStops, floodStops } = outcome;
  if (deadlock !== null) return { verdict: "DEADLOCK", why: deadlock.text };
  if (failure !== null) return { verdict: "ASSERT", why: failure };
  if (invalid !== null) return { verdict: "INVALID", why: invalid };
  const left = Object.values(leaks).reduce((sum, one) => sum + one, 0);
  if (left > 0) return { verdict: "LEAK", why: `left behind: ${JSON.stringify(leaks)}` };
  const stops = idleStops.length + floodStops.length;
  const claims: [holds: boolean, otherwise: string][] = [
    [frames.balanced && frames.inHand === 0, `packets are missing: ${JSON.stringify(frames)}`],
    [frames.afterStop <= queues * stops, `${frames.afterStop} packets were read after a stop`],
    [counts.handlerErrors === 0, `the handler failed ${counts.handlerErrors} times`],
    [isWithin(stopMs, "idle"), `p99 of stops without traffic: ${stopMs.idle?.p99} ms`],
    [isWithin(stopMs, "flood"), `p99 of stops under the flood: ${stopMs.flood?.p99} ms`],
    [isSteady(outcome.process), `threads or descriptors: ${JSON.stringify(outcome.process)}`],
  ];
  const broken = claims.find(([holds]) => !holds);
  if (broken !== undefined) return { verdict: "ASSERT", why: broken[1] };
  const what = `${stops} times attached and detached`;
  return { verdict: "SAFE", why: `${what}; every stop has ended, no packet is missing` };
}

/** Neither threads nor descriptors have become more or fewer. */
function isSteady({ idle, flood }: EndpointReport["process"]): boolean {
  const ranges = [idle.threads, idle.fds, flood.threads, flood.fds];
  return ranges.every((one) => one === null || one.least === one.most);
}

function isWithin({ within, ...times }: EndpointReport["stopMs"], phase: "idle" | "flood") {
  return (times[phase]?.p99 ?? 0) <= within[phase];
}
