// Makes a program of a file: rewrites it, strips its types, runs the module once and checks what it
// exports. Main thread; reads nothing but the text it is given.
import { compileFunction } from "node:vm";
import { PacketpathError } from "../../base/errors.js";
import { primitivesOf, Runtime } from "../runtime.js";
import {
  type LoadedProgram,
  type Step,
  type ThreadCode,
  type Verdict,
  VERDICTS,
} from "../types.js";
import { DOOR, PRIMITIVES } from "./analyze.js";
import { rewrite } from "./rewrite.js";

const KEYS = ["name", "cells", "locks", "threads", "final", "expect"];
/** Most threads, cells and locks of a program. */
export const LIMITS = { threads: 52, cells: 4096, locks: 256 };

/** @throws PacketpathError PROGRAM_INVALID with the place, or the field that is not right. */
export async function loadProgram(source: string, file: string): Promise<LoadedProgram> {
  const rewritten = rewrite(source, file);
  const runtime = new Runtime();
  const exported = await evaluate(rewritten.text, file, runtime);
  const spec = record(exported, "the default export", file);
  const unknown = Object.keys(spec).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(file, `unknown key "${unknown}"`, KEYS.join(", "));
  const { name, expect = "SAFE", final } = spec;
  if (typeof name !== "string" || name === "") throw invalid(file, "name: expected a text");
  if (!VERDICTS.some((one) => one === expect)) {
    throw invalid(file, `expect: ${String(expect)} is not a verdict`, VERDICTS.join(", "));
  }
  const memory = layOut(spec, file);
  runtime.bounds = { cells: memory.firstLock, addresses: memory.names.length };
  const threads = threadList(spec.threads, file).map(([one, code]) => {
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
    expect: expect as Verdict,
    runtime,
  };
}

function invalid(file: string, message: string, oneOf?: string): PacketpathError {
  return new PacketpathError("PROGRAM_INVALID", message, {
    place: { file },
    ...(oneOf === undefined ? {} : { fix: `Use one of ${oneOf}.` }),
  });
}

function record(value: unknown, what: string, file: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalid(file, `${what}: expected program({ name, cells, threads })`);
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

interface Layout {
  readonly names: string[];
  readonly initial: number[];
  readonly firstLock: number;
  readonly handles: Record<string, number | readonly number[]>;
}

function layOut(spec: Record<string, unknown>, file: string): Layout {
  const names = ["NULL"];
  const initial = [0];
  const handles: Record<string, number | readonly number[]> = {};
  const cell = (name: string, value: unknown): number => {
    if (typeof value !== "number" || (value | 0) !== value) {
      throw invalid(file, `cells.${name}: expected a 32-bit integer, not ${String(value)}`);
    }
    names.push(name);
    initial.push(value);
    return names.length - 1;
  };
  const cells = spec.cells === undefined ? {} : record(spec.cells, "cells", file);
  for (const [name, value] of Object.entries(cells)) {
    handles[name] = Array.isArray(value)
      ? value.map((one: unknown, i) => cell(`${name}[${i}]`, one))
      : cell(name, value);
  }
  if (names.length > LIMITS.cells) throw invalid(file, `more than ${LIMITS.cells} cells`);
  const firstLock = names.length;
  const { locks = [] } = spec;
  if (!Array.isArray(locks)) throw invalid(file, "locks: expected a list of names");
  if (locks.length > LIMITS.locks) throw invalid(file, `more than ${LIMITS.locks} locks`);
  for (const name of locks as readonly unknown[]) {
    if (typeof name !== "string") throw invalid(file, "locks: expected a list of names");
    if (name in handles) throw invalid(file, `"${name}" is declared twice`);
    names.push(name);
    initial.push(0);
    handles[name] = names.length - 1;
  }
  return { names, initial, firstLock, handles };
}

function threadList(threads: unknown, file: string): [string, unknown][] {
  const list: [string, unknown][] = Array.isArray(threads)
    ? threads.map((one: unknown, i): [string, unknown] => [`t${i}`, one])
    : Object.entries(record(threads, "threads", file));
  if (list.length === 0) throw invalid(file, "threads: expected at least one");
  if (list.length > LIMITS.threads) {
    throw invalid(file, `threads: ${list.length}; at most ${LIMITS.threads}`);
  }
  return list;
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
