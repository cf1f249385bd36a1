// Short programs of kernel steps as sources, and what exploring them gives; for tests.
import { explore } from "../../src/explore/explore.js";
import { KERNEL_PRIMITIVES } from "../../src/explore/requests.js";
import { loadProgram } from "../../src/explore/source/load.js";
import type { Exploration } from "../../src/explore/types.js";

const PLAIN = ["assert", "choose", "FREE", "ld", "lock", "program", "read", "st", "UNINIT"];
const MORE = ["add", "cas", "unlock", "waitUntil", "waitWhile", "write"];

/** The source of a program that imports every primitive. `spec` is all but its name. */
export function kernelSource(spec: string): string {
  const names = [...PLAIN, ...MORE, ...KERNEL_PRIMITIVES].join(", ");
  return `import { ${names} } from "packetpath/explore";
export default program({ name: "p", ${spec} });\n`;
}

export async function exploreKernel(spec: string): Promise<Exploration> {
  return explore(await loadProgram(kernelSource(spec), "p.ts"));
}

/** What a law says, a program that can tell, its verdict. */
export type Law = [law: string, spec: string, verdict: string];

/** Cells x, y, z; locks m, n, u (not initialised); each thread is `name: { ... }` or a function. */
export const spec = (threads: string, more = "") =>
  `cells: { x: 0, y: 0, z: 0, raw: UNINIT }, locks: { m: FREE, n: FREE, u: UNINIT }, ${more}
  threads: { ${threads} }`;

/** The names of a list that a code speaks of, to be taken out of the handles. */
export function used(names: readonly string[], code: string): string {
  return names.filter((name) => new RegExp(`\\b${name}\\b`).test(code)).join(", ");
}

const HANDLES = ["x", "y", "z", "raw", "m", "n", "u", "h", "w", "t", "cb"];
const run = (code: string) => `run({ ${used(HANDLES, code)} }, arg) { ${code} }`;
export const task = (name: string, code: string, more = "cpu: 0") =>
  `${name}: { ${more}, ${run(code)} },`;
export const handler = (name: string, context: string, code: string, more = "") =>
  `${name}: { context: "${context}", ${more} ${run(code)} },`;
