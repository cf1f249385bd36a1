// The whole run on one time axis: requests, frames per second, and what every thread did, with
// the faults marked through all three. Pure; any thread.
import { grouped, moment, plural, trigger } from "../text.js";
import type { RunRecord, Sample } from "../types.js";
import {
  drawBars,
  drawTracks,
  hatchPattern,
  laneLegend,
  laneRows,
  lanesOf,
  type Lane,
} from "./lanes.js";
import { folded, html, section, table, type Markup } from "./markup.js";
import {
  areaPath,
  at,
  clamped,
  countAxis,
  figure,
  linePath,
  runTime,
  thinned,
  timeAxis,
  type Drawing,
  type Scale,
  type Size,
} from "./scale.js";

const POINTS_MAX = 480;
const LANES_MAX = 40;
const CHART_HEIGHT = 120;

interface Series {
  readonly name: string;
  readonly style: string;
  readonly values: readonly number[];
  readonly filled: boolean;
}

/** The section, or a sentence when the run recorded neither samples nor lanes. */
export function runOverTime(record: RunRecord): Markup {
  const samples = thinned(record.samples, POINTS_MAX);
  if (samples.length < 2 && record.lanes.length === 0) {
    return section("time", "Over time", "", html`<p class="none">Nothing was sampled.</p>`);
  }
  const endMs = Math.max(
    record.report.seconds * 1000,
    samples.at(-1)?.atMs ?? 0,
    ...record.report.faults.map((fault) => fault.firedAtMs ?? 0),
  );
  const all = lanesOf(record.lanes);
  const lanes = all.slice(0, LANES_MAX);
  const charts =
    samples.length < 2
      ? []
      : [
          samples.every((sample) => sample.requestsSent === 0)
            ? null
            : chart("Requests", requestSeries(samples), samples, { record, endMs }),
          chart("Frames per second", frameSeries(samples), samples, { record, endMs }),
        ];
  const hidden = all.length - lanes.length;
  const more =
    hidden > 0 ? html`<p class="note">${plural(hidden, "more lane")} not shown.</p>` : null;
  const threads =
    lanes.length === 0
      ? null
      : html`<h3>Threads</h3>
          ${laneLegend(record.lanes)}${figure(
            "What each thread was doing over the whole run",
            (size) => drawThreads(lanes, size, record, endMs),
          )}${more}${folded(
            "Threads as a table",
            table({
              caption: "What each thread was doing, forwarding and idle left out",
              head: ["thread", "state", "#from", "#to"],
              rows: laneRows(all, 200),
            }),
          )}`;
  return section("time", "Over time", faultKey(record), html`${charts}${threads}`);
}

/** What the numbered marks in the pictures are. */
function faultKey(record: RunRecord): Markup | null {
  const fired = record.report.faults.flatMap((fault, index) =>
    fault.firedAtMs === null
      ? []
      : [
          html`<li>
            <b class="mark">${index + 1}</b> ${fault.kind} ${fault.target} at
            ${moment(fault.firedAtMs)} <span class="quiet">(${trigger(fault.at)})</span>
          </li>`,
        ],
  );
  return fired.length === 0
    ? null
    : html`<ul class="faultkey">
        ${fired}
      </ul>`;
}

function requestSeries(samples: readonly Sample[]): Series[] {
  return [
    { name: "in flight", style: "a", values: samples.map((s) => s.inFlight), filled: true },
    { name: "answered", style: "good", values: samples.map((s) => s.requestsOk), filled: false },
    { name: "failed", style: "bad", values: samples.map((s) => s.requestsFailed), filled: false },
  ];
}

function frameSeries(samples: readonly Sample[]): Series[] {
  return [
    { name: "in", style: "a", values: rates(samples, (s) => s.framesIn), filled: true },
    { name: "out", style: "b", values: rates(samples, (s) => s.framesOut), filled: false },
    {
      name: "dropped",
      style: "bad",
      values: rates(samples, (s) => s.framesDropped),
      filled: false,
    },
  ];
}

/** Differences of a running total, per second; the first point repeats the second. */
function rates(samples: readonly Sample[], of: (sample: Sample) => number): number[] {
  const values = samples.map((sample, i) => {
    const before = samples[i - 1];
    if (before === undefined || sample.atMs <= before.atMs) return 0;
    return Math.max(0, ((of(sample) - of(before)) / (sample.atMs - before.atMs)) * 1000);
  });
  if (values.length > 1) values[0] = values[1]!;
  return values;
}

