// Swim lanes: what each thread was doing, as bars over time. Used for the whole run and, with
// another scale, for the microseconds around a window. Pure; any thread.
import { moment } from "../text.js";
import type { LaneSpan } from "../types.js";
import { html, type Markup } from "./markup.js";
import { at, clamped, textWidth, type Scale } from "./scale.js";

/** Bars are merged until no more than this many are left in one lane. */
const BARS_MAX = 400;

export interface Lane {
  readonly name: string;
  readonly spans: readonly LaneSpan[];
}

/** How a state is drawn; the legend explains each class once. */
export const STATE_CLASSES = {
  idle: "idle",
  work: "forwarding",
  spin: "spinning, never ends",
  wait: "waiting",
  lock: "holding a lock",
  step: "a step of the unregister path",
} as const;
export type StateClass = keyof typeof STATE_CLASSES;

export function stateClass(state: string): StateClass {
  if (/^(idle|off|stopped)\b/.test(state)) return "idle";
  if (/^(spin|stuck|lock(ed)? ?up|hung)/i.test(state)) return "spin";
  if (/^(forward|running|busy|burst)/i.test(state)) return "work";
  if (/\bholds?\b|\b(ovs|rtnl)_lock\b/.test(state)) return "lock";
  // What follows the end of a grace period is work again.
  if (/\b(ret|ended)\b/.test(state)) return "step";
  if (/synchronize|grace|\bwait|sleep|stall|rcu_barrier|\bblocked/i.test(state)) return "wait";
  return "step";
}

/** Lanes in the order a reader wants: control, its workers, main, queues by number, the rest. */
export function lanesOf(spans: readonly LaneSpan[]): Lane[] {
  const byName = new Map<string, LaneSpan[]>();
  for (const span of spans) {
    const list = byName.get(span.lane);
    if (list === undefined) byName.set(span.lane, [span]);
    else list.push(span);
  }
  return [...byName]
    .map(([name, list]) => ({ name, spans: list.sort((a, b) => a.fromMs - b.fromMs) }))
    .sort((a, b) => order(a.name) - order(b.name) || natural(a.name, b.name));
}

function order(name: string): number {
  if (name === "control") return 0;
  if (name.startsWith("kworker")) return 1;
  if (name === "main" || name === "kernel") return 2;
  return /^rxq/.test(name) ? 3 : 2.5;
}

