// Makes a program of a file: rewrites it, strips its types, runs the module once and checks what it
// exports. Main thread; reads nothing but the text it is given.
import { createHash } from "node:crypto";
import { types } from "node:util";
import { primitivesOf, Runtime } from "../runtime.js";
import { FREE, type LoadedProgram, OP, type Step, type ThreadCode, UNINIT } from "../types.js";
import { PacketpathError } from "../../base/errors.js";
import { KERNEL_PRIMITIVES } from "../requests.js";
import { PRIMITIVES } from "./analyze.js";
import { evaluate, limited, transpile } from "./evaluate.js";
import { Realm } from "./realm/realm.js";
import { rewrite } from "./rewrite.js";
import type { PlacedCode } from "./placement.js";
import { invalid } from "./invalid.js";
import { boundsOf, type Handle, type Layout, unpack, type Uses } from "./unpack.js";

/** @throws PacketpathError PROGRAM_INVALID with the place, or the field that is not right. */
export async function loadProgram(source: string, file: string): Promise<LoadedProgram> {
  const rewritten = rewrittenText(source, file);
  const realm = new Realm();
  const runtime = new Runtime(realm.plain);
  const exported = evaluate(await transpile(rewritten.text, file), file, {
    door: { ...primitivesOf(PRIMITIVES), UNINIT, FREE },
    $: runtime,
    realm,
  });
  const parts = located(source, file, () =>
    limited(() => unpack(exported, file, usesOf(source)), file),
  );
  const { name, expect, memory, final, kernel } = parts;
  runtime.bounds = boundsOf(parts);
  runtime.seal(realm);
  const text = { memory, runtime, source, file };
  const threads = located(source, file, () => parts.threads.map((one) => placedCode(one, text)));
  return {
    name,
    file,
    sourceHash: hashText(source),
    sites: rewritten.sites,
    names: memory.names,
    initial: memory.initial,
    firstLock: memory.firstLock,
    threads,
    final: final === undefined ? null : threadCode("final", final, text),
    expect,
    ...(kernel === null ? {} : { kernel, beyond: beyondPlain(source) }),
    runtime,
  };
}

function rewrittenText(source: string, file: string): ReturnType<typeof rewrite> {
  try {
    return rewrite(source, file);
  } catch (error) {
    // The compiler goes down into each bracket by a call.
    throw error instanceof RangeError ? unreadable(error, file) : error;
  }
}

/** What a program's text says that it needs. */
export function usesOf(source: string): Uses {
  const words = new Set(source.match(/\w+/g));
  return {
    kernel: KERNEL_PRIMITIVES.some((one) => words.has(one)),
    heap: words.has("alloc"),
  };
}

/** What makes a program one of more than cells and plain locks, as a list for people. */
function beyondPlain(source: string): string {
  const words = new Set(source.match(/\w+/g));
  const found = [...KERNEL_PRIMITIVES, "UNINIT"].filter((one) => words.has(one));
  return found.length === 0 ? "threads with a place" : found.join(", ");
}

/** What the text or the exported object did to its reader. */
function unreadable(error: unknown, file: string): PacketpathError {
  if (error instanceof PacketpathError) return error;
  const { name, message } = types.isNativeError(error) ? error : { name: "", message: "?" };
  if (name === "RangeError") return invalid(file, "nested too deeply to be read");
  return invalid(file, `the export throws: ${message}`);
}

/** Runs a check of the exported object; what it refuses gets the place of the name it speaks of. */
function located<T>(source: string, file: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw unreadable(error, file);
    if (error.place?.line !== undefined) throw error;
    const place = placeOfName(source, file, error.message);
    const { code, message, fix } = error;
    throw new PacketpathError(code, message, { place, ...(fix === undefined ? {} : { fix }) });
  }
}

