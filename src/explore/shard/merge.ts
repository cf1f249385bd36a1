// One part of a sharded exploration as a file's content, and the one result of all parts. A part
// alone decides nothing but what it has found. Pure; any thread.
import { PacketpathError } from "../../base/errors.js";
import type { Exploration, ExploreOptions, LoadedProgram, Shard } from "../types.js";

/** What parts must have in common beside the program and the strategy. */
type Settings = Omit<ExploreOptions, "strategy" | "shard" | "onCertificate">;

export interface Part extends Exploration {
  readonly sourceHash: string;
  readonly settings: Settings;
  readonly shard: Shard & Pick<Exploration, "verdict" | "complete" | "bound">;
}

/** A part's result, which says of itself that it is none of the whole. */
export function partOf(
  program: Pick<LoadedProgram, "sourceHash">,
  result: Exploration,
  { shard, strategy: _strategy, onCertificate: _onCertificate, ...settings }: ExploreOptions,
): Part {
  const { index, count } = shard!;
  const { verdict, complete, bound } = result;
  const own = {
    sourceHash: program.sourceHash,
    settings,
    shard: { index, count, verdict, complete, bound },
  };
  if (isFound(result)) return { ...result, ...own };
  const waits = `part ${index} of ${count}, from 0: packetpath merge decides`;
  return { ...result, ...own, verdict: "UNDECIDED", complete: false, bound: bound ?? waits };
}

function isFound({ verdict }: Pick<Exploration, "verdict">): boolean {
  return verdict !== "SAFE" && verdict !== "UNDECIDED";
}

export interface PartFile {
  readonly file: string;
  readonly part: Part;
}

/** @throws PacketpathError USAGE when the text is no part. */
export function parsePart(text: string, file: string): PartFile {
  const wrong = (what: string) =>
    new PacketpathError("USAGE", `${what}; expected what explore --shard I/N --out FILE wrote`, {
      place: { file },
    });
  let part: Partial<Part> | null;
  try {
    part = JSON.parse(text) as Partial<Part> | null;
  } catch {
    throw wrong("not JSON");
  }
  if (typeof part !== "object" || part === null) throw wrong("not an object");
  const { shard, settings, sourceHash, strategy, verdict } = part;
  const isPart =
    Number.isInteger(shard?.index) && Number.isInteger(shard?.count) && settings !== undefined;
  if (!isPart || sourceHash === undefined || strategy === undefined || verdict === undefined) {
    throw wrong("not a part of an exploration");
  }
  return { file, part: part as Part };
}

/** The result of all parts. @throws PacketpathError USAGE naming what does not fit together. */
export function mergeParts(files: readonly PartFile[]): Exploration {
  mustBeWhole(files, (part) => ({
    source: part.sourceHash,
    program: part.program,
    strategy: part.strategy,
    ...part.settings,
  }));
  return sum(files.map((one) => one.part).sort((x, y) => x.shard.index - y.shard.index));
}

interface AnyPartFile<P> {
  readonly file: string;
  readonly part: P & { readonly shard: Shard; readonly schemaVersion?: number };
}

/** Of the JSON that parts are written as. */
const SCHEMA_VERSION = 1;

/**
 * Whether files are all parts of one whole, each once.
 * @param factsOf what parts must have in common.
 * @throws PacketpathError USAGE naming what does not fit together.
 */
export function mustBeWhole<P>(
  files: readonly AnyPartFile<P>[],
  factsOf: (part: P) => Record<string, unknown>,
): void {
  const [first, ...others] = files;
  if (first === undefined) throw new PacketpathError("USAGE", "no parts to merge");
  const facts = ({ part }: AnyPartFile<P>) => ({
    ...factsOf(part),
    "number of parts": part.shard.count,
  });
  for (const { file, part } of files) {
    const { schemaVersion = SCHEMA_VERSION } = part;
    if (schemaVersion === SCHEMA_VERSION) continue;
    const message = `schemaVersion ${schemaVersion}; this packetpath merges ${SCHEMA_VERSION}`;
    throw new PacketpathError("USAGE", message, { place: { file } });
  }
  for (const other of others) mustMatch(first.file, facts(first), other.file, facts(other));
  const { count } = first.part.shard;
  const byIndex = new Map<number, AnyPartFile<P>>();
  for (const one of files) {
    const { index } = one.part.shard;
    const twin = byIndex.get(index);
    if (twin !== undefined) {
      const message = `part ${index} of ${count} twice: "${twin.file}" and "${one.file}"`;
      throw new PacketpathError("USAGE", message, { place: { file: one.file } });
    }
    byIndex.set(index, one);
  }
  const missing = Array.from({ length: count }, (_one, i) => i).filter((i) => !byIndex.has(i));
  if (missing.length > 0) {
    throw new PacketpathError("USAGE", `of ${count} parts, from 0: ${missing.join(", ")} missing`);
  }
}

type Facts = Record<string, unknown>;

function mustMatch(one: string, x: Facts, other: string, y: Facts): void {
  for (const name of new Set([...Object.keys(x), ...Object.keys(y)])) {
    if (x[name] === y[name]) continue;
    const values = `${String(y[name])}, not ${String(x[name])} as in "${one}"`;
    throw new PacketpathError("USAGE", `another ${name}: ${values}`, {
      place: { file: other },
    });
  }
}

/** The parts' result; the whole, or as many as there were when one had found something. */
export function sum(parts: readonly Part[]): Exploration {
  const found = parts.find((one) => isFound(one.shard));
  const open = parts.find((one) => !one.shard.complete);
  const complete = parts.every((one) => one.shard.complete);
  const total = (values: readonly (string | number | null)[]) =>
    values.includes(null) ? null : values.reduce((all, one) => all + BigInt(one!), 0n);
  const text = (values: readonly (string | null)[]) => total(values)?.toString() ?? null;
  const executions = total(parts.map((one) => one.executions));
  const seconds = parts.reduce((all, one) => all + one.seconds, 0);
  const base = withoutPart(found ?? parts[0]!);
  const isRunCount = open?.shard.bound?.endsWith(" executions") === true && executions !== null;
  return {
    ...base,
    verdict: found?.verdict ?? (complete ? "SAFE" : "UNDECIDED"),
    complete,
    traces: text(parts.map((one) => one.traces)),
    blocked: text(parts.map((one) => one.blocked)),
    bound: (isRunCount ? `${executions} executions` : open?.shard.bound) ?? null,
    executions: executions === null ? null : Number(executions),
    race: parts.find((one) => one.race !== null)?.race ?? null,
    predicted: parts.flatMap((one) => one.predicted),
    // What each part has seen of pairs of accesses is no more than a part.
    coverage: null,
    seconds: Math.round(seconds * 1e6) / 1e6,
    executionsPerSecond: executions === null ? null : Math.round(Number(executions) / seconds),
  };
}

/** What an exploration has that was not split. */
function withoutPart(part: Part): Exploration {
  const own = ["sourceHash", "settings", "shard", "schemaVersion"];
  const entries = Object.entries(part).filter(([name]) => !own.includes(name));
  return Object.fromEntries(entries) as Exploration & Record<string, unknown>;
}