function natural(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

export interface LaneLayout {
  readonly x: Scale;
  readonly top: number;
  readonly rowHeight: number;
  /** Draw state names inside the bars that have room. */
  readonly labels: boolean;
  /** A moment as the tooltip should say it. */
  readonly time: (ms: number) => string;
  /** Id of this picture's hatch pattern. */
  readonly hatch: string;
}

/** The empty lanes and their names; what lies behind the bars is drawn between the two calls. */
export function drawTracks(lanes: readonly Lane[], layout: LaneLayout): Markup {
  const { x, top, rowHeight } = layout;
  const bar = barHeight(rowHeight);
  const tracks = lanes.map((lane, index) => {
    const y = top + index * rowHeight;
    // Rows lower than the font share the names: every other one is left out.
    const named = rowHeight >= 11 || index % 2 === 0;
    const name = named
      ? html`<text class="lane" x="${x.start - 6}" y="${y + bar / 2 + 3.5}" text-anchor="end">
          ${fitted(lane.name, x.start - 8)}
        </text>`
      : null;
    return html`<rect
        class="track"
        x="${x.start}"
        y="${y}"
        width="${x.end - x.start}"
        height="${bar}"
      />${name}`;
  });
  return html`${tracks}`;
}

/** What each thread did, one row each. */
export function drawBars(lanes: readonly Lane[], layout: LaneLayout): Markup {
  const { x, top, rowHeight } = layout;
  const bars = lanes.map((lane, index) => {
    const visible = lane.spans.filter((span) => span.toMs >= x.from && span.fromMs <= x.to);
    const y = top + index * rowHeight;
    return merged(visible, x).map((span) => drawBar(span, layout, y, barHeight(rowHeight)));
  });
  return html`${bars}`;
}

/** A name cut to the pixels left of the lanes; the bars' tooltips have it whole. */
function fitted(name: string, pixels: number): string {
  const most = Math.max(3, Math.floor(pixels / 5.8));
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}

function barHeight(rowHeight: number): number {
  return rowHeight - Math.max(2, rowHeight * 0.18);
}

function drawBar(span: LaneSpan, layout: LaneLayout, top: number, height: number): Markup | null {
  const { x } = layout;
  const kind = stateClass(span.state);
  if (kind === "idle") return null;
  const from = clamped(x, span.fromMs);
  const width = Math.max(clamped(x, span.toMs) - from, 0.8);
  const length = `${layout.time(span.fromMs)} to ${layout.time(span.toMs)}`;
  const hatch =
    kind === "spin"
      ? html`<rect
          x="${from}"
          y="${top}"
          width="${width}"
          height="${height}"
          fill="url(#${layout.hatch})"
          pointer-events="none"
        />`
      : null;
  const fits = layout.labels && width > textWidth(span.state) + 12 && height > 11;
  const label = fits
    ? html`<text class="in-bar s-${kind}-text" x="${from + 8}" y="${top + height / 2 + 3.5}"
        >${span.state}</text
      >`
    : null;
  return html`<rect class="s-${kind}" x="${from}" y="${top}" width="${width}" height="${height}"
      ><title>${span.lane}: ${span.state}, ${length}</title></rect
    >${hatch}${label}`;
}

/**
 * Joins neighbors of the same state that lie closer than a pixel, and then, while there are too
 * many, ones that lie further apart. Bars of other states in between stay: a spin is never hidden.
 */
function merged(spans: readonly LaneSpan[], x: Scale): readonly LaneSpan[] {
  let gap = 0.5;
  let result = joined(spans, x, gap);
  for (let round = 0; round < 8 && result.length > BARS_MAX; round++) {
    gap *= 2;
    result = joined(spans, x, gap);
  }
  return result;
}

function joined(spans: readonly LaneSpan[], x: Scale, gap: number): LaneSpan[] {
  const result: LaneSpan[] = [];
  const lastOf = new Map<string, number>();
  for (const span of spans) {
    if (stateClass(span.state) === "idle") continue;
    const index = lastOf.get(span.state);
    const last = index === undefined ? undefined : result[index];
    if (last !== undefined && at(x, span.fromMs) - at(x, last.toMs) <= gap) {
      result[index!] = { ...last, toMs: Math.max(last.toMs, span.toMs) };
    } else {
      lastOf.set(span.state, result.push(span) - 1);
    }
  }
  // Short, important bars are drawn over long, ordinary ones.
  return result.sort((a, b) => weight(a) - weight(b));
}

function weight(span: LaneSpan): number {
  const kind = stateClass(span.state);
  return kind === "spin" ? 2 : kind === "work" ? 0 : 1;
}

/** The pattern that marks spinning also for those who do not see its color. */
export function hatchPattern(id: string): Markup {
  return html`<defs
    ><pattern
      id="${id}"
      width="6"
      height="6"
      patternUnits="userSpaceOnUse"
      patternTransform="rotate(45)"
      ><rect class="hatch" width="2" height="6" /></pattern
  ></defs>`;
}

/** Names the states that occur, in the legend's order. */
export function laneLegend(spans: readonly LaneSpan[]): Markup {
  const present = new Set(spans.map((span) => stateClass(span.state)));
  const items = (Object.keys(STATE_CLASSES) as StateClass[])
    .filter((kind) => present.has(kind))
    .map((kind) => html`<li><i class="key s-${kind}"></i>${STATE_CLASSES[kind]}</li>`);
  return html`<ul class="legend">
    ${items}
  </ul>`;
}

/** The bars as rows, for readers without the picture; long runs are cut, and say so. */
export function laneRows(lanes: readonly Lane[], max: number): (readonly (string | number)[])[] {
  const rows: (readonly (string | number)[])[] = [];
  for (const lane of lanes) {
    for (const span of lane.spans) {
      if (stateClass(span.state) === "idle" || stateClass(span.state) === "work") continue;
      if (rows.length >= max) return rows;
      rows.push([lane.name, span.state, moment(span.fromMs), moment(span.toMs)]);
    }
  }
  return rows;
}
