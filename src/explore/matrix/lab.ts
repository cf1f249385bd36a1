// The matrix for callers: a graph, its cells, what was found and how it came about. What the
// command line, test matchers and worker threads use; everything else of this folder is behind it.
import { PacketpathError } from "../../base/errors.js";
import type { GuardFunction } from "../system/cell.js";
import { type Graph, loadGraph } from "../system/graph.js";
import { evaluated } from "../source/evaluate.js";
import { dimensions, Matrix, type MatrixOptions, type MatrixResult } from "./matrix.js";
import { GUARD, type GuardSource, PARTS } from "../system/prepared.js";

/** What to explore; what is left out is all there is. */
export interface MatrixRequest extends Partial<MatrixOptions> {
  /** A guard of a user's, explored in the place of the built-in ones. */
  readonly guard?: GuardSource;
}

const SIZE = { cpus: 2, packets: 2, queues: 2 };
const MOST = { cpus: 8, packets: 8, queues: 16 };

/** @throws PacketpathError USAGE naming a value that there is not, PROGRAM_INVALID for a guard. */
export async function openMatrix(request: MatrixRequest = {}): Promise<Matrix> {
  const { guard, ...chosen } = request;
  const graph = await loadGraph(guard ?? null);
  const all = dimensions(graph);
  const options: MatrixOptions = { ...all, ...SIZE, product: false, ...chosen };
  if (guard !== undefined)
    return new Matrix(graph, { ...options, guards: [guard.file] }, ownGuard(graph, guard.file));
  for (const list of ["guards", "kinds", "profiles", "events"] as const) {
    for (const one of options[list]) {
      const known: readonly string[] =
        list === "events" ? [...all.events, ...changes(graph)] : all[list];
      if (!known.includes(one)) throw unknown(list, one, known);
    }
  }
  for (const size of ["cpus", "packets", "queues"] as const) {
    const isRight = Number.isInteger(options[size]) && options[size] >= 1;
    if (isRight && options[size] <= MOST[size]) continue;
    throw new PacketpathError("USAGE", `${size} ${options[size]}: expected 1 to ${MOST[size]}`);
  }
  return new Matrix(graph, options, null);
}

/** Events that are explored when they are asked for. */
function changes(graph: Graph): readonly string[] {
  return graph.exportsOf(PARTS.events).CHANGES as readonly string[];
}

/** @throws PacketpathError GUARD_INVALID; PROGRAM_INVALID when its module throws or has no end. */
export function ownGuard(graph: Graph, file: string): GuardFunction {
  const guard = evaluated(() => graph.exportsOf(GUARD), file).default;
  if (typeof guard === "function") return guard as GuardFunction;
  throw new PacketpathError("GUARD_INVALID", "the default export of the guard is not a function", {
    place: { file, line: 1, column: 1 },
    fix: "Write: export default function guard(dev, skb) { return dev.running; }",
  });
}

function unknown(list: string, value: string, all: readonly string[]): PacketpathError {
  return new PacketpathError("USAGE", `"${value}" is none of the ${list}`, {
    fix: `Use one of ${all.join(", ")}.`,
  });
}

/** All cells of a request. */
export async function runMatrix(request: MatrixRequest = {}): Promise<MatrixResult> {
  const matrix = await openMatrix(request);
  return matrix.run();
}
