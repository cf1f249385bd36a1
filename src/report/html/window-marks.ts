// What is drawn around the lanes of a window: the steps of the unregister path as flags, the open
// stretch itself, the lines that lead to the enlarged view, and times relative to the zero of the
// queue count. Pure; any thread.
import { stepOf, type WindowStory } from "../story.js";
import { duration, microseconds, moment, short } from "../text.js";
import type { RunEvent } from "../types.js";
import type { Lane } from "./lanes.js";
import { html, type Markup } from "./markup.js";
import { at, clamped, packRows, textWidth, type Scale, type Size } from "./scale.js";

const LABEL_ROWS = 5;
export const LABEL_HEIGHT = 14;
const FLAGS_MAX = 80;
const MARKS_MAX = 300;

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** One of the two pictures: the whole unregistration, or the window enlarged. */
export interface View {
  readonly story: WindowStory;
  readonly lanes: readonly Lane[];
  readonly size: Size;
  readonly hatch: string;
  readonly open: Range | null;
  readonly range: Range;
  readonly top: number;
  readonly rowHeight: number;
  /** The enlarged view: names in bars, times relative to the zero. */
  readonly detail: boolean;
}

/** Numbers of an attribute to the nanosecond; `html` rounds bare numbers to a hundredth. */
export function precise(ms: number): string {
  return ms.toFixed(6);
}

/** A moment relative to the zero of the count, in microseconds. */
export function relative(ms: number): string {
  const us = Math.round(ms * 1e6) / 1e3;
  if (us === 0) return "0";
  const sign = us > 0 ? "+" : "−";
  const size = Math.abs(us);
  return size >= 10_000 ? `${sign}${duration(size / 1000)}` : `${sign}${short(size)} µs`;
}

/** The open window itself: a ground that lies behind the bars, and a frame with its length. */
export function band(
  view: View,
  x: Scale,
  top: number,
  bottom: number,
): { readonly ground: Markup; readonly frame: Markup } | null {
  if (view.open === null) return null;
  const from = clamped(x, view.open.from);
  const to = clamped(x, view.open.to);
  const width = Math.max(to - from, 1.5);
  const { kind } = view.story;
  const us = view.story.microseconds;
  const length = kind === "still-open" || us === null ? "never unpublished" : microseconds(us);
  const wide = view.detail && view.size.name === "wide";
  const text = wide ? `count 0, still published: ${length}` : length;
  const half = textWidth(text) / 2;
  const middle = Math.min(Math.max(from + width / 2, x.start + half), x.end - half);
  const y = view.top + 16;
  const edge = (px: number) =>
    html`<line class="band-edge" x1="${px}" x2="${px}" y1="${y}" y2="${bottom}" />`;
  const arrow = html`<path
    class="band-edge"
    d="M${to - 7} ${top - 9}L${to} ${top - 4}L${to - 7} ${top + 1}"
  />`;
  const title = `${view.story.device}: count 0 and still published, ${length}`;
  return {
    ground: html`<rect class="band" x="${from}" y="${y}" width="${width}" height="${bottom - y}">
      <title>${title}</title>
    </rect>`,
    frame: html`${edge(from)}${kind === "still-open" ? arrow : edge(from + width)}<text
        class="band-label"
        x="${middle}"
        y="${view.top + 12}"
        text-anchor="middle"
        >${text}</text
      >`,
  };
}

/** Packets that were sent to the device while its count was 0, on the lane of their CPU. */
export function packetMarks(view: View, x: Scale, lanesTop: number): Markup | null {
  if (!view.detail) return null;
  const rowOf = new Map(view.lanes.map((lane, index) => [lane.name, index]));
  const seen = new Set<string>();
  const marks = view.story.events.flatMap((event) => {
    const row = rowOf.get(event.thread);
    const { atMs } = event;
    if (row === undefined || !isPacket(event) || atMs < x.from || atMs > x.to) return [];
    const key = `${event.thread} ${atMs}`;
    if (seen.has(key) || seen.size >= MARKS_MAX) return [];
    seen.add(key);
    const hint = event.fields["skb_addr"] ?? null;
    const packet = hint === null ? "a packet" : `packet ${String(hint)}`;
    const title = `${event.thread}: ${packet} picks a queue, ${moment(atMs)}`;
    const cy = lanesTop + (row + 0.41) * view.rowHeight;
    return [
      html`<circle class="packet" cx="${at(x, atMs)}" cy="${cy}" r="3.5">
        <title>${title}</title>
      </circle>`,
    ];
  });
  return html`<g>${marks}</g>`;
}

