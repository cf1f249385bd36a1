// Makes a program of a file: rewrites it, strips its types, runs the module once and checks what it
// exports. Main thread; reads nothing but the text it is given.
import { compileFunction } from "node:vm";
import { PacketpathError } from "../../base/errors.js";
import { primitivesOf, Runtime } from "../runtime.js";
import type { LoadedProgram, Step, ThreadCode } from "../types.js";
import { DOOR, PRIMITIVES } from "./analyze.js";
import { rewrite } from "./rewrite.js";
import { invalid, type Layout, unpack } from "./unpack.js";

/** @throws PacketpathError PROGRAM_INVALID with the place, or the field that is not right. */
export async function loadProgram(source: string, file: string): Promise<LoadedProgram> {
  const rewritten = rewrite(source, file);
  const runtime = new Runtime();
  const exported = await evaluate(rewritten.text, file, runtime);
  const { name, expect, memory, threads: list, final } = unpack(exported, file);
  runtime.bounds = { cells: memory.firstLock, addresses: memory.names.length };
  const threads = list.map(([one, code]) => {
    return threadCode(one, code, memory.handles, file);
  });
  return {
    name,
    file,
    sourceHash: hashText(source),
    sites: rewritten.sites,
    names: memory.names,
    initial: memory.initial,
    firstLock: memory.firstLock,
    threads,
    final: final === undefined ? null : threadCode("final", final, memory.handles, file),
    expect,
    runtime,
  };
}

async function evaluate(text: string, file: string, runtime: Runtime): Promise<unknown> {
  const { transform } = await import("esbuild");
  const loader = /\.[cm]?js$/.test(file) ? "js" : "ts";
  const { code } = await transform(text, { loader, format: "cjs", target: "node20" });
  const door = primitivesOf(PRIMITIVES);
  const need = (specifier: string): unknown => {
    if (specifier === DOOR) return door;
    throw invalid(file, `a program imports from "${DOOR}" only, not from "${specifier}"`);
  };
  const module: { exports: { default?: unknown } } = { exports: {} };
  const run = compileFunction(code, ["require", "module", "exports", "$"], { filename: file });
  try {
    run(need, module, module.exports, runtime);
  } catch (error) {
    if (error instanceof PacketpathError) throw error;
    throw invalid(file, `the module throws: ${error instanceof Error ? error.message : "?"}`);
  }
  if (module.exports.default === undefined) {
    throw invalid(file, "no default export; write: export default program({ ... })");
  }
  return module.exports.default;
}

function threadCode(
  name: string,
  code: unknown,
  handles: Layout["handles"],
  file: string,
): ThreadCode {
  if (typeof code !== "function") throw invalid(file, `${name}: expected a function`);
  const start = code as (handles: Layout["handles"]) => unknown;
  return {
    name,
    isDaemon: false,
    start(): Generator<Step, unknown, number> {
      const run = start(handles);
      if (typeof run === "object" && run !== null && "next" in run) {
        return run as Generator<Step, unknown, number>;
      }
      // A function without a primitive is run and done with.
      if (run === undefined) return nothing();
      throw invalid(file, `${name}: expected a thread function; it returns a ${typeof run}`);
    },
  };
}

function* nothing(): Generator<Step, unknown, number> {
  return undefined;
}

/** FNV-1a, 32 bits. */
function hashText(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
