// The rewritten modules of the explored system as data, and which modules those are. Pure.
import { posix } from "node:path";
import type { Site } from "../types.js";

/** Paths under `src`: what the threads do, its parts, and what the primitives are. */
export const MODEL = "models/ovs-output.ts";
export const PARTS = {
  events: "models/output/events.ts",
  setUp: "models/output/set-up.ts",
  rivals: "models/output/rivals.ts",
  final: "models/output/final.ts",
} as const;
export const SYNC = "explore/system/kernel-sync.ts";
/** Not rewritten: the explorer has a view of its own in its place. */
export const VIEW = "path/device-view.ts";

/** Path of a user's guard among the modules. */
export const GUARD = "guard.ts";

/** The rewritten modules as JavaScript, and what their sites stand for. */
export interface Prepared {
  /** SHA-256 of all texts, in hexadecimal. */
  readonly hash: string;
  readonly modules: readonly { readonly path: string; readonly code: string }[];
  readonly sites: readonly Site[];
  /** The file of the user's guard among the modules, as its sites name it. */
  readonly guardFile?: string;
}

/** A guard of a user's: its text, and the file that errors and timelines name. */
export interface GuardSource {
  readonly file: string;
  readonly text: string;
}

/** The path under `src` that a relative specifier stands for. */
export function resolveModule(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
}
