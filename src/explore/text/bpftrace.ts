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

/**
 * The same for the kernel path: functions and fields as the kernel spells them, the device first,
 * the CPU of the thread; `tid` counts the threads from 1.
 */
export function kernelTraceText(scene: Scene): string {
  const lines = scene.steps.map((step) => {
    const [, device = "", field = ""] = /^(dev\d+)\.(.+)$/.exec(step.cell) ?? [];
    const name = device === "" ? step.cell : field;
    const said = hasValue(step)
      ? String(step.value)
      : (/:= (\S+)$/.exec(step.text)?.[1] ?? step.op);
    const thread = scene.threads[step.thread]!;
    const cpu = /^rx(\d+)$/.exec(thread)?.[1] ?? "0";
    const where = device === "" ? "" : ` ${device}`;
    const what = `${snakeCase(name)}: ${said}, cpu: ${cpu}, comm: ${thread}`;
    return `${kernelName(step.within)}${where}: ${what}, tid: ${step.thread + 1}, ${step.op}`;
  });
  for (const { thread, text } of scene.ends) lines.push(`# ${scene.threads[thread]}: ${text}`);
  lines.push(`# ${endText(scene)}`);
  return `${lines.map((line) => line.replace(/\s+/g, " ")).join("\n")}\n`;
}

/** Functions whose names in the kernel begin with underscores, which ours do not. */
const UNDERSCORED: Readonly<Record<string, string>> = {
  devQueueXmit: "__dev_queue_xmit",
  devChangeNetNamespace: "__dev_change_net_namespace",
};

function kernelName(name: string): string {
  return UNDERSCORED[name] ?? snakeCase(name);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
