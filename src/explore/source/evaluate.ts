// Runs a program's module, rewritten or as it was written, and hands out its default export. The
// module sees the primitives that it is given, in a world of its own. Any thread.
import { types } from "node:util";
import { compileFunction, createContext, Script } from "node:vm";
import { PacketpathError } from "../../base/errors.js";
import { invalid } from "./invalid.js";
import { Realm } from "./realm/realm.js";

/** What a program imports from. */
export const DOOR = "packetpath/explore";

export interface Surroundings {
  /** What the door exports. */
  readonly door: Readonly<Record<string, unknown>>;
  /** What inserted tokens call; null where there are none. */
  readonly $: unknown;
  /** The world that the module runs in; a new one if absent. */
  readonly realm?: Realm;
}

/** Longest run of a module, which only builds an object, in milliseconds. */
const MODULE_MS = 5000;

/** What Node says of a script that it stopped. */
const OUT_OF_TIME = "ERR_SCRIPT_EXECUTION_TIMEOUT";

/**
 * The result of something that may have no end. Node's limit covers functions that a script calls,
 * too.
 * @throws PacketpathError PROGRAM_INVALID when it takes too long.
 */
export function limited<T>(work: () => T, file: string): T {
  let result: T | undefined;
  const outer = sandbox.run;
  sandbox.run = () => (result = work());
  try {
    script.runInContext(context, { timeout: MODULE_MS });
  } catch (error) {
    // An error of that context is none of this one's.
    if ((error as { code?: unknown } | null)?.code !== OUT_OF_TIME) throw error;
    throw invalid(file, `the module runs for more than ${MODULE_MS / 1000} s`);
  } finally {
    sandbox.run = outer;
  }
  return result as T;
}

/** Where a script finds what is limited: Node limits scripts only, with all that they call. */
const sandbox: { run: () => void } = { run: () => undefined };
const context = createContext(sandbox);
const script = new Script("run()");

/** Strips the types and makes imports calls of `require`. */
export async function transpile(text: string, file: string): Promise<string> {
  const { transform } = await import("esbuild");
  const loader = /\.[cm]?js$/.test(file) ? "js" : "ts";
  return (await transform(text, { loader, format: "cjs", target: "node20" })).code;
}

/**
 * What running the module of a file gives.
 * @throws PacketpathError PROGRAM_INVALID when it throws or takes too long.
 */
export function evaluated<T>(run: () => T, file: string): T {
  try {
    return limited(run, file);
  } catch (error) {
    if (error instanceof PacketpathError) throw error;
    throw invalid(file, `the module throws: ${types.isNativeError(error) ? error.message : "?"}`);
  }
}

/** The function of a module's code, in a world of its own; `code` is strict, as all modules are. */
export function compiled(code: string, names: string[], filename: string, realm: Realm) {
  const parsingContext = realm.context;
  return compileFunction(`"use strict";${code}`, names, { filename, parsingContext });
}

/** @throws PacketpathError PROGRAM_INVALID when the module throws or exports no default. */
export function evaluate(code: string, file: string, surroundings: Surroundings): unknown {
  const { door, $, realm = new Realm() } = surroundings;
  const all = { ...door, program: realm.identity };
  const need = (specifier: string): unknown => {
    if (specifier === DOOR) return all;
    throw invalid(file, `a program imports from "${DOOR}" only, not from "${specifier}"`);
  };
  const module: { exports: { default?: unknown } } = { exports: {} };
  const run = compiled(code, ["require", "module", "exports", "$"], file, realm);
  evaluated(() => run(need, module, module.exports, $), file);
  mustBeUntouched(realm, file);
  if (module.exports.default === undefined) {
    throw new PacketpathError("PROGRAM_INVALID", "no default export", {
      place: { file, line: 1, column: 1 },
      fix: "Write: export default program({ ... })",
    });
  }
  return module.exports.default;
}

/** @throws PacketpathError PROGRAM_INVALID when a module has changed JavaScript's own objects. */
export function mustBeUntouched(realm: Realm, file: string): void {
  const name = realm.changed();
  if (name !== null) throw invalid(file, `the module changes "${name}" of JavaScript`);
}
