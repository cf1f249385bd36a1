// A schedule in the Chrome trace-event format, which ui.perfetto.dev and chrome://tracing open: a
// track per thread, one microsecond per step, and an arrow from each access to the next access of
// another thread that it does not commute with. Pure; any thread.
import { endText, type Scene } from "./scene.js";

const PROCESS = 1;

type TraceEvent = Readonly<Record<string, unknown>>;

/** The whole trace as one JSON object; ends with a newline. */
export function perfettoText(scene: Scene): string {
  const events: TraceEvent[] = [
    { ph: "M", name: "process_name", pid: PROCESS, tid: 0, args: { name: scene.title } },
  ];
  for (const [thread, name] of scene.threads.entries()) {
    events.push(
      { ph: "M", name: "thread_name", ...track(thread), args: { name } },
      { ph: "M", name: "thread_sort_index", ...track(thread), args: { sort_index: thread } },
    );
  }
  for (const [i, step] of scene.steps.entries()) {
    const { cell, value, line, column } = step;
    const args = { step: i + 1, cell, value, place: `${scene.file}:${line}:${column}` };
    events.push({ ph: "X", name: step.text, cat: step.op, ts: i, dur: 1, args, ...at(step) });
    if (step.after >= 0) {
      // `e`: the arrow belongs to the slice around its time, not to the next one.
      const flow = { name: cell, cat: "conflict", id: i + 1 };
      const from = scene.steps[step.after]!;
      events.push(
        { ph: "s", ...flow, ts: step.after + 0.5, ...at(from) },
        { ph: "f", bp: "e", ...flow, ts: i + 0.5, ...at(step) },
      );
    }
  }
  const end = scene.steps.length;
  for (const one of scene.ends) {
    const args = { place: `${scene.file}:${one.line}:${one.column}` };
    events.push({ ph: "X", name: one.text, cat: "end", ts: end, dur: 1, args, ...at(one) });
  }
  events.push({ ph: "i", s: "g", name: endText(scene), ts: end, pid: PROCESS, tid: 0 });
  return `${JSON.stringify({ displayTimeUnit: "ns", traceEvents: events })}\n`;
}

function at(one: { readonly thread: number }): TraceEvent {
  return track(one.thread);
}

/** Tracks count from 1: 0 is the process's own. */
function track(thread: number): TraceEvent {
  return { pid: PROCESS, tid: thread + 1 };
}
