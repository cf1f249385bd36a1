// Waiting for conditions. Nothing in this project sleeps and hopes: it waits until something is
// true, and says what it waited for when the deadline passes.
import { nowMs } from "./clock.js";
import { PacketpathError } from "./errors.js";

/**
 * Resolves with the first value of `probe` that is not false, null or undefined.
 * @param what what is waited for, for the error: "the port client to go down".
 * @param options.timeoutMs the deadline; options.everyMs how often to look (default 2 ms).
 * @throws PacketpathError DEADLINE when `timeoutMs` has passed.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: { timeoutMs: number; everyMs?: number },
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = nowMs() + options.timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== false && value !== null && value !== undefined) {
      return value as NonNullable<Exclude<T, false>>;
    }
    if (nowMs() >= deadline) {
      throw new PacketpathError("DEADLINE", `waited ${options.timeoutMs} ms for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 2));
  }
}
