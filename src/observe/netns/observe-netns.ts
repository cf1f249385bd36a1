// `packetpath observe netns`: namespaces of this host's own kernel come and go, fail on the way,
// and are held; what the model says of them, with what was seen. Main thread, root.
import { errnoName } from "../../base/errno.js";
import { PacketpathError } from "../../base/errors.js";
import { eventually } from "../../base/eventually.js";
import { churn, type ChurnResult } from "../../host/namespaces/churn.js";
import { type HeldResult, moveAndHold } from "../../host/namespaces/held.js";
import { memoryRollback, type MemoryResult } from "../../host/namespaces/memory-rollback.js";
import { readSettings, type Setting, type Settings } from "../../host/namespaces/settings.js";
import { activeObjects } from "../../host/namespaces/slabs.js";
import { INHERITANCE } from "../../models/netns/inheritance.js";

/** One thing that was predicted. */
export interface Check {
  /** Number in the list of what can be checked, "#10". */
  readonly id: string;
  readonly what: string;
  readonly seen: string;
  readonly ok: boolean;
}

export interface NetnsObservation {
  readonly checks: readonly Check[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  /** How long one namespace took to make, in microseconds; null where none was made. */
  readonly microseconds: {
    readonly min: number;
    readonly p50: number;
    readonly p99: number;
  } | null;
  readonly memory: MemoryResult | null;
  readonly settings: Settings | null;
  /** Growth of the kernel's caches over all of it, by name. */
  readonly slabs: Readonly<Record<string, number>>;
}

const CREATORS = 2;
const DESTROYERS = 2;
const DEVICE_EVERY = 10;
/**
 * Caches that are shown. Sockets are not judged: those of all other programs are counted, too, and
 * what half-empty slabs hold.
 */
const SHOWN = ["net_namespace", "sock_inode_cache"];
const SLABS_MS = 60_000;

/** @param count namespaces of the churn. @throws PacketpathError ENVIRONMENT without root. */
export async function observeNetns(count: number, signal: AbortSignal): Promise<NetnsObservation> {
  if (process.geteuid?.() !== 0) {
    throw new PacketpathError("ENVIRONMENT", "observe netns needs root: it makes namespaces", {
      fix: "Use sudo.",
    });
  }
  const checks: Check[] = [];
  const skipped = [...NOT_DONE];
  const before = activeObjects(SHOWN);
  const settings = readSettings();
  if (settings === null) skipped.push({ name: "#12", why: "this kernel has no IPv6" });
  else checks.push(...settingChecks(settings, skipped));
  checks.push(...heldChecks(await moveAndHold()));
  const churned = signal.aborted ? "interrupted" : await churn(orderOf(count), signal);
  if (typeof churned === "string") skipped.push({ name: "#10 #11 churn, limits", why: churned });
  else checks.push(...churnChecks(churned));
  const memory = signal.aborted ? "interrupted" : await memoryRollback(signal);
  if (typeof memory === "string") skipped.push({ name: "memory cgroup", why: memory });
  else checks.push(memoryCheck(memory));
  const slabs = await slabGrowth(before, count);
  if (Object.keys(slabs).length === 0) skipped.push({ name: "slabs", why: "no /proc/slabinfo" });
  else checks.push(slabCheck(slabs, count));
  return {
    ...{ checks, skipped, settings, slabs },
    microseconds: typeof churned === "string" ? null : timesOf(churned),
    memory: typeof memory === "string" ? null : memory,
  };
}

export function netnsAsExpected({ checks }: NetnsObservation): boolean {
  return checks.every((one) => one.ok);
}

const NOT_DONE = [
  {
    name: "devconf_inherit_init_net, other values",
    why: "the sysctl is the whole host's: it is read, and not written",
  },
];

function orderOf(count: number) {
  return { count, creators: CREATORS, destroyers: DESTROYERS, deviceEvery: DEVICE_EVERY };
}

function churnChecks(result: ChurnResult): Check[] {
  const { count, errnos, goneMs, limit, openErrno, before, after } = result;
  const made = count - errnos.length;
  const isEqual = before.descriptors === after.descriptors && before.devices === after.devices;
  const first = errnoName(limit.errno);
  const raised = limit.raisedErrno === 0 ? "one more is made" : errnoName(limit.raisedErrno);
  return [
    {
      id: "#10",
      what: `${count} namespaces, ${CREATORS} threads make and ${DESTROYERS} let go: none is left`,
      seen:
        `${made} made in ${result.seconds.toFixed(2)} s, the last gone ${goneMs.toFixed(0)} ms ` +
        `later; descriptors ${before.descriptors} and ${after.descriptors}, ` +
        `devices equal: ${before.devices === after.devices ? "yes" : "no"}`,
      ok: made === count && isEqual,
    },
    {
      id: "#11",
      what: "user.max_net_namespaces refuses with ENOSPC, and no more once it is raised",
      seen: `limit ${limit.limit}: ${limit.own} + ${limit.held}, then ${first}; raised: ${raised}`,
      ok: limit.own + limit.held === limit.limit && limit.errno === 28 && limit.raisedErrno === 0,
    },
    {
      id: "nofile",
      what: "without a descriptor the namespace is made, cannot be opened, and goes",
      seen: errnoName(openErrno),
      ok: openErrno === 24,
    },
  ];
}

/** What may come where an allocation of a pernet operation fails. */
const MEMORY_ERRNOS = [12, 23, 105];

function memoryCheck({ attempts }: MemoryResult): Check {
  const failed = attempts.filter((one) => one.errno !== 0);
  const names = [...new Set(failed.map((one) => errnoName(one.errno)))].sort();
  const last = attempts.at(-1);
  return {
    id: "roll-back",
    what: "with too little kernel memory, creating fails ever later, and is taken back each time",
    seen:
      `${failed.length} limits fail (${names.join(", ")}), ` +
      `${(last?.limitBytes ?? 0) / 1024} KB are enough`,
    ok:
      failed.length > 1 &&
      last?.errno === 0 &&
      failed.every((one) => MEMORY_ERRNOS.includes(one.errno)),
  };
}

function heldChecks(held: HeldResult): Check[] {
  const { listed, writeMoved, writeHeld, listedHeld, readGone, goneMs } = held;
  return [
    {
      id: "moved",
      what: "a TAP that moved to another namespace is there, and its descriptor works on",
      seen: `listed in the ${listed.second ? "second" : "first"} one, write ${writeMoved}`,
      ok: !listed.first && listed.second && writeMoved > 0,
    },
    {
      id: "#14",
      what: "a namespace stays as long as one descriptor of it is open; then its device goes",
      seen:
        `held: listed ${listedHeld ? "yes" : "no"}, write ${writeHeld}; closed: ` +
        `${errnoName(readGone)} after ${goneMs.toFixed(0)} ms`,
      ok: listedHeld && writeHeld > 0 && readGone === 77,
    },
  ];
}

function settingChecks(settings: Settings, skipped: { name: string; why: string }[]): Check[] {
  const { inherit, disabled, enabled } = settings;
  const v6 = settings.settings.filter(({ key }) => key.endsWith("/disable_ipv6"));
  const rule = INHERITANCE.find((one) => one.value === inherit);
  const checks: Check[] = [
    {
      id: "::1",
      what: "disable_ipv6 takes addresses away, and no socket",
      seen:
        `disabled: bind ${nameOf(disabled.bind)}, raw ICMPv6 ${nameOf(disabled.raw)}; ` +
        `enabled: bind ${nameOf(enabled.bind)}`,
      ok: disabled.bind === 99 && disabled.raw === 0 && enabled.bind === 0,
    },
  ];
  if (rule === undefined) {
    const why = "devconf_inherit_init_net can be read in the first namespace only";
    skipped.push({ name: "#12 whose settings", why });
    return checks;
  }
  const wrong = settings.settings.filter((one) => one.child !== predictedOf(one, rule));
  const child = v6.map((one) => one.child).join(" ");
  return [
    ...checks,
    {
      id: "#12",
      what:
        `devconf_inherit_init_net=${rule.value}: IPv4 settings from ${rule.ipv4}, IPv6 from ` +
        `${rule.ipv6}; the parent has disable_ipv6 1 1 1`,
      seen: `disable_ipv6 ${child}; ${wrong.length} of ${settings.settings.length} settings differ`,
      ok: wrong.length === 0,
    },
  ];
}

/** What the rule lets a new namespace begin with. */
export function predictedOf(setting: Setting, rule: (typeof INHERITANCE)[number]): string {
  const from = rule[setting.protocol];
  if (from === "init_net") return setting.initNet ?? "unknown";
  return from === "parent" ? setting.parent : setting.defaults;
}

/** Waits, as objects go late, and says what is left. */
async function slabGrowth(before: ReadonlyMap<string, number>, count: number) {
  const growth = (): Record<string, number> => {
    const now = activeObjects([...before.keys()]);
    return Object.fromEntries([...now].map(([name, n]) => [name, n - (before.get(name) ?? 0)]));
  };
  const isSmall = (): boolean => isGrowthSmall(growth(), count);
  try {
    await eventually("kernel objects to go", isSmall, { timeoutMs: SLABS_MS, everyMs: 50 });
  } catch {
    // What is left is in the result.
  }
  return growth();
}

/** Whether the kernel holds less than half as many namespaces more as came and went. */
export function isGrowthSmall(slabs: Readonly<Record<string, number>>, count: number): boolean {
  return (slabs["net_namespace"] ?? 0) < count / 2;
}

function slabCheck(slabs: Readonly<Record<string, number>>, count: number): Check {
  const parts = Object.entries(slabs).map(([name, n]) => `${name} ${n > 0 ? "+" : ""}${n}`);
  return {
    id: "slabs",
    what: `the kernel does not hold half of the ${count} namespaces still (whole host)`,
    seen: parts.join(", "),
    ok: isGrowthSmall(slabs, count),
  };
}

function timesOf({ microseconds }: ChurnResult) {
  const sorted = [...microseconds].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  return { min: at(0), p50: at(0.5), p99: at(0.99) };
}

function nameOf(errno: number): string {
  return errno === 0 ? "ok" : errnoName(errno);
}