function isPacket(event: RunEvent): boolean {
  return event.fields["skb_addr"] !== undefined || event.what === "netdev_core_pick_tx";
}

/** Lines from the part of the upper view that the lower one enlarges. */
export function funnel(
  range: Range,
  detail: Range,
  size: Size,
  top: number,
  bottom: number,
): Markup {
  const x: Scale = { ...range, start: size.left, end: size.width - size.right };
  const left = clamped(x, detail.from);
  const right = Math.max(clamped(x, detail.to), left + 2);
  const path = `M${left} ${top}L${right} ${top}L${x.end} ${bottom}L${x.start} ${bottom}Z`;
  return html`<path class="funnel" d="${path}" />`;
}

export interface StepLabels {
  readonly rows: number;
  draw(lanesTop: number, lanesBottom: number): Markup;
}

/** Flags above the lanes: which step of the kernel's order happened when. */
export function stepLabels(view: View, x: Scale): StepLabels {
  const { range } = view;
  const steps = distinctSteps(view.story)
    .filter((event) => event.atMs >= range.from && event.atMs <= range.to)
    .filter((event, i, all) => view.detail || stepOf(event.what).step !== stepBefore(all, i))
    .slice(0, FLAGS_MAX);
  const starts = steps.map((event) => at(x, event.atMs));
  const texts = steps.map((event) => labelText(event, view));
  const widths = texts.map(textWidth);
  const flipped = starts.map((px, i) => px + 3 + widths[i]! > x.end);
  const lefts = starts.map((px, i) => (flipped[i] === true ? px - 3 - widths[i]! : px));
  const order = lefts.map((_, i) => i).sort((a, b) => lefts[a]! - lefts[b]!);
  const packed = packRows(
    order.map((i) => lefts[i]!),
    order.map((i) => widths[i]! + 3),
    LABEL_ROWS,
  );
  const rowOf = new Map(order.map((i, place) => [i, packed[place]!]));
  const rows = Math.max(0, ...packed.map((row) => row + 1));
  return {
    rows,
    draw(lanesTop, lanesBottom) {
      const marks = steps.map((event, i) => {
        const row = rowOf.get(i)!;
        const px = starts[i]!;
        const y = lanesTop - 6 - (rows - 1 - row) * LABEL_HEIGHT;
        const anchor = flipped[i] === true ? "end" : "start";
        const dx = flipped[i] === true ? -3 : 3;
        const label =
          row < 0
            ? null
            : html`<text class="step" x="${px + dx}" y="${y}" text-anchor="${anchor}"
                >${texts[i]!}</text
              >`;
        const up = row < 0 ? lanesTop - 4 : y - 9;
        return html`<line class="step-line" x1="${px}" x2="${px}" y1="${up}" y2="${lanesBottom}">
            <title>${event.what}, ${event.thread}, ${moment(event.atMs)}</title></line
          >${label}`;
      });
      return html`<g>${marks}</g>`;
    },
  };
}

/** Events with a step or a meaning of their own; what packets did is in the lanes. */
function distinctSteps(story: WindowStory): RunEvent[] {
  return story.events.filter((event) => {
    if (event.fields["skb_addr"] !== undefined) return false;
    if (stepOf(event.what).step !== "") return true;
    return /^(fault |RTM_|soft lockup)|ovs_dp_detach_port|remove_queue_kobjects/.test(event.what);
  });
}

/** The step of the event before: where names are not shown, one flag for each step is enough. */
function stepBefore(events: readonly RunEvent[], index: number): string | null {
  const before = events[index - 1];
  const step = before === undefined ? "" : stepOf(before.what).step;
  return step === "" ? null : step;
}

function labelText(event: RunEvent, view: View): string {
  const { step, name } = stepOf(event.what);
  const short = name.split(/[\s(:,]/)[0]!;
  if (view.size.name === "narrow" || !view.detail) return step === "" ? short.slice(0, 12) : step;
  return step === "" ? name.slice(0, 34) : `${step} ${short}`;
}
