// Certificates of cells of the matrix: each packet that was explored by itself has one, in the form
// of those of programs; what it is about stands in its head, so that the checker builds the same
// case again. Main thread or a worker; reads the package's sources, writes no file.
import { gunzipSync, gzipSync } from "node:zlib";
import { PacketpathError } from "../../../base/errors.js";
import { checkCertificate } from "../../certificate/check.js";
import { type Header, readCertificate } from "../../certificate/header.js";
import { searchToCertify } from "../../certificate/reduced.js";
import { localStates } from "../../certificate/replay.js";
import { certify } from "../../certificate/write.js";
import { checkWithin } from "../../deadline.js";
import { independentReader } from "../../reduced/readers.js";
import type { Certificate, LoadedProgram } from "../../types.js";
import { type CellOptions, Cells } from "../cell.js";
import { loadGraph } from "../graph.js";
import { ownGuard } from "../../matrix/lab.js";
import type { CellProgram, Coordinates, Matrix } from "../../matrix/matrix.js";
import type { GuardSource } from "../prepared.js";

/** What a certificate of the matrix says beside what one of a program does. */
export interface CellHeader extends Header {
  readonly cell: {
    readonly options: CellOptions;
    /** Addresses in the kernel's memory, by slot of the states. */
    readonly addresses: readonly number[];
    /** Whether it speaks for this packet in the company of any others. */
    readonly oneByOne: boolean;
  };
}

/** The certificate of one packet, or of all of them together, as a file's content. */
export interface CellCertificate {
  readonly summary: Certificate;
  readonly bytes: Uint8Array;
}

const BOUNDS = { maxSteps: 5_000, maxStates: 1_000_000, maxSeconds: 60 };

/** What a SAFE cell rests on. @throws PacketpathError USAGE naming the bound that it met. */
export function certifyCell(matrix: Matrix, at: Coordinates): CellCertificate[] {
  const { verdict, oneByOne } = matrix.decide(at);
  if (verdict !== "SAFE") return [];
  return matrix.programs(at).map((one) => certifyProgram(matrix, one, oneByOne));
}

function certifyProgram(matrix: Matrix, one: CellProgram, oneByOne: boolean): CellCertificate {
  for (;;) {
    const { length } = matrix.addresses;
    const program = one.make();
    const found = searchToCertify(program, BOUNDS);
    // A word that was not known when the search began was no part of its states.
    if (matrix.addresses.length > length) continue;
    if (typeof found === "string") {
      throw new PacketpathError("USAGE", `${program.name}: no certificate: ${found}`);
    }
    let bytes: Uint8Array | null = null;
    const { count: states, transitions } = found;
    const uncounted = { traces: null, blocked: null, interleavings: null };
    const summary = certify(
      found,
      { states, transitions, ...uncounted, isReduced: true },
      { ...BOUNDS, onCertificate: (_summary, write) => (bytes = write()) },
    );
    const cell = { options: one.options, addresses: matrix.addresses, oneByOne };
    return { summary, bytes: withCell(bytes!, cell) };
  }
}

/** The summaries of all parts as one. */
export function sumOf(parts: readonly Certificate[]): Certificate | null {
  const [first] = parts;
  if (first === undefined) return null;
  const total = (key: "states" | "transitions") => parts.reduce((all, one) => all + one[key], 0);
  const digest = parts.map((one) => one.digest).join("+");
  return { ...first, states: total("states"), transitions: total("transitions"), digest };
}

function withCell(file: Uint8Array, cell: CellHeader["cell"]): Uint8Array {
  const bytes = gunzipSync(file);
  const at = bytes.indexOf("\n");
  const header = { ...(JSON.parse(bytes.toString("utf8", 0, at)) as Header), cell };
  const line = Buffer.from(JSON.stringify(header));
  return gzipSync(Buffer.concat([line, bytes.subarray(at)]), { level: 3 });
}

/** The cell that a certificate is about; null: it is about a program of a file. */
export function cellOf(header: Header): CellHeader["cell"] | null {
  return (header as Partial<CellHeader>).cell ?? null;
}

/**
 * What is wrong with a cell's certificate; null: it proves that the cell is SAFE. `guard`: the
 * source of a guard that is not built in. @throws PacketpathError as `checkWithin` does.
 */
export async function checkCell(
  file: Uint8Array,
  guard: GuardSource | null,
  maxSeconds?: number,
): Promise<string | null> {
  const { header, words } = readCertificate(file);
  const cell = cellOf(header)!;
  const graph = await loadGraph(guard);
  if (graph.hash !== header.sourceHash) return "it is about another source";
  // The slots of the states, in the order in which they came into use then.
  for (const address of cell.addresses.slice(1)) graph.runtime.slotOf(address);
  const cells = new Cells(graph, guard === null ? null : ownGuard(graph, guard.file));
  return checkWithin(maxSeconds, guard?.file ?? header.file, () => {
    const program = cells.make(cell.options).program();
    const problem = checkCertificate(file, program);
    if (problem !== null || !cell.oneByOne) return problem;
    return independent(program, header, words) ? null : "its packet concerns others";
  });
}

/** Whether what one packet does alone is all that it can do in the company of others. */
function independent(program: LoadedProgram, header: Header, words: Int32Array): boolean {
  let used = 0;
  const threads = program.threads.map((one, t) => {
    const edges = words.subarray(used, (used += 3 * header.edges[t]!));
    return localStates(one, program.runtime, edges).steps;
  });
  return independentReader(threads, program.sites, 0);
}
