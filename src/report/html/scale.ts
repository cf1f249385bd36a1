// Scales, ticks and paths for the hand-made SVG. Every chart is drawn twice, for a wide and for a
// narrow page, because scaling one picture makes its text unreadable at one end; CSS shows the
// one that fits. Pure; any thread.
import { duration, grouped, short } from "../text.js";
import { html, type Markup } from "./markup.js";

export interface Size {
  readonly name: "wide" | "narrow";
  readonly width: number;
  /** Room for lane names and y labels. */
  readonly left: number;
  readonly right: number;
}

export const SIZES: readonly Size[] = [
  { name: "wide", width: 980, left: 92, right: 16 },
  { name: "narrow", width: 380, left: 66, right: 8 },
];

/** Draws a chart in both sizes. `title` is what a screen reader says instead. */
export function figure(title: string, draw: (size: Size) => Drawing): Markup {
  const pictures = SIZES.map((size) => {
    const { height, content } = draw(size);
    return html`<svg
      class="${size.name}"
      viewBox="0 0 ${size.width} ${height}"
      role="img"
      aria-label="${title}"
    >
      <title>${title}</title>
      ${content}
    </svg>`;
  });
  return html`<figure>${pictures}</figure>`;
}

export interface Drawing {
  readonly height: number;
  readonly content: Markup;
}

/** Maps [from, to] to [start, end]; values outside are kept outside. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
}

export function at(scale: Scale, value: number): number {
  const range = scale.to - scale.from;
  if (range === 0) return scale.start;
  return scale.start + ((value - scale.from) / range) * (scale.end - scale.start);
}

/** Like `at`, but never outside the drawing. */
export function clamped(scale: Scale, value: number): number {
  const low = Math.min(scale.start, scale.end);
  const high = Math.max(scale.start, scale.end);
  return Math.min(high, Math.max(low, at(scale, value)));
}

/** Round values inside [from, to], about `count` of them. */
export function ticks(from: number, to: number, count: number): number[] {
  const range = to - from;
  if (!(range > 0) || !Number.isFinite(range)) return [from];
  const raw = range / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) ?? 10 * power;
  const values: number[] = [];
  // Adding 0 turns -0, which prints as 0 but is not equal to it, into 0.
  const first = Math.ceil(from / step - 1e-9) + 0;
  for (let i = first; i * step <= to + step * 1e-9 && values.length < 50; i++) {
    values.push(i * step);
  }
  return values;
}

/** The x axis of a stretch of time, with grid lines from `top` to `bottom`. */
export function timeAxis(
  x: Scale,
  top: number,
  bottom: number,
  label: (ms: number) => string,
): Markup {
  const values = ticks(x.from, x.to, Math.max(2, Math.round((x.end - x.start) / 110)));
  return axis(
    x,
    top,
    bottom,
    values.map((value) => [value, label(value)]),
  );
}

/** An x axis whose labels are given. */
export function axis(
  x: Scale,
  top: number,
  bottom: number,
  labels: readonly (readonly [number, string])[],
): Markup {
  const marks = labels.map(([value, text]) => {
    const px = at(x, value);
    const anchor = px > x.end - 24 ? "end" : px < x.start + 12 ? "start" : "middle";
    return html`<line class="grid" x1="${px}" x2="${px}" y1="${top}" y2="${bottom}" />
      <text class="tick" x="${px}" y="${bottom + 14}" text-anchor="${anchor}">${text}</text>`;
  });
  return html`<g aria-hidden="true">${marks}</g>`;
}

/** Horizontal grid lines with counts on the left. */
export function countAxis(y: Scale, x: Scale): Markup {
  const marks = ticks(y.from, y.to, 4).map((value) => {
    const py = at(y, value);
    return html`<line class="grid" x1="${x.start}" x2="${x.end}" y1="${py}" y2="${py}" />
      <text class="tick" x="${x.start - 6}" y="${py + 4}" text-anchor="end"
        >${compact(value)}</text
      >`;
  });
  return html`<g aria-hidden="true">${marks}</g>`;
}

/** 1,500 and 220k and 1.2M: short enough for an axis. */
export function compact(value: number): string {
  if (value >= 1e6) return `${short(value / 1e6)}M`;
  if (value >= 1e4) return `${short(value / 1e3)}k`;
  return value >= 100 ? grouped(value) : short(value);
}

/** Seconds of the run, as an axis says them. */
export function runTime(ms: number): string {
  return ms === 0 ? "0 s" : duration(ms);
}

/** An SVG path through the points, in order. */
export function linePath(points: readonly (readonly [number, number])[]): string {
  return points
    .map(([px, py], i) => `${i === 0 ? "M" : "L"}${px.toFixed(1)} ${py.toFixed(1)}`)
    .join("");
}

/** The same, closed down to `base`. */
export function areaPath(points: readonly (readonly [number, number])[], base: number): string {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) return "";
  return `${linePath(points)}L${last[0].toFixed(1)} ${base}L${first[0].toFixed(1)} ${base}Z`;
}

/** At most `max` items, evenly, always with the first and the last. */
export function thinned<T>(items: readonly T[], max: number): readonly T[] {
  if (items.length <= max) return items;
  const step = (items.length - 1) / (max - 1);
  return Array.from({ length: max }, (_, i) => items[Math.round(i * step)]!);
}

/**
 * Puts labels into rows so that none overlaps; a label that finds no room gets row -1.
 * @param widths estimated pixels of each label; `starts` in ascending order.
 */
export function packRows(
  starts: readonly number[],
  widths: readonly number[],
  rows: number,
): number[] {
  const ends = new Array<number>(rows).fill(Number.NEGATIVE_INFINITY);
  return starts.map((start, i) => {
    const row = ends.findIndex((end) => end + 6 <= start);
    if (row >= 0) ends[row] = start + widths[i]!;
    return row;
  });
}

/** Pixels of a text in the 11-pixel label font, roughly. */
export function textWidth(text: string): number {
  return text.length * 6.3;
}
