// Rewrites the modules of the explored system and turns them into JavaScript. Needs the TypeScript
// compiler, so only the build, mutants and user guards come here. Pure; any thread.
import ts from "typescript";
import type { Door } from "../source/modules.js";
import { rewriteModules } from "../source/modules.js";
import { GUARD, type GuardSource, type Prepared, resolveModule, SYNC } from "./prepared.js";
import { DEVICE_PROPERTIES } from "./view.js";

const BASIC = "ld st add cas xchg setBits clearBits waitWhile tick assert".split(" ");
const DIRECT = "ld st add cas xchg setBits clearBits lock unlock waitWhile waitUntil".split(" ");
const NOTHING: Door = { primitives: new Set(), explored: new Set() };

/** What earlier preparations have found out, for systems that differ in one file. */
export interface Memory {
  /** Texts that are TypeScript. */
  readonly known: Set<string>;
  /** JavaScript by rewritten text. */
  readonly codes: Map<string, string>;
}

/** @throws PacketpathError PROGRAM_INVALID with the place of whatever cannot be controlled. */
export function prepare(
  texts: ReadonlyMap<string, string>,
  hash: string,
  memory: Memory = { known: new Set(), codes: new Map() },
): Prepared {
  const sync: Door = { primitives: new Set(BASIC), explored: exportedBy(texts.get(SYNC)!) };
  const direct: Door = { primitives: new Set(DIRECT), explored: new Set() };
  const view: Door = { primitives: new Set(), explored: new Set(["userGuardAllows"]) };
  const { modules, sites } = rewriteModules({
    texts,
    resolve(from, specifier) {
      const path = resolveModule(from, specifier);
      return texts.has(path) ? path : null;
    },
    door(specifier) {
      if (/sync\/index\.js$/.test(specifier)) return sync;
      if (/\/primitives\.js$/.test(specifier)) return direct;
      return /device-view\.js$/.test(specifier) ? view : NOTHING;
    },
    known: memory.known,
  });
  for (const text of texts.values()) memory.known.add(text);
  const compiled = modules.map(({ path, text }) => {
    const code = memory.codes.get(text) ?? compile(path, text).code;
    memory.codes.set(text, code);
    return { path, code };
  });
  return { hash, sites, modules: compiled };
}

function compile(path: string, text: string) {
  const compilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    removeComments: true,
  };
  return { path, code: ts.transpileModule(text, { compilerOptions, fileName: path }).outputText };
}

/**
 * A system with a guard of a user's as one more module, `GUARD`. In it, reading a property of a
 * device is a step; it may import types only.
 */
export function prepareGuard(system: Prepared, { file, text }: GuardSource): Prepared {
  const { modules, sites } = rewriteModules({
    texts: new Map([[file, text]]),
    resolve: () => null,
    door: () => NOTHING,
    properties: new Set(DEVICE_PROPERTIES),
    sites: system.sites,
  });
  // By this name, since a .mjs file would stay the module that it is.
  const guard = compile(GUARD, modules[0]!.text);
  return { hash: system.hash, sites, modules: [...system.modules, guard], guardFile: file };
}

/** Names of the functions that a module exports. */
function exportedBy(text: string): Set<string> {
  return new Set([...text.matchAll(/^export function (\w+)/gm)].map(([, name]) => name!));
}
