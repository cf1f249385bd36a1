// Flags that several commands share. Main thread only.
import { InvalidArgumentError, Option } from "commander";
import { PacketpathError } from "../base/errors.js";

export const BACKENDS = ["linux", "memory"] as const;
export type BackendName = (typeof BACKENDS)[number];

export function backendOption(): Option {
  return new Option("--backend <backend>", "real devices (needs root), or twins of them in memory")
    .choices(BACKENDS)
    .default("linux");
}

export function seedOption(): Option {
  return new Option("--seed <number>", "seed of everything random").argParser((text) => {
    const seed = Number(text);
    if (/^\d+$/.test(text) && seed <= 0xffff_ffff) return seed;
    throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
  });
}

/** @throws PacketpathError ENVIRONMENT when the backend needs root and the user is not root. */
export function needRoot(backend: BackendName): void {
  if (backend === "memory" || process.geteuid?.() === 0) return;
  throw new PacketpathError("ENVIRONMENT", "the linux backend needs root: it makes namespaces", {
    fix: "Use sudo, or --backend memory.",
  });
}
