// `packetpath matrix --system NAME`: every variant of a system, explored, against what it must come
// to; and the program behind `packetpath explore --system NAME`. Main thread only.
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Exploration, Verdict } from "../../explore/types.js";
import type { Parameters } from "../../explore/variants/parameters.js";
import type { VariantResult, VariedSystem } from "../../explore/variants/variants.js";
import { didYouMean } from "../../scenario/text/did-you-mean.js";
import { writeOut } from "../failure.js";
import { programCase } from "../program-results.js";
import { type ResultFlags, writeResults } from "../results.js";
import { storyText } from "./text.js";

export interface SystemFlags {
  readonly system?: string;
  readonly variant?: string;
  /** Each `name=value`. */
  readonly set?: readonly string[];
}

/** A program's text, its name, and the verdict that the variant expects; null: its own. */
export interface ChosenProgram {
  readonly source: string;
  readonly file: string;
  readonly expect: Verdict | null;
  /** How the user names it on the command line. */
  readonly name: string;
}

/** @throws PacketpathError USAGE for a name that no system has. */
export async function systemOf(name: string): Promise<VariedSystem> {
  const { SYSTEMS } = await import("../../models/systems.js");
  const found = SYSTEMS.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = SYSTEMS.map((one) => one.name);
  const message = `--system "${name}": no such system${didYouMean(name, names)}`;
  throw new PacketpathError("USAGE", message, { fix: `Use one of ${names.join(", ")}.` });
}

/** The program of a system: as it is, or in one of its variants. @throws PacketpathError USAGE */
export async function systemProgram(flags: SystemFlags): Promise<ChosenProgram> {
  const { variantOf, variantText } = await import("../../explore/variants/variants.js");
  const system = await systemOf(flags.system ?? "");
  const name = `--system ${system.name}`;
  if (flags.variant === undefined) return { ...variantText(system, null), expect: null, name };
  const variant = variantOf(system, flags.variant);
  const words = `${name} --variant ${variant.id}`;
  return { ...variantText(system, variant), expect: variant.verdict, name: words };
}

/** The same program with the parameters that the user gives. @throws PacketpathError USAGE */
export async function withFlags(
  chosen: ChosenProgram,
  set: readonly string[],
): Promise<ChosenProgram> {
  if (set.length === 0) return chosen;
  const { readParameter, withParameters } = await import("../../explore/variants/parameters.js");
  const { source, file } = chosen;
  const all: Parameters = Object.assign({}, ...set.map((one) => readParameter(one, source, file)));
  return { ...chosen, source: withParameters(source, file, all) };
}

export interface VariantMatrixFlags extends ResultFlags {
  readonly system?: readonly string[];
  readonly variant?: readonly string[];
  readonly timeline?: boolean;
}

/** Flags of `matrix` that mean something with --system. */
const OWN_FLAGS = ["system", "variant", "timeline", "json", "junit", "github"];

/**
 * Explores and prints; the exit code says whether each variant is as expected.
 * @throws PacketpathError USAGE for what the list has not, and for flags of the guard matrix.
 */
export async function variantMatrix(flags: VariantMatrixFlags): Promise<number> {
  const foreign = Object.keys(flags).find((one) => !OWN_FLAGS.includes(one));
  if (foreign !== undefined) {
    const flag = foreign.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new PacketpathError("USAGE", `--${flag} is not for --system`, {
      fix: "packetpath explore --system NAME --variant ID has more flags.",
    });
  }
  const { decideVariant, variantOf } = await import("../../explore/variants/variants.js");
  const systems = await Promise.all((flags.system ?? []).map(systemOf));
  const results: VariantResult[] = [];
  for (const system of systems) {
    const chosen = flags.variant?.map((id) => variantOf(system, id)) ?? system.variants;
    for (const variant of chosen) results.push(await decideVariant(system, variant));
  }
  const seconds = results.reduce((sum, one) => sum + one.result.seconds, 0);
  if (flags.json === true) {
    const json = { schemaVersion: 1, cells: results.map(cellOf), seconds };
    await writeOut(process.stdout, `${JSON.stringify(json)}\n`);
  } else {
    for (const system of systems) await writeOut(process.stdout, tableOf(system, results));
    const states = results.reduce((sum, one) => sum + (one.result.states ?? 0), 0);
    const count = `${results.length} variants, ${states} states, ${seconds.toFixed(2)} s`;
    await writeOut(process.stdout, `${count}\n`);
    if (flags.timeline === true) for (const one of results) await writeStory(one);
  }
  await writeResults(await Promise.all(results.map(caseOf)), flags);
  return results.every((one) => one.surprise === "") ? EXIT.asExpected : EXIT.notAsExpected;
}

function cellOf({ system, variant, result, surprise }: VariantResult) {
  const { verdict, complete, states, transitions, traces, seconds, counterexample } = result;
  return {
    system,
    variant: variant.id,
    what: variant.what,
    parameters: variant.parameters,
    source: variant.source,
    verdict,
    expected: variant.verdict,
    asExpected: surprise === "",
    complete,
    states,
    transitions,
    traces,
    steps: counterexample?.steps ?? null,
    switches: counterexample?.switches ?? null,
    minimal: counterexample?.minimal ?? null,
    message: counterexample?.message ?? "",
    token: counterexample?.token ?? null,
    seconds,
  };
}

function tableOf(system: VariedSystem, results: readonly VariantResult[]): string {
  const own = results.filter((one) => one.system === system.name);
  const rows = own.map((one) => [one.variant.id, wordsOf(one), numbersOf(one.result)]);
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lines = own.map(({ variant }, i) => {
    const [id = "", words = "", numbers = ""] = rows[i]!;
    const head = `${id.padEnd(widths[0]!)}  ${words.padEnd(widths[1]!)}  ${numbers}`;
    return `${head}\n    ${variant.what}\n`;
  });
  return `${system.name}: ${system.title}\n${lines.join("")}`;
}

function wordsOf({ result, surprise }: VariantResult): string {
  return surprise === "" ? result.verdict : `${result.verdict} (${surprise})`;
}

function numbersOf({ states, transitions, counterexample }: Exploration): string {
  const size = `${states} states, ${transitions} transitions`;
  if (counterexample === null) return size;
  const { steps, switches, token } = counterexample;
  return `${size}, ${switches} switches, ${steps} steps, ${token}`;
}

async function writeStory({ system, variant, result }: VariantResult): Promise<void> {
  if (result.counterexample === null) return;
  const head = `\n${result.verdict}: ${system} ${variant.id}, ${variant.what}\n`;
  await writeOut(process.stdout, `${head}${await storyText(result.counterexample)}`);
}

async function caseOf({ system, variant, result, surprise }: VariantResult) {
  const one = await programCase(`src/models/${system}`, result);
  const replay = result.counterexample === null ? "" : ` --replay ${result.counterexample.token}`;
  const command = `packetpath explore --system ${system} --variant ${variant.id}${replay}`;
  const name = `${system} ${variant.id}`;
  if (surprise === "") return { ...one, name, command, outcome: "passed" as const };
  const outcome = result.verdict === "UNDECIDED" ? ("error" as const) : ("failed" as const);
  return { ...one, name, command, outcome, message: `${result.verdict}: ${surprise}` };
}
