// The command line as a user meets it: scripts/packetpath in a process of its own, what it printed,
// how it ended; and what the host looks like before and after.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../../src/base/eventually.js";
import type { RunReport } from "../../src/report/types.js";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const PROGRAM = join(ROOT, "scripts/packetpath");

const started: Program[] = [];
/** All that were ever started. */
const pids = new Set<number>();

/** Ends what a failed test has left running. */
export async function endAll(): Promise<void> {
  for (const program of started.splice(0)) {
    if (program.end !== null) continue;
    program.child.kill("SIGINT");
    await program.ended();
  }
}

/** A running packetpath. */
export class Program {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  /** Exit code, or the name of the signal that ended it; null while it runs. */
  end: number | string | null = null;

  constructor(args: readonly string[], cwd = ROOT) {
    this.child = spawn(PROGRAM, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout!.on("data", (data: Buffer) => (this.stdout += data.toString()));
    this.child.stderr!.on("data", (data: Buffer) => (this.stderr += data.toString()));
    started.push(this);
    pids.add(this.pid);
    this.child.on("close", (code, signal) => (this.end = code ?? signal ?? "unknown"));
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Waits until a stream contains `text`; a program that ends before that is an error. */
  async says(text: string, where: "stdout" | "stderr" = "stdout"): Promise<void> {
    await eventually(`"${text}"`, () => this[where].includes(text) || this.end !== null, {
      timeoutMs: 60_000,
      everyMs: 20,
    });
    if (!this[where].includes(text)) throw new Error(`ended with ${this.end}: ${this.stderr}`);
  }

  async ended(): Promise<number | string> {
    try {
      await eventually("packetpath to end", () => this.end !== null, {
        timeoutMs: 300_000,
        everyMs: 20,
      });
    } catch (error) {
      this.child.kill("SIGKILL");
      throw new Error(`${String(error)}\nstdout: ${this.stdout}\nstderr: ${this.stderr}`);
    }
    return this.end!;
  }
}

export interface Ran {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line to its end. */
export async function packetpath(args: readonly string[], cwd = ROOT): Promise<Ran> {
  const program = new Program(args, cwd);
  const code = await program.ended();
  return { code, stdout: program.stdout, stderr: program.stderr };
}

export interface RunOf {
  readonly scenario: string;
  readonly backend: "linux" | "memory";
  readonly guard?: string;
  readonly set?: readonly string[];
  readonly out: string;
}

/** `run --json`: how it ended and its report. Fails when stdout is not exactly one object. */
export async function runJson(run: RunOf): Promise<Ran & { report: RunReport }> {
  const file = run.scenario.includes("/") ? run.scenario : `scenarios/${run.scenario}.yaml`;
  const args = ["run", file, "--json", "--backend", run.backend, "--out", run.out];
  if (run.guard !== undefined) args.push("--guard", run.guard);
  for (const set of run.set ?? []) args.push("--set", set);
  const ran = await packetpath(args);
  if (ran.stdout === "") throw new Error(`exit ${ran.code}, no report: ${ran.stderr}`);
  return { ...ran, report: JSON.parse(ran.stdout) as RunReport };
}

/** A folder that `remove` takes away. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "packetpath-e2e-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Whether a file of /run/packetpath is of this process, or of a packetpath that it has started. */
function isOurs(file: string): boolean {
  const pid = Number(/^\d+/.exec(file)?.[0] ?? 0);
  return pid === process.pid || pids.has(pid);
}

/** What a run may not change for good: compare it before and after. */
export function hostState() {
  return {
    named: list("/run/netns"),
    ledgers: list("/run/packetpath").filter(isOurs),
    devices: list("/sys/class/net"),
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => /netns|nsfs/.test(line)),
  };
}

/** Runs a program inside a named namespace; its standard output. */
export function inNamespace(namespace: string, ...command: string[]): string {
  return execFileSync("ip", ["netns", "exec", namespace, ...command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
  });
}

/** Whether a program can be started. */
export function has(program: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(":");
  return folders.some((folder) => list(folder).includes(program));
}
