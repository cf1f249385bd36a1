// Makes a program of a file: rewrites it, strips its types, runs the module once and checks what it
// exports. Main thread; reads nothing but the text it is given.
import { primitivesOf, Runtime } from "../runtime.js";
import type { LoadedProgram, Step, ThreadCode } from "../types.js";
import { PRIMITIVES } from "./analyze.js";
import { evaluate, transpile } from "./evaluate.js";
import { rewrite } from "./rewrite.js";
import { invalid, type Layout, unpack } from "./unpack.js";

/** @throws PacketpathError PROGRAM_INVALID with the place, or the field that is not right. */
export async function loadProgram(source: string, file: string): Promise<LoadedProgram> {
  const rewritten = rewrite(source, file);
  const runtime = new Runtime();
  const exported = evaluate(await transpile(rewritten.text, file), file, {
    door: primitivesOf(PRIMITIVES),
    $: runtime,
  });
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
