// Which part of a list of work belongs to a shard. Pure; any thread.
import { PacketpathError } from "../../base/errors.js";
import type { ExploreOptions, Shard, Strategy } from "../types.js";

const SHARDS_MAX = 10_000;

/** Whether the item with this index is the shard's; neighbours go to different shards. */
export function inShard(index: number, shard: Shard): boolean {
  return index % shard.count === shard.index;
}

/**
 * Parses `I/N`. I is 0 to N, and N means 0, so that schedulers that count from 0 (Kubernetes) and
 * those that count from 1 both work.
 * @throws PacketpathError USAGE.
 */
export function parseShard(text: string): Shard {
  const [, index = "", count = ""] = /^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? [];
  const shard = { index: Number(index) % Number(count), count: Number(count) };
  if (count !== "" && shard.count >= 1 && shard.count <= SHARDS_MAX) {
    if (Number(index) <= shard.count) return shard;
  }
  throw new PacketpathError("USAGE", `--shard "${text}": not a part`, {
    fix: `Write I/N, with N from 1 to ${SHARDS_MAX} and I from 0 to N (N is the same as 0).`,
  });
}

/** Strategies whose work can be split. */
const SPLIT: readonly Strategy[] = ["dpor", "random", "pct", "pos", "urw"];

/** @throws PacketpathError USAGE for a strategy of which a part would be as much as the whole. */
export function mustSplit(strategy: Strategy, flag: string): void {
  if (SPLIT.includes(strategy)) return;
  throw new PacketpathError("USAGE", `${flag}: the work of strategy ${strategy} cannot be split`, {
    fix: `Parts would meet mostly the same states. Use --strategy ${SPLIT[0]} or ${SPLIT[1]}.`,
  });
}

type Shared = Required<Pick<ExploreOptions, "seed" | "maxExecutions" | "shard">>;

/** The settings of one shard's runs by chance: its own seed, and its share of the executions. */
export function shareOf<S extends Shared>(settings: S): S {
  const { index, count } = settings.shard;
  if (count === 1) return settings;
  const whole = Math.floor(settings.maxExecutions / count);
  const maxExecutions = whole + (index < settings.maxExecutions % count ? 1 : 0);
  // An odd factor keeps seeds apart; the generator scrambles what is left alike.
  const seed = (settings.seed + Math.imul(index, 0x9e3779b1)) >>> 0;
  return { ...settings, maxExecutions, seed };
}
