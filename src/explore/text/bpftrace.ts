// A schedule as lines that a bpftrace script would print, `function object: field: value, ...`, so
// that it can be laid beside a trace of a real kernel, line by line. Pure; any thread.
import { endText, hasValue, type Scene, type SceneStep } from "./scene.js";

/** One line per step, then one per thread that stands or fails, then the verdict. */
export function bpftraceText(scene: Scene): string {
  const lines = scene.steps.map((step, i) => stepLine(scene, step, i));
  for (const { thread, text, line } of scene.ends) {
    lines.push(`# ${scene.threads[thread]} (line ${line}): ${text}`);
  }
  lines.push(`# ${endText(scene)}`);
  return `${lines.map((line) => line.replace(/\s+/g, " ")).join("\n")}\n`;
}

function stepLine(scene: Scene, step: SceneStep, i: number): string {
  const { thread, op, cell, line } = step;
  const object = cell === "" ? "" : ` ${cell}`;
  const value = hasValue(step) ? `value: ${step.value}, ` : "";
  const who = `thread: ${scene.threads[thread]}, tid: ${thread + 1}`;
  return `${op}${object}: ${value}step: ${i + 1}, ${who}, line: ${line}`;
}
