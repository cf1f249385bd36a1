// The modules of an explored system as one unit: read from the package's own sources, rewritten
// together, evaluated with the explorer's primitives in the place of `src/sync`. Main thread, or a
// worker that explores; reads files, writes none.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";
import * as memory from "../../sync/memory.js";
import { primitivesOf } from "../runtime.js";
import type { Site } from "../types.js";
import {
  GUARD,
  type GuardSource,
  MODEL,
  PARTS,
  type Prepared,
  resolveModule,
  SYNC,
  VIEW,
} from "./prepared.js";
import { compiled, mustBeUntouched } from "../source/evaluate.js";
import { Realm } from "../source/realm/realm.js";
import { SystemRuntime } from "./runtime.js";
import { viewModule } from "./view.js";

/** `src` of the package, from `src` itself and from `dist`. */
const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "../../../src");

/** Where the build leaves the rewritten modules, so that a command need not parse them. */
const PREPARED = join(SOURCES, "../dist/explore/system/prepared.json");

/** Texts that stand in for those of files, by path under `src`: mutants, a user's guard. */
export type Replaced = ReadonlyMap<string, string>;

export interface Graph {
  readonly runtime: SystemRuntime;
  readonly hash: string;
  readonly sites: readonly Site[];
  /** What a module exports. */
  exportsOf(path: string): Record<string, unknown>;
}

/** The texts of the system, by path under `src`. */
export function systemTexts(replaced: Replaced = new Map()): Map<string, string> {
  const files = readdirSync(join(SOURCES, "path"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `path/${file}`)
    .filter((file) => file !== VIEW)
    .sort();
  const texts = new Map<string, string>();
  for (const file of [...files, ...Object.values(PARTS), MODEL, SYNC]) {
    texts.set(file, replaced.get(file) ?? readFileSync(join(SOURCES, file), "utf8"));
  }
  for (const [file, text] of replaced) texts.set(file, text);
  return texts;
}

export function hashTexts(texts: ReadonlyMap<string, string>): string {
  const hash = createHash("sha256");
  for (const [path, text] of texts) hash.update(`${path}\0${text}\0`);
  return hash.digest("hex");
}

/**
 * The system, ready to run: from what the build prepared if that is of the same sources.
 * @throws PacketpathError PROGRAM_INVALID with the place of what is wrong in a guard.
 */
export async function loadGraph(
  guard: GuardSource | null = null,
  replaced: Replaced = new Map(),
): Promise<Graph> {
  const texts = systemTexts(replaced);
  const hash = hashTexts(texts);
  const system = preparedByBuild(hash) ?? (await import("./prepare.js")).prepare(texts, hash);
  if (guard === null) return evaluateGraph(system);
  const { prepareGuard } = await import("./prepare.js");
  const own = hashTexts(new Map([...texts, [GUARD, guard.text]]));
  return evaluateGraph({ ...prepareGuard(system, guard), hash: own });
}

function preparedByBuild(hash: string): Prepared | null {
  if (!existsSync(PREPARED)) return null;
  const prepared = JSON.parse(readFileSync(PREPARED, "utf8")) as Prepared;
  return prepared.hash === hash ? prepared : null;
}

/** Runs the modules; each on its first import, circles allowed. */
export function evaluateGraph(prepared: Prepared): Graph {
  const runtime = new SystemRuntime();
  const codes = new Map(prepared.modules.map(({ path, code }) => [path, code]));
  const loaded = new Map<string, { exports: Record<string, unknown> }>();
  const view = () => viewModule(runtime, prepared, () => load("path/guards.ts"));
  const outside = outsideOf(runtime, view, load);
  function load(path: string): Record<string, unknown> {
    const known = loaded.get(path);
    if (known !== undefined) return known.exports;
    const code = codes.get(path);
    if (code === undefined) throw new Error(`${path} is not part of the explored system`);
    const module = { exports: {} as Record<string, unknown> };
    loaded.set(path, module);
    const names = ["require", "module", "exports", "$"];
    if (path === GUARD) {
      loadGuard(code, module, prepared.guardFile!, runtime);
      return module.exports;
    }
    const run = compileFunction(code, names, { filename: join(SOURCES, path) });
    const need = (specifier: string): unknown => {
      return outside(path, specifier) ?? load(resolveModule(path, specifier));
    };
    run(need, module, module.exports, runtime);
    return module.exports;
  }
  const { hash, sites } = prepared;
  return { runtime, hash, sites, exportsOf: load };
}

/** A user's guard runs in a world of its own, and imports nothing. */
function loadGuard(code: string, module: object, file: string, runtime: SystemRuntime): void {
  const realm = new Realm();
  const exports = (module as { exports: object }).exports;
  compiled(code, ["module", "exports", "$"], file, realm)(module, exports, runtime);
  mustBeUntouched(realm, file);
  runtime.seal(realm);
}

type Loader = (path: string) => Record<string, unknown>;

/** What imports from outside of the rewritten modules get, or null for one from inside. */
function outsideOf(runtime: SystemRuntime, view: () => object, load: Loader) {
  const direct = primitivesOf(
    "ld st add cas xchg setBits clearBits lock unlock waitWhile waitUntil".split(" "),
  );
  const basics = primitivesOf("ld st add cas xchg setBits clearBits waitWhile".split(" "));
  // Production's primitives take the memory first; there is only one here.
  const withMemory = Object.fromEntries(
    Object.entries(basics).map(([name, make]) => {
      const request = make as (...args: unknown[]) => unknown;
      return [name, (_m: unknown, ...args: unknown[]) => request(...args)];
    }),
  );
  const ticks = primitivesOf(["tick", "assert"]);
  const tick = ticks.tick as (...args: unknown[]) => unknown;
  const plain = {
    ...memory,
    ...withMemory,
    assert: ticks.assert,
    tick: (_m: unknown, ...live: unknown[]) => tick(...live),
    smpProcessorId: () => runtime.cpu,
    // For observers and for real devices: no part of the path's meaning.
    tally: () => 0,
    trace: () => undefined,
    deed: () => undefined,
  };
  return (from: string, specifier: string): unknown => {
    const path = resolveModule(from, specifier);
    if (path === VIEW) return view();
    if (path === "explore/primitives.ts") return direct;
    if (path !== "sync/index.ts") return null;
    return from === SYNC ? plain : { ...plain, ...load(SYNC) };
  };
}
