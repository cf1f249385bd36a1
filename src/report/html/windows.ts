// The window: from the store that zeroes a device's queue count to the moment its port is
// unpublished. It may be 50 microseconds wide in a run of ten seconds, so it is drawn twice with
// scales of its own: the whole unregistration, and below it the window itself, with lines that
// show which part was enlarged. Pure; any thread.
import { stepOf, windowStories, type WindowStory } from "../story.js";
import { microseconds, moment, plural } from "../text.js";
import type { RunRecord } from "../types.js";
import {
  drawBars,
  drawTracks,
  hatchPattern,
  laneLegend,
  lanesOf,
  stateClass,
  type Lane,
  type LaneLayout,
} from "./lanes.js";
import { folded, html, section, table, type Markup } from "./markup.js";
import { figure, timeAxis, type Drawing, type Scale, type Size } from "./scale.js";
import {
  band,
  funnel,
  LABEL_HEIGHT,
  packetMarks,
  precise,
  relative,
  stepLabels,
  type Range,
  type View,
} from "./window-marks.js";

const DRAWN_MAX = 6;
const LANES_MAX = 36;
const STEPS_MAX = 80;
/** Each side of the window shows at least so much of what was around it. */
const PAD_MS_MIN = 0.03;
/** A fault longer ago than this (it waited for RTNL, say) would squeeze all that followed. */
const FAULT_REACH_MS = 100;

/** One drawing for each unregistered port; null when no port was unregistered. */
export function windowSection(record: RunRecord): Markup | null {
  const stories = windowStories(record);
  if (stories.length === 0) return null;
  const drawn = stories.slice(0, DRAWN_MAX).map((story, i) => drawStory(record, story, i));
  const rest =
    stories.length > DRAWN_MAX
      ? html`<p class="note">${plural(stories.length - DRAWN_MAX, "more window")} in the table.</p>`
      : null;
  const all =
    stories.length > 1
      ? table({
          caption: "All windows",
          head: ["device", "#port", "#zeroed at", "#unpublished at", "#length", "#packets in it"],
          rows: stories.map((story) => [
            story.device,
            story.port,
            story.zeroedAtMs === null ? "–" : moment(story.zeroedAtMs),
            story.unpublishedAtMs === null ? "never" : moment(story.unpublishedAtMs),
            story.microseconds === null ? "–" : microseconds(story.microseconds),
            story.picks,
          ]),
        })
      : null;
  const lead =
    "From “queue count zeroed” to “port unpublished”, packets still find the port, " +
    "and the device has no queue to offer. Without a guard, a packet with a recorded receive " +
    "queue that arrives in between never leaves skb_tx_hash.";
  return section("window", "The window", lead, html`${drawn}${rest}${all}`);
}

function drawStory(record: RunRecord, story: WindowStory, index: number): Markup {
  const cause = record.report.faults[story.fault];
  const after = cause === undefined ? "" : `, after ${cause.kind} ${cause.target}`;
  const title = html`<h3>${story.device} (port ${story.port})${after}</h3>
    <p class="verdict-line">${sentence(story)}</p>`;
  if (story.zeroedAtMs === null) return title;
  const views = viewsOf(story, record);
  const lanes = lanesIn(record, views.detail);
  const picture = figure(
    `Threads around the window of ${story.device}: ${sentence(story)}`,
    (size) => drawViews(story, views, lanes, { size, index }),
  );
  return html`${title}${laneLegend(record.lanes)}${picture}${folded(
    `The steps around the window of ${story.device} as a table`,
    stepTable(story),
  )}`;
}

function sentence(story: WindowStory): string {
  const picks =
    story.picks === 0
      ? "no packet picked a queue in it"
      : `${plural(story.picks, "packet")} picked a queue in it`;
  switch (story.kind) {
    case "open":
      return `Open for ${microseconds(story.microseconds ?? 0)}; ${picks}.`;
    case "still-open":
      return `Still open when the run ended: the port was never unpublished; ${picks}.`;
    case "safe-order":
      return "Never open: the port was unpublished before its queue count was zeroed.";
    case "unknown":
      return "The moment at which the count was zeroed is not among the events of this run.";
  }
}

interface Views {
  /** From the fault to the end of the story; null when the detail shows nearly as much. */
  readonly whole: Range | null;
  readonly detail: Range;
  readonly open: Range | null;
}

function viewsOf(story: WindowStory, record: RunRecord): Views {
  const zeroed = story.zeroedAtMs!;
  const close = story.unpublishedAtMs;
  const first = firstStep(story, record, zeroed);
  const length = close === null ? Math.max(0.4, (zeroed - first) * 0.5) : Math.abs(close - zeroed);
  const pad = Math.max(PAD_MS_MIN, length * 0.6);
  const left = Math.min(zeroed, close ?? zeroed);
  const right = close === null ? zeroed + length : Math.max(zeroed, close);
  const detail = { from: left - pad, to: right + pad };
  const span = Math.max(right - first, 0.05);
  const whole = { from: first - span * 0.04, to: right + span * 0.1 };
  const enlarged = (whole.to - whole.from) / (detail.to - detail.from);
  const open =
    story.kind === "safe-order" || story.kind === "unknown"
      ? null
      : { from: zeroed, to: close ?? Number.POSITIVE_INFINITY };
  return { whole: enlarged > 1.6 ? whole : null, detail, open };
}

