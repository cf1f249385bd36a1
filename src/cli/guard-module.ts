// A user's own guard: a module that default-exports `function guard(dev, skb)`. It is loaded once
// here, before anything is created, so that a typing error costs a line of text and not a run; on a
// thread of its own, since the module's top level may have no end. Queue workers load the same file
// again, each in its own thread. Main thread only.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { PacketpathError } from "../base/errors.js";
import { didYouMean } from "../scenario/text/did-you-mean.js";
import { GUARDS, isModulePath } from "../scenario/types.js";

export interface CheckedGuard {
  /** As the user wrote it. */
  readonly name: string;
  /** Absolute path of a JavaScript module, or null for a built-in guard. */
  readonly file: string | null;
  /** Removes the temporary file of a translated TypeScript guard. */
  dispose(): void;
}

const nothing = () => {};

/** @throws PacketpathError GUARD_INVALID with the reason. */
export async function checkGuard(name: string): Promise<CheckedGuard> {
  const known: readonly string[] = GUARDS;
  if (known.includes(name)) return { name, file: null, dispose: nothing };
  if (!isModulePath(name)) {
    const hint = didYouMean(name, known);
    throw invalid(name, `no such guard${hint}`, `Use one of ${known.join(", ")}, or ./a-file.js.`);
  }
  const file = resolve(name);
  const status = statSync(file, { throwIfNoEntry: false });
  if (status === undefined) throw invalid(name, "no such file");
  if (!status.isFile()) throw invalid(name, "not a file");
  if (!/\.(js|mjs|ts|mts)$/.test(file)) {
    throw invalid(name, "expected a file that ends in .js, .mjs, .ts or .mts");
  }
  const isTypeScript = /\.m?ts$/.test(file);
  const checked = isTypeScript ? await translate(name, file) : { name, file, dispose: nothing };
  try {
    await load(name, checked.file ?? file);
  } catch (error) {
    checked.dispose();
    throw error;
  }
  return checked;
}

/** Longest run of a guard's module, which only defines a function, in milliseconds. */
const MODULE_MS = 10_000;

/** Imports a module and says what it exports, or why it cannot. */
const LOADER =
  'const { parentPort, workerData } = require("node:worker_threads");' +
  "import(workerData).then(" +
  '({ default: one }) => parentPort.postMessage({ kind: one === undefined ? "" : typeof one }),' +
  "(error) => parentPort.postMessage({ problem: String(error?.message ?? error) }));";

interface Loaded {
  /** Of the default export; "" if there is none. */
  readonly kind?: string;
  readonly problem?: string;
}

async function load(name: string, file: string): Promise<void> {
  const { kind, problem } = await loadAside(file);
  if (problem !== undefined) throw invalid(name, `cannot be loaded: ${problem.trim()}`);
  if (kind === "function") return;
  const found = kind === "" ? "has no default export" : `exports a ${kind}`;
  const fix = "Write: export default function guard(dev, skb) { return dev.running; }";
  throw invalid(name, `${found}; expected a function as default export`, fix);
}

async function loadAside(file: string): Promise<Loaded> {
  const worker = new Worker(LOADER, { eval: true, workerData: pathToFileURL(file).href });
  const tooLong = { problem: `its module runs for more than ${MODULE_MS / 1000} s` };
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Loaded>((resolved) => {
      timer = setTimeout(() => resolved(tooLong), MODULE_MS);
      worker.once("message", resolved);
      worker.once("error", (error) => resolved({ problem: error.message }));
      worker.once("exit", () => resolved({ problem: "it ends its thread" }));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

/** TypeScript, and what it imports from its own folder, as one JavaScript file. */
async function translate(name: string, file: string): Promise<CheckedGuard> {
  const folder = mkdtempSync(join(tmpdir(), "packetpath-guard-"));
  const output = join(folder, `${basename(file).replace(/\.m?ts$/, "")}.mjs`);
  const dispose = () => rmSync(folder, { recursive: true, force: true });
  try {
    const { build } = await import("esbuild");
    await build({
      entryPoints: [file],
      outfile: output,
      bundle: true,
      packages: "external",
      format: "esm",
      platform: "node",
      target: "node20",
      logLevel: "silent",
    });
  } catch (error) {
    dispose();
    throw invalid(name, `cannot be translated: ${reason(error)}`);
  }
  return { name, file: output, dispose };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message.trim() : String(error);
}

function invalid(name: string, message: string, fix?: string): PacketpathError {
  return new PacketpathError("GUARD_INVALID", `guard "${name}": ${message}`, {
    place: { file: name },
    ...(fix === undefined ? {} : { fix }),
  });
}
