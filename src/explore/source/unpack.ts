// What a program file exports, taken apart and checked: its name, memory, threads. Knows nothing of
// rewriting, so that threads which run the functions as they were written can use it too. Pure.
import { PacketpathError } from "../../base/errors.js";
import { type Verdict, VERDICTS } from "../types.js";

const KEYS = ["name", "cells", "locks", "threads", "final", "expect"];
/** Most threads, cells and locks of a program. */
export const LIMITS = { threads: 52, cells: 4096, locks: 256 };

/** A program's parts; its functions are as the module has them. */
export interface Parts {
  readonly name: string;
  readonly expect: Verdict;
  readonly memory: Layout;
  readonly threads: readonly [string, unknown][];
  readonly final: unknown;
}

/** @throws PacketpathError PROGRAM_INVALID with the field that is not right. */
export function unpack(exported: unknown, file: string): Parts {
  const spec = record(exported, "the default export", file);
  const unknown = Object.keys(spec).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(file, `unknown key "${unknown}"`, KEYS.join(", "));
  const { name, expect = "SAFE", final } = spec;
  if (typeof name !== "string" || name === "") throw invalid(file, "name: expected a text");
  if (!VERDICTS.some((one) => one === expect)) {
    throw invalid(file, `expect: ${String(expect)} is not a verdict`, VERDICTS.join(", "));
  }
  return {
    name,
    expect: expect as Verdict,
    memory: layOut(spec, file),
    threads: threadList(spec.threads, file),
    final,
  };
}

export function invalid(file: string, message: string, oneOf?: string): PacketpathError {
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

export interface Layout {
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
