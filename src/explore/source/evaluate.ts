// Runs a program's module, rewritten or as it was written, and hands out its default export. The
// module sees the primitives that it is given and nothing else. Any thread.
import { compileFunction, Script } from "node:vm";
import { PacketpathError } from "../../base/errors.js";
import { invalid } from "./invalid.js";

/** What a program imports from. */
export const DOOR = "packetpath/explore";

export interface Surroundings {
  /** What the door exports. */
  readonly door: Readonly<Record<string, unknown>>;
  /** What inserted tokens call; null where there are none. */
  readonly $: unknown;
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
  const sandbox: { run: () => void; result?: T } = { run: () => (sandbox.result = work()) };
  try {
    new Script("run()").runInNewContext(sandbox, { timeout: MODULE_MS });
  } catch (error) {
    // An error of that context is none of this one's.
    if ((error as { code?: unknown } | null)?.code !== OUT_OF_TIME) throw error;
    throw invalid(file, `the module runs for more than ${MODULE_MS / 1000} s`);
  }
  return sandbox.result as T;
}

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
    throw invalid(file, `the module throws: ${error instanceof Error ? error.message : "?"}`);
  }
}

/** @throws PacketpathError PROGRAM_INVALID when the module throws or exports no default. */
export function evaluate(code: string, file: string, { door, $ }: Surroundings): unknown {
  const need = (specifier: string): unknown => {
    if (specifier === DOOR) return door;
    throw invalid(file, `a program imports from "${DOOR}" only, not from "${specifier}"`);
  };
  const module: { exports: { default?: unknown } } = { exports: {} };
  const run = compileFunction(code, ["require", "module", "exports", "$"], { filename: file });
  evaluated(() => run(need, module, module.exports, $), file);
  if (module.exports.default === undefined) {
    throw new PacketpathError("PROGRAM_INVALID", "no default export", {
      place: { file, line: 1, column: 1 },
      fix: "Write: export default program({ ... })",
    });
  }
  return module.exports.default;
}
