// How long requests took: the percentile curve, its x axis logarithmic towards 100 % so that the
// last hundredth of the requests is as visible as the first half. Pure; any thread.
import { duration, grouped, total } from "../text.js";
import type { RunRecord } from "../types.js";
import { folded, html, section, table, type Markup } from "./markup.js";
import { at, axis, figure, linePath, ticks, type Drawing, type Scale, type Size } from "./scale.js";

const HEIGHT = 170;

interface Step {
  /** Fraction of requests that took at most `upToMs`. */
  readonly fraction: number;
  readonly upToMs: number;
  readonly count: number;
}

/** The section: curve, table and failures by kind. */
export function latencySection(record: RunRecord): Markup {
  const { requests, bystander } = record.report;
  const steps = cumulative(record.latencyHistogram);
  const { p50, p99, max } = requests.latencyMs;
  const curve =
    steps.length === 0
      ? html`<p class="none">No request was answered, so there is no latency to show.</p>`
      : html`<p>
            Half of the requests were answered within <b>${duration(p50)}</b>, 99 % within
            <b>${duration(p99)}</b>, the slowest took <b>${duration(max)}</b>.
          </p>
          ${figure("Latency of answered requests by percentile", (size) => draw(steps, size))}
          ${folded("Latency as a table", latencyTable(steps))}`;
  const failed = [
    ...Object.entries(requests.failed).map(([kind, n]) => ["requests", kind, grouped(n)] as const),
    ...Object.entries(bystander.failed).map(
      ([kind, n]) => ["bystander", kind, grouped(n)] as const,
    ),
  ];
  const failures =
    failed.length === 0
      ? null
      : table({
          caption: "Failed requests",
          head: ["load", "phase and errno", "#count"],
          rows: failed,
        });
  return section("latency", "Latency", "", html`${curve}${failures}`);
}

function cumulative(histogram: RunRecord["latencyHistogram"]): Step[] {
  const sorted = histogram
    .filter((bin) => bin.count > 0 && Number.isFinite(bin.upToMs))
    .sort((a, b) => a.upToMs - b.upToMs);
  const all = total(Object.fromEntries(sorted.map((bin, i) => [String(i), bin.count])));
  let sum = 0;
  return sorted.map((bin) => {
    sum += bin.count;
    return { fraction: sum / all, upToMs: bin.upToMs, count: bin.count };
  });
}

/** 0 at the fastest request, 1 at 90 %, 2 at 99 % and so on. */
function nines(fraction: number, most: number): number {
  return Math.min(most, -Math.log10(Math.max(1e-12, 1 - fraction)));
}

function draw(steps: readonly Step[], size: Size): Drawing {
  const top = 10;
  const bottom = top + HEIGHT;
  const all = steps.reduce((sum, step) => sum + step.count, 0);
  const most = Math.max(1, Math.log10(all));
  const x: Scale = { from: 0, to: most, start: size.left, end: size.width - size.right };
  const low = steps[0]!.upToMs;
  const high = steps.at(-1)!.upToMs;
  // Linear from 0 unless the slowest would flatten all others.
  const log = high > 30 * Math.max(low, 0.001);
  const value = (ms: number) => (log ? Math.log10(Math.max(ms, 0.001)) : ms);
  const from = log ? Math.floor(value(low)) : 0;
  const to = log ? Math.max(from + 1, value(high * 1.15)) : Math.max(0.001, high * 1.1);
  const y: Scale = { from, to, start: bottom, end: top };
  const points: (readonly [number, number])[] = [];
  let before = 0;
  for (const step of steps) {
    const py = at(y, value(step.upToMs));
    points.push([at(x, nines(before, most)), py], [at(x, nines(step.fraction, most)), py]);
    before = step.fraction;
  }
  const marks = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999]
    .filter((fraction) => nines(fraction, 9) <= most + 1e-9)
    .map(
      (fraction) => [nines(fraction, 9), `${Number((fraction * 100).toPrecision(7))} %`] as const,
    );
  const content = html`${latencyAxis(y, x, log)}${axis(x, top, bottom, marks)}
    <path class="line-a" d="${linePath(points)}" />${dots(steps, x, y, { most, value })}`;
  return { height: bottom + 22, content };
}

function latencyAxis(y: Scale, x: Scale, log: boolean): Markup {
  const values = log
    ? Array.from({ length: Math.floor(y.to) - y.from + 1 }, (_, i) => y.from + i)
    : ticks(y.from, y.to, 4);
  const marks = values.map((value) => {
    const py = at(y, value);
    const text = duration(log ? 10 ** value : value);
    return html`<line class="grid" x1="${x.start}" x2="${x.end}" y1="${py}" y2="${py}" />
      <text class="tick" x="${x.start - 6}" y="${py + 4}" text-anchor="end">${text}</text>`;
  });
  return html`<g aria-hidden="true">${marks}</g>`;
}

/** The percentiles that people quote, as dots with their value. */
function dots(
  steps: readonly Step[],
  x: Scale,
  y: Scale,
  scale: { readonly most: number; readonly value: (ms: number) => number },
): Markup {
  const marks = [0.5, 0.99, 1].map((fraction) => {
    const step = steps.find((one) => one.fraction >= fraction - 1e-12) ?? steps.at(-1)!;
    const px = at(x, nines(fraction, scale.most));
    const py = at(y, scale.value(step.upToMs));
    const anchor = px > x.end - 60 ? "end" : "start";
    const dx = anchor === "end" ? -7 : 7;
    const dy = py < y.end + 14 ? 16 : -7;
    const name = fraction === 1 ? "max" : `p${fraction * 100}`;
    return html`<circle class="dot" cx="${px}" cy="${py}" r="4" /><text
        class="value"
        x="${px + dx}"
        y="${py + dy}"
        text-anchor="${anchor}"
        >${name} ${duration(step.upToMs)}</text
      >`;
  });
  return html`<g>${marks}</g>`;
}

function latencyTable(steps: readonly Step[]): Markup {
  return table({
    caption: "Requests by latency",
    head: ["#up to", "#requests", "#share so far"],
    rows: steps.map((step) => [
      duration(step.upToMs),
      grouped(step.count),
      `${(step.fraction * 100).toFixed(3)} %`,
    ]),
  });
}