/** Where the name that a message speaks of is first declared; the file alone if it is nowhere. */
function placeOfName(source: string, file: string, message: string) {
  const match = /(?:cells|threads|locks)\.(\w+)|"(\w+)"|^(\w+):/.exec(message);
  const name = match?.slice(1).find((one) => one !== undefined);
  const named =
    name === undefined ? -1 : source.search(new RegExp(`\\b${name}\\b["']?\\s*[:(,\\]]`));
  // What has no name in the text is wrong with the program as a whole.
  const at = named < 0 ? source.search(/\bexport\s+default\b|\bprogram\s*\(/) : named;
  if (at < 0) return { file, line: 1, column: 1 };
  const before = source.slice(0, at).split("\n");
  return { file, line: before.length, column: before[before.length - 1]!.length + 1 };
}

/** The handles, which refuse names that nothing was declared by. */
function guarded({ memory, source, file }: Text, thread: string): Layout["handles"] {
  return new Proxy(memory.handles, {
    get(target, key): Handle | undefined {
      if (typeof key !== "string" || Object.hasOwn(target, key)) return target[key as string];
      const message = `${thread} asks for "${key}"`;
      throw new PacketpathError("PROGRAM_INVALID", message, {
        place: placeOfName(source, file, `"${key}"`),
        fix: `Declare it in cells or locks; there are: ${Object.keys(target).join(", ")}.`,
      });
    },
  });
}

/** A program's text, the memory that it is about, and what its tokens call. */
interface Text {
  readonly memory: Layout;
  readonly source: string;
  readonly file: string;
  readonly runtime: Runtime;
}

/** The code of a task; of a handler, which begins anew each time; of what moves a task. */
function placedCode(one: PlacedCode, text: Text): ThreadCode {
  const { name, run, placement } = one;
  const { runtime, source, file } = text;
  const code = { name, isDaemon: false };
  if (placement.mover >= 0) return { ...code, start: moves };
  if (placement.context === "task") return threadCode(name, run, text);
  const uses = source.match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0;
  if (!placement.isRaised && uses < 2) {
    throw new PacketpathError("PROGRAM_INVALID", `threads.${name}: nothing makes it run`, {
      place: { file },
      fix: "Raise, queue, arm or call it back in another thread, or write raised: true.",
    });
  }
  const start = (argument: number) => startOf(name, run, text, argument);
  return { ...code, start: () => watched(runtime, () => runtime.handler(start)) };
}

function* moves(): Generator<Step, unknown, number> {
  for (;;) yield { kind: OP.migrate, addr: 0, a: 0, b: 0, site: -1, message: "" };
}

function threadCode(name: string, code: unknown, text: Text): ThreadCode {
  const start = () => watched(text.runtime, () => startOf(name, code, text, 0));
  if (typeof code !== "function") throw invalid(text.file, `${name}: expected a function`);
  return { name, isDaemon: false, start };
}

/** A run of a thread's code, after each step of which it is looked at what the module keeps. */
function* watched(
  { kept }: Runtime,
  start: () => Generator<Step, unknown, number>,
): Generator<Step, unknown, number> {
  try {
    const run = start();
    for (let next = run.next(); next.done !== true;) {
      kept?.look();
      next = run.next(yield next.value);
    }
    return undefined;
  } catch (error) {
    // Errors of the program's world are none of this one's.
    if (error instanceof Error || !types.isNativeError(error)) throw error;
    throw new Error(error.message);
  } finally {
    kept?.look();
  }
}

function startOf(
  name: string,
  code: unknown,
  text: Text,
  argument: number,
): Generator<Step, unknown, number> {
  const start = code as (handles: Layout["handles"], argument: number) => unknown;
  let run: unknown;
  try {
    run = start(guarded(text, name), argument);
  } catch (error) {
    if (error instanceof PacketpathError) throw error;
    return throwing(error);
  }
  if (typeof run === "object" && run !== null && "next" in run) {
    return run as Generator<Step, unknown, number>;
  }
  // A function without a primitive is run and done with.
  if (run === undefined) return nothing();
  const message = `${name}: expected a thread function; it returns a ${typeof run}`;
  const place = placeOfName(text.source, text.file, message);
  throw new PacketpathError("PROGRAM_INVALID", message, { place });
}

/** A function without a primitive has failed; that is its thread's failure, as any other. */
function* throwing(error: unknown): Generator<Step, unknown, number> {
  throw error;
}

function* nothing(): Generator<Step, unknown, number> {
  return undefined;
}

function hashText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
