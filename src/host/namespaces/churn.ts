// Namespaces that come and go at once, and what is left of them: the parent's half. The child lives
// in a user namespace of its own and dies with its parent. Main thread, root.
import { fileURLToPath } from "node:url";
import { startProgram } from "../peers/programs.js";

export interface ChurnOrder {
  /** Process id of who starts the child. */
  readonly parent: number;
  /** Namespaces in all, and how many threads make them and let them go. */
  readonly count: number;
  readonly creators: number;
  readonly destroyers: number;
  /** Each so manieth has a device that goes with it. */
  readonly deviceEvery: number;
}

export interface LimitResult {
  /** user.max_net_namespaces, of which the child's own is one; how many more could be held, and
   * the errno of the next one. */
  readonly limit: number;
  readonly own: number;
  readonly held: number;
  readonly errno: number;
  /** 0 when another could be made after the limit was raised by one. */
  readonly raisedErrno: number;
}

interface Counts {
  readonly descriptors: number;
  readonly devices: number;
}

export interface ChurnResult {
  readonly count: number;
  /** Of those that could not be made. */
  readonly errnos: readonly number[];
  readonly seconds: number;
  /** How long unshare(CLONE_NEWNET) took, for each. */
  readonly microseconds: readonly number[];
  /** From the last one let go until none was alive. */
  readonly goneMs: number;
  readonly limit: LimitResult;
  /** What opening a new namespace's file says when no descriptor is left. */
  readonly openErrno: number;
  readonly before: Counts;
  readonly after: Counts;
}

/**
 * What a thread of the child is given. Layout of `words` (Int32): [0] next to make, [1] next to let
 * go, each by Atomics.add of any thread; [2 + n] namespace n: 0 not made yet, fd + 1, or a negative
 * errno; written by its maker.
 */
export interface ChurnWork {
  readonly role: "creator" | "destroyer";
  readonly count: number;
  readonly words: Int32Array;
  /** How long each took to make, in microseconds. */
  readonly microseconds: Float64Array;
  /** Each namespace whose number is a multiple has a device that nobody holds. */
  readonly deviceEvery: number;
}

/** Words in front of those of the namespaces. */
export const CHURN_HEAD = 2;

const CHILD_MS = 240_000;

/** @returns what was seen, or why it cannot be seen here. */
export async function churn(
  order: Omit<ChurnOrder, "parent">,
  signal: AbortSignal,
): Promise<ChurnResult | string> {
  const entry = fileURLToPath(new URL("./churn-child.js", import.meta.url));
  const text = JSON.stringify({ ...order, parent: process.pid });
  const user = ["unshare", "--user", "--map-root-user", "--net"];
  const child = startProgram([...user, process.execPath, entry, text], { timeoutMs: CHILD_MS });
  const stop = (): void => void child.stop();
  signal.addEventListener("abort", stop, { once: true });
  const { code, stdout, stderr } = await child.ended;
  signal.removeEventListener("abort", stop);
  if (code === 0 && stdout !== "") return JSON.parse(stdout) as ChurnResult;
  const lines = stderr.trim().split("\n");
  const said = lines.find((line) => line.includes("rror: ")) ?? lines.at(-1) ?? "";
  return `a child in a user namespace ended with ${code ?? "a signal"}: ${said}`;
}