/**
 * Where the story of a window begins: the last fault before the last U1 before the zero. A fault
 * may repeat, and a device of the same name may have been unregistered before.
 */
function firstStep(story: WindowStory, record: RunRecord, zeroed: number): number {
  const own = story.events.filter(
    (event) =>
      event.device === story.device && event.atMs <= zeroed && event.fields["ret"] !== true,
  );
  const steps = own.filter((event) => stepOf(event.what).step !== "");
  const first = steps.findLast((event) => stepOf(event.what).step === "U1") ?? steps[0];
  const begun = first?.atMs ?? zeroed;
  const noted = own.findLast((event) => event.what.startsWith("fault ") && event.atMs <= begun);
  const fired = record.report.faults[story.fault]?.firedAtMs ?? null;
  const fault = noted?.atMs ?? (fired !== null && fired <= begun ? fired : begun);
  return begun - fault <= FAULT_REACH_MS ? fault : begun;
}

/** Threads that did something in view; control and its workers always. */
function lanesIn(record: RunRecord, range: Range): { shown: Lane[]; hidden: number } {
  const active = lanesOf(record.lanes).filter((lane) =>
    lane.spans.some(
      (span) =>
        span.toMs >= range.from && span.fromMs <= range.to && stateClass(span.state) !== "idle",
    ),
  );
  return { shown: active.slice(0, LANES_MAX), hidden: Math.max(0, active.length - LANES_MAX) };
}

function drawViews(
  story: WindowStory,
  views: Views,
  lanes: { shown: readonly Lane[]; hidden: number },
  where: { size: Size; index: number },
): Drawing {
  const { size } = where;
  const hatch = `hatch-window-${where.index}-${size.name}`;
  const shared = { story, lanes: lanes.shown, size, hatch, open: views.open };
  const rowHeight = lanes.shown.length > 14 ? 8 : 12;
  let top = 0;
  const parts: Markup[] = [hatchPattern(hatch)];
  if (views.whole !== null) {
    const whole = drawView({ ...shared, range: views.whole, top, rowHeight, detail: false });
    const next = whole.bottom + 40;
    parts.push(whole.content, funnel(views.whole, views.detail, size, whole.bottom, next));
    top = next;
  }
  const detail = drawView({ ...shared, range: views.detail, top, rowHeight: 19, detail: true });
  parts.push(detail.content);
  if (lanes.hidden > 0) {
    const text = `${plural(lanes.hidden, "more thread")} not drawn`;
    parts.push(html`<text class="tick" x="${size.left}" y="${detail.bottom + 12}">${text}</text>`);
  }
  return { height: detail.bottom + (lanes.hidden > 0 ? 18 : 4), content: html`${parts}` };
}

function drawView(view: View): { content: Markup; bottom: number } {
  const { size, range, story } = view;
  const x: Scale = { ...range, start: size.left, end: size.width - size.right };
  const labels = stepLabels(view, x);
  const lanesTop = view.top + 22 + labels.rows * LABEL_HEIGHT;
  const lanesBottom = lanesTop + view.lanes.length * view.rowHeight;
  const time = (ms: number) => relative(ms - story.zeroedAtMs!);
  const layout: LaneLayout = {
    x,
    top: lanesTop,
    rowHeight: view.rowHeight,
    labels: view.detail,
    time,
    hatch: view.hatch,
  };
  const zeroed = { ...x, from: range.from - story.zeroedAtMs!, to: range.to - story.zeroedAtMs! };
  const open = band(view, x, lanesTop, lanesBottom);
  const content = html`${timeAxis(zeroed, lanesTop, lanesBottom, relative)}
    ${labels.draw(lanesTop, lanesBottom)}${drawTracks(view.lanes, layout)}
    ${open === null ? null : open.ground}${drawBars(view.lanes, layout)}
    ${packetMarks(view, x, lanesTop)} ${open === null ? null : open.frame}
    <g
      class="plot"
      data-x0="${x.start}"
      data-x1="${x.end}"
      data-y0="${lanesTop}"
      data-y1="${lanesBottom}"
      data-from="${precise(zeroed.from)}"
      data-to="${precise(zeroed.to)}"
      data-relative="1"
    ></g>`;
  return { content, bottom: lanesBottom + 18 };
}

function stepTable(story: WindowStory): Markup {
  const zeroed = story.zeroedAtMs!;
  const nearest = [...story.events]
    .sort((a, b) => Math.abs(a.atMs - zeroed) - Math.abs(b.atMs - zeroed))
    .slice(0, STEPS_MAX)
    .sort((a, b) => a.atMs - b.atMs);
  return table({
    caption: `Steps around the window of ${story.device}, relative to the zero of its queue count`,
    head: ["step", "#relative", "#at", "thread", "#cpu", "values"],
    rows: nearest.map((event) => [
      event.what,
      relative(event.atMs - zeroed),
      moment(event.atMs),
      event.thread,
      event.cpu,
      Object.entries(event.fields)
        .map(([key, value]) => `${key} ${String(value)}`)
        .join(", "),
    ]),
  });
}