interface ChartContext {
  readonly record: RunRecord;
  readonly endMs: number;
}

function chart(
  title: string,
  series: readonly Series[],
  samples: readonly Sample[],
  context: ChartContext,
): Markup {
  const keys = series.map((one) => html`<li><i class="key line-${one.style}"></i>${one.name}</li>`);
  const rows = thinned(samples, 24).map((sample) => {
    const index = samples.indexOf(sample);
    return [moment(sample.atMs), ...series.map((one) => grouped(one.values[index]!))];
  });
  return html`<h3>${title}</h3>
    <ul class="legend">
      ${keys}
    </ul>
    ${figure(`${title} over time`, (size) => drawChart(series, samples, size, context))}
    ${folded(
      `${title} as a table`,
      table({
        caption: `${title} over time`,
        head: ["#at", ...series.map((one) => `#${one.name}`)],
        rows,
      }),
    )}`;
}

function drawChart(
  series: readonly Series[],
  samples: readonly Sample[],
  size: Size,
  context: ChartContext,
): Drawing {
  const top = 18;
  const bottom = top + CHART_HEIGHT;
  const x = runScale(size, context.endMs);
  const highest = Math.max(1, ...series.flatMap((one) => one.values));
  const y: Scale = { from: 0, to: highest * 1.05, start: bottom, end: top };
  const lines = series.map((one) => {
    const points = samples.map((s, i) => [at(x, s.atMs), at(y, one.values[i]!)] as const);
    const area = one.filled
      ? html`<path class="area-${one.style}" d="${areaPath(points, bottom)}" />`
      : null;
    return html`${area}<path class="line-${one.style}" d="${linePath(points)}" />`;
  });
  const values = JSON.stringify({
    at: samples.map((s) => Math.round(s.atMs)),
    series: series.map((one) => ({ name: one.name, values: one.values.map(Math.round) })),
  });
  const content = html`${countAxis(y, x)}${timeAxis(x, top, bottom, runTime)}
    ${lines}${faultMarks(context.record, x, top, bottom)}
    <g
      class="plot"
      data-x0="${x.start}"
      data-x1="${x.end}"
      data-y0="${top}"
      data-y1="${bottom}"
      data-from="${x.from}"
      data-to="${x.to}"
      data-values="${values}"
    ></g>`;
  return { height: bottom + 22, content };
}

function runScale(size: Size, endMs: number): Scale {
  return { from: 0, to: Math.max(1, endMs), start: size.left, end: size.width - size.right };
}

function drawThreads(
  lanes: readonly Lane[],
  size: Size,
  record: RunRecord,
  endMs: number,
): Drawing {
  const top = 18;
  const rowHeight = lanes.length > 16 ? 11 : 15;
  const bottom = top + lanes.length * rowHeight + 2;
  const x = runScale(size, endMs);
  const hatch = `hatch-run-${size.name}`;
  const layout = { x, top, rowHeight, labels: false, time: moment, hatch };
  const content = html`${hatchPattern(hatch)}${timeAxis(x, top, bottom, runTime)}
    ${drawTracks(lanes, layout)}${drawBars(lanes, layout)}${faultMarks(record, x, top, bottom)}
    <g
      class="plot"
      data-x0="${x.start}"
      data-x1="${x.end}"
      data-y0="${top}"
      data-y1="${bottom}"
      data-from="${x.from}"
      data-to="${x.to}"
    ></g>`;
  return { height: bottom + 22, content };
}

/** A dashed line and a number for each fault that fired. */
function faultMarks(record: RunRecord, x: Scale, top: number, bottom: number): Markup {
  let free = Number.NEGATIVE_INFINITY;
  const marks = record.report.faults.flatMap((fault, index) => {
    if (fault.firedAtMs === null) return [];
    const px = at(x, fault.firedAtMs);
    const cx = Math.min(Math.max(px, free), clamped(x, x.to));
    free = cx + 17;
    return [
      html`<line class="fault" x1="${px}" x2="${px}" y1="${top - 4}" y2="${bottom}" />
        <circle class="fault-dot" cx="${cx}" cy="${top - 9}" r="7.5"
          ><title>${fault.kind} ${fault.target}, ${moment(fault.firedAtMs)}</title></circle
        ><text class="fault-number" x="${cx}" y="${top - 5.5}" text-anchor="middle"
          >${index + 1}</text
        >`,
    ];
  });
  return html`<g>${marks}</g>`;
}
