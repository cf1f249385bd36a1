// trace.json: the run in the Chrome trace-event format, which ui.perfetto.dev and chrome://tracing
// open. One track per lane, an instant for each event, counters from the samples. Times are
// microseconds with a fraction. Pure; any thread.
import { windowStories } from "./story.js";
import type { RunEvent, RunRecord } from "./types.js";

const PROCESS = 1;

type TraceEvent = Readonly<Record<string, unknown>>;

/** The whole trace as one JSON object. */
export function perfettoJson(record: RunRecord): string {
  const tracks = trackNumbers(record);
  const windows = (tracks.get(WINDOWS) ?? 0) as number;
  const events: TraceEvent[] = [
    metadata("process_name", 0, { name: `packetpath ${record.report.scenario}` }),
  ];
  for (const [name, track] of tracks) {
    events.push(metadata("thread_name", track, { name }));
    events.push(metadata("thread_sort_index", track, { sort_index: track }));
  }
  for (const span of record.lanes) {
    events.push({
      ph: "X",
      name: span.state,
      cat: "lane",
      pid: PROCESS,
      tid: tracks.get(span.lane),
      ts: micros(span.fromMs),
      dur: micros(Math.max(0, span.toMs - span.fromMs)),
    });
  }
  for (const event of record.events) events.push(instant(event, tracks.get(event.thread) ?? 0));
  events.push(...counters(record), ...windowSpans(record, windows));
  return `${JSON.stringify({ displayTimeUnit: "ns", traceEvents: events })}\n`;
}

const WINDOWS = "window: count 0, still published";

/** Tracks from 1: the windows first, then lanes and threads in the order they appear. */
function trackNumbers(record: RunRecord): Map<string, number> {
  const tracks = new Map<string, number>([[WINDOWS, 1]]);
  const add = (name: string) => {
    if (!tracks.has(name)) tracks.set(name, tracks.size + 1);
  };
  for (const event of record.events) if (event.thread === "control") add(event.thread);
  for (const span of record.lanes) add(span.lane);
  for (const event of record.events) add(event.thread);
  return tracks;
}

function metadata(name: string, track: number, args: TraceEvent): TraceEvent {
  return { ph: "M", name, pid: PROCESS, tid: track, args };
}

function instant(event: RunEvent, track: number): TraceEvent {
  const fault = event.what.startsWith("fault ");
  return {
    ph: "i",
    // A fault concerns everybody: it is drawn across all tracks.
    s: fault ? "g" : "t",
    name: event.what,
    cat: fault ? "fault" : "event",
    pid: PROCESS,
    tid: track,
    ts: micros(event.atMs),
    args: { device: event.device, cpu: event.cpu, ...event.fields },
  };
}

function counters(record: RunRecord): TraceEvent[] {
  return record.samples.flatMap((sample) => {
    const at = { ph: "C", pid: PROCESS, tid: 0, ts: micros(sample.atMs) };
    return [
      { ...at, name: "requests", args: { inFlight: sample.inFlight, ok: sample.requestsOk } },
      {
        ...at,
        name: "frames",
        args: { in: sample.framesIn, out: sample.framesOut, dropped: sample.framesDropped },
      },
    ];
  });
}

function windowSpans(record: RunRecord, track: number): TraceEvent[] {
  const end = record.report.seconds * 1000;
  return windowStories(record).flatMap((story) => {
    if (story.zeroedAtMs === null || story.kind === "safe-order") return [];
    const close = story.unpublishedAtMs ?? end;
    return [
      {
        ph: "X",
        name: `${story.device}: count 0, still published`,
        cat: "window",
        pid: PROCESS,
        tid: track,
        ts: micros(story.zeroedAtMs),
        dur: micros(Math.max(0, close - story.zeroedAtMs)),
        args: { port: story.port, picks: story.picks },
      },
    ];
  });
}

/** Milliseconds to microseconds, to the nanosecond. */
function micros(ms: number): number {
  return Math.round(ms * 1e6) / 1e3;
}
