// Child processes that live in a network namespace: for libraries that must not be loaded into the
// main process or a worker (cap and raw-socket abort the process when a worker uses them, and cap
// also when its device is removed). The upper half belongs to the parent, on the thread that shall
// be the child's owner; the lower half to the child, before it loads anything else.
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as libc from "@packetpath/libc";
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import type { NamespaceRef } from "../types.js";

/** Where the child finds the descriptors that it inherits: 0 to 2 are stdio, 3 is the channel. */
export const NAMESPACE_FD = 4;
export const EXTRA_FD = 5;
/** The child's last words kept for an error message. */
const STDERR_KEPT = 2_000;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const RLIMIT_CORE = 4;

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running child, seen from its parent. */
export interface NamespacedChild {
  readonly process: ChildProcess;
  /** Settles once, when the child has been reaped. */
  readonly ended: Promise<ChildEnd>;
  /** What the child last wrote to stderr. */
  stderr(): string;
  /** The next message for which `accept` returns a value; rejects when the child ends first. */
  reply<T>(accept: (message: unknown) => T | undefined): Promise<T>;
  /** Ends the child for sure and waits until it is reaped. */
  kill(): Promise<void>;
}

/**
 * Starts a child that will enter `namespace` by itself (see `enterNamespaceOfParent`).
 * @param entry URL of the built JavaScript file.
 * @param extraFd a descriptor that the child inherits as EXTRA_FD, or null.
 * @param isApart in a process group of its own, which Ctrl-C in a terminal does not reach.
 */
export function forkIntoNamespace(
  entry: URL,
  namespace: NamespaceRef,
  extraFd: number | null,
  isApart = false,
): NamespacedChild {
  const inherited = extraFd === null ? [namespace.handle] : [namespace.handle, extraFd];
  const child = fork(fileURLToPath(entry), [String(process.pid)], {
    stdio: ["ignore", "ignore", "pipe", "ipc", ...inherited],
    execArgv: [],
    detached: isApart,
  });
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    text = (text + part).slice(-STDERR_KEPT);
  });
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once("error", () => resolve({ code: -1, signal: null }));
    // `close` comes after `exit` and after the last byte of stderr.
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return {
    process: child,
    ended,
    stderr: () => text,
    reply: (accept) => awaitReply({ child, ended, stderr: () => text }, accept),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

interface ReplySource {
  readonly child: ChildProcess;
  readonly ended: Promise<ChildEnd>;
  stderr(): string;
}

function awaitReply<T>(
  source: ReplySource,
  accept: (message: unknown) => T | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const listener = (message: unknown): void => {
      try {
        const value = accept(message);
        if (value === undefined) return;
        resolve(value);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
      source.child.off("message", listener);
    };
    source.child.on("message", listener);
    void source.ended.then((end) => {
      source.child.off("message", listener);
      reject(endError(end, source.stderr()));
    });
  });
}

/** What to say when a child ended without an answer. */
export function endError(end: ChildEnd, stderr: string): PacketpathError {
  const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
  const words = stderr.trim();
  const tail = words === "" ? "" : `: ${words}`;
  return new PacketpathError("INTERNAL", `the child process ended with ${how}${tail}`);
}

/**
 * In the child: ties its life to the parent's and enters the namespace that it inherited. Must run
 * before any library opens a socket and before the thread pool is used.
 * @throws PacketpathError ENVIRONMENT when the namespace cannot be entered.
 */
export function enterNamespaceOfParent(): void {
  // Killed with the thread that started it, even if that is killed itself.
  libc.prctl(PR_SET_PDEATHSIG, SIGKILL);
  // An abort on device removal is expected of cap; a core file of each would fill the disk.
  libc.setrlimit(RLIMIT_CORE, 0, 0);
  process.once("disconnect", () => process.exit(0));
  // The parent may have died before the signal was asked for.
  if (String(process.ppid) !== process.argv[2]) process.exit(0);
  const result = libc.setns(NAMESPACE_FD, libc.C.CLONE_NEWNET);
  if (result < 0) {
    throw new PacketpathError(
      "ENVIRONMENT",
      `cannot enter the network namespace: setns ${errnoName(result)}`,
      { fix: "run as root" },
    );
  }
  libc.close(NAMESPACE_FD);
}

/** In the child: sends a message and waits until it has left the process. */
export function sendToParent(message: object): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

/** In the child: what a failure looks like on the channel. */
export function failureMessage(error: unknown): object {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof PacketpathError ? error.code : "ENVIRONMENT";
  return { kind: "failed", code, text };
}

/** In the parent: throws what `failureMessage` described; returns for any other message. */
export function throwFailure(message: unknown, what: string): void {
  if (typeof message !== "object" || message === null || !("kind" in message)) return;
  if (message.kind !== "failed" || !("text" in message)) return;
  throw new PacketpathError("ENVIRONMENT", `${what}: ${String(message.text)}`);
}
