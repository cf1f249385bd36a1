// Other people's programs, run in a namespace of ours or beside it: iperf3, ping, wrk, ip, OVS.
// Main thread. Each is tied to the life of this process: it is killed with it, kill -9 included.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { PacketpathError } from "../../base/errors.js";
import type { NamespaceRef } from "../types.js";

/** A program that runs. */
export interface RunningProgram {
  readonly pid: number;
  /** Settles when it has ended. */
  readonly ended: Promise<ProgramEnd>;
  /** What it has printed so far. */
  stdout(): string;
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** The network namespace to run in; absent: this process's own. */
  readonly namespace?: NamespaceRef;
  readonly env?: Readonly<Record<string, string>>;
  /** It is killed after so long; absent: it may run on. */
  readonly timeoutMs?: number;
}

/** Where a program is, or null. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    const path = join(folder === "" ? "." : folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  return null;
}

/** Path of a namespace's descriptor, as another process may open it. */
export function namespacePath(namespace: NamespaceRef): string {
  return `/proc/${process.pid}/fd/${namespace.handle}`;
}

/** Starts a program. `words[0]` is looked up in PATH and the system's own folders. */
export function startProgram(
  words: readonly string[],
  options: ProgramOptions = {},
): RunningProgram {
  const { namespace, env } = options;
  const program = findProgram(words[0]!) ?? words[0]!;
  const enter = namespace === undefined ? [] : ["nsenter", `--net=${namespacePath(namespace)}`];
  // setpriv and nsenter become the program itself, so the pid is the program's.
  const line = ["--pdeathsig", "KILL", ...enter, program, ...words.slice(1)];
  const child = spawn("setpriv", line, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C", ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = endOf(child, options.timeoutMs).then((code) => ({ code, stdout, stderr }));
  return {
    pid: child.pid ?? 0,
    ended,
    stdout: () => stdout,
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function endOf(child: ChildProcess, timeoutMs: number | undefined): Promise<number | null> {
  return new Promise((resolve) => {
    const kill = (): boolean => child.kill("SIGKILL");
    const timer = timeoutMs === undefined ? null : setTimeout(kill, timeoutMs);
    const end = (code: number | null): void => {
      if (timer !== null) clearTimeout(timer);
      resolve(code);
    };
    child.once("error", () => end(null));
    child.once("close", end);
  });
}

/**
 * Runs a program to its end.
 * @returns what it printed.
 * @throws PacketpathError ENVIRONMENT when it fails, with its own words.
 */
export async function runProgram(
  words: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const end = await startProgram(words, options).ended;
  if (end.code === 0) return end.stdout;
  const said = end.stderr.trim() || end.stdout.trim();
  const how = end.code === null ? "was killed" : `ended with ${end.code}`;
  throw new PacketpathError("ENVIRONMENT", `${words.slice(0, 4).join(" ")} ${how}: ${said}`);
}
