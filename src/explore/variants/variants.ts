// Variants of a system: one program, with other parameters in each, and what exploring it must come
// to. The systems themselves are handed in; this file knows none. Main thread; reads the texts of
// programs under src.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PacketpathError } from "../../base/errors.js";
import { explore } from "../explore.js";
import { loadProgram } from "../source/load.js";
import type { ExploreOptions, Exploration, LoadedProgram, Verdict } from "../types.js";
import { type Parameters, withParameters } from "./parameters.js";

/** `src` of the package, from `src` itself and from `dist`. */
const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "../../../src");

export interface Variant {
  readonly id: string;
  /** What it is, in one sentence. */
  readonly what: string;
  /** Where they differ from those in the program's text. */
  readonly parameters: Parameters;
  /** The program, where it is another than the system's. */
  readonly file?: string;
  readonly verdict: Verdict;
  /** Context switches of the shortest schedule that fails; absent for SAFE. */
  readonly switches?: number;
  /** What the message of the failure holds, so that no other failure is taken for it. */
  readonly says?: string;
  /** The commit, issue or text that it is told from. */
  readonly source: string;
}

export interface VariedSystem {
  readonly name: string;
  /** What it is, in one line. */
  readonly title: string;
  /** The program, by its path under `src`. */
  readonly file: string;
  readonly variants: readonly Variant[];
}

/** A variant's program as text. */
export interface VariantText {
  /** As errors and timelines name it. */
  readonly file: string;
  readonly source: string;
}

export interface VariantResult {
  readonly system: string;
  readonly variant: Variant;
  readonly result: Exploration;
  /** Why it is not as expected; "" if it is. */
  readonly surprise: string;
}

/** @throws PacketpathError USAGE for an id that the system has not. */
export function variantOf({ name, variants }: VariedSystem, id: string): Variant {
  const found = variants.find((one) => one.id === id);
  if (found !== undefined) return found;
  const all = variants.map((one) => one.id).join(", ");
  throw new PacketpathError("USAGE", `no variant "${id}" of ${name}: it has ${all}`);
}

/** Of a variant, or of the system's own program as it stands. */
export function variantText(system: VariedSystem, variant: Variant | null): VariantText {
  const path = variant?.file ?? system.file;
  const file = `src/${path}`;
  const text = readFileSync(join(SOURCES, path), "utf8");
  return { file, source: withParameters(text, file, variant?.parameters ?? {}) };
}

/** The variant's program, which expects the variant's verdict. */
export async function loadVariant(system: VariedSystem, variant: Variant): Promise<LoadedProgram> {
  const { source, file } = variantText(system, variant);
  return { ...(await loadProgram(source, file)), expect: variant.verdict };
}

/** Explores one variant by all its states. */
export async function decideVariant(
  system: VariedSystem,
  variant: Variant,
  options: ExploreOptions = {},
): Promise<VariantResult> {
  const result = explore(await loadVariant(system, variant), options);
  return { system: system.name, variant, result, surprise: surpriseOf(variant, result) };
}

function surpriseOf(variant: Variant, { verdict, counterexample }: Exploration): string {
  const { switches, says = "" } = variant;
  if (verdict !== variant.verdict) return `expected ${variant.verdict}`;
  const message = counterexample?.message ?? "";
  if (!message.includes(says)) return `expected a message with "${says}", not "${message}"`;
  const found = counterexample?.switches;
  if (switches === found) return "";
  return `expected ${switches ?? "no"} context switches, not ${found ?? "any"}`;
}
