// A schedule as a Mermaid sequence diagram, which GitHub, GitLab and many editors draw in place.
// Threads and the cells that two of them touch are the participants. Pure; any thread.
import { endText, hasValue, type Scene, type SceneEnd, type SceneStep } from "./scene.js";

/** More columns than this nobody reads: then the steps stand as notes in the threads' columns. */
const CELLS_MAX = 8;

/** The diagram's text; ends with a newline. */
export function mermaidText(scene: Scene): string {
  const taking = scene.threads
    .map((name, thread) => ({ name, thread }))
    .filter(({ thread }) => [...scene.steps, ...scene.ends].some((one) => one.thread === thread));
  const shared = sharedCells(scene);
  const cells = shared.length > CELLS_MAX ? [] : shared;
  const lines = ["sequenceDiagram"];
  for (const { name, thread } of taking) lines.push(`  actor t${thread} as ${escaped(name)}`);
  for (const [i, name] of cells.entries()) lines.push(`  participant c${i} as ${escaped(name)}`);
  for (const [i, step] of scene.steps.entries()) {
    lines.push(`  ${stepLine(step, i, cells.indexOf(step.cell))}`);
  }
  for (const end of scene.ends) lines.push(`  ${endLine(end, cells.indexOf(end.cell))}`);
  const first = taking[0]?.thread ?? 0;
  const last = taking.at(-1)?.thread ?? 0;
  const columns = first === last ? `t${first}` : `t${first},t${last}`;
  if (taking.length > 0) lines.push(`  Note over ${columns}: ${note(endText(scene))}`);
  return `${lines.join("\n")}\n`;
}

/** In the order in which they are met first. */
function sharedCells(scene: Scene): string[] {
  const all = [...scene.steps, ...scene.ends];
  const cells = new Set(all.map((one) => one.cell));
  cells.delete("");
  return [...cells].filter((cell) => {
    const threads = all.filter((one) => one.cell === cell).map((one) => one.thread);
    return new Set(threads).size > 1;
  });
}

function stepLine(step: SceneStep, i: number, cell: number): string {
  const { thread } = step;
  if (cell < 0) return `Note over t${thread}: ${i + 1}. ${escaped(step.text)}`;
  const text = `${i + 1}. ${escaped(step.text.replace(` ${step.cell}`, ""))}`;
  // A load is an arrow from the cell: the value goes that way.
  const isLoad = !step.isWrite && hasValue(step);
  return isLoad ? `c${cell}-->>t${thread}: ${text}` : `t${thread}->>c${cell}: ${text}`;
}

/** An arrow with a cross: this thread does not get what it wants. */
function endLine({ thread, text }: SceneEnd, cell: number): string {
  return cell < 0
    ? `Note over t${thread}: ${note(text)}`
    : `t${thread}-xc${cell}: ${escaped(text)}`;
}

/** Columns after which a line of a note breaks. */
const NOTE_COLUMNS = 40;

function note(text: string): string {
  const lines: string[] = [""];
  for (const word of escaped(text).split(" ")) {
    const line = lines.at(-1)!;
    const isFull = line.length + word.length >= NOTE_COLUMNS;
    if (isFull && line !== "") lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join("<br/>");
}

/** What ends a statement in Mermaid, or begins an entity or a tag, as an entity. */
function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { "#": "#35;", ";": "#59;", "<": "#lt;" };
  return text
    .replace(/[#;<]/g, (one) => entities[one]!)
    .replace(/\s+/g, " ")
    .trim();
}
