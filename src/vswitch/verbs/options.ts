// The command lines of the OVS tools, as getopt_long reads them: options anywhere, long ones
// abbreviated, `--opt=value` or `--opt value`, short ones bundled, `--` ends them. Pure functions.

/** What an option takes: nothing, a value, or a value only if glued on (`--sort=priority`). */
export type OptionKind = "flag" | "value" | "optional";

export interface OptionSpec {
  readonly long: string;
  readonly short?: string;
  readonly kind: OptionKind;
}

export interface Options {
  /** Values by long name, in the order given; "" for flags. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** What is left: the command and its arguments. */
  readonly args: readonly string[];
}

/** A mistake in the options, in getopt's words. */
export class OptionError extends Error {}

export function flag(long: string, short?: string): OptionSpec {
  return { long, kind: "flag", ...(short === undefined ? {} : { short }) };
}

export function valued(long: string, short?: string): OptionSpec {
  return { long, kind: "value", ...(short === undefined ? {} : { short }) };
}

/** Options that every tool of Open vSwitch has (lib/vlog.h, lib/stream-ssl.h, lib/table.h). */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { long: "verbose", short: "v", kind: "optional" },
  { long: "log-file", kind: "optional" },
  valued("syslog-target"),
  valued("syslog-method"),
  valued("timeout", "T"),
  flag("help", "h"),
  flag("version", "V"),
];

/**
 * @param stopAtCommand options after the first plain argument are its own (`+` of getopt), as
 *   ovs-vsctl has it.
 * @throws OptionError with getopt's sentence.
 */
export function readOptions(
  args: readonly string[],
  specs: readonly OptionSpec[],
  stopAtCommand = false,
): Options {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  const queue = [...args];
  const note = (spec: OptionSpec, value: string): void => {
    values.set(spec.long, [...(values.get(spec.long) ?? []), value]);
  };
  while (queue.length > 0) {
    const arg = queue.shift()!;
    if (arg === "--" || (stopAtCommand && !/^-./.test(arg))) {
      rest.push(...(arg === "--" ? [] : [arg]), ...queue.splice(0));
    } else if (arg.startsWith("--")) readLong(arg, specs, queue, note);
    else if (/^-./.test(arg) && !/^-[0-9]/.test(arg)) readShort(arg, specs, queue, note);
    else rest.push(arg);
  }
  return { values, args: rest };
}

type Note = (spec: OptionSpec, value: string) => void;

function readLong(arg: string, specs: readonly OptionSpec[], queue: string[], note: Note): void {
  const at = arg.indexOf("=");
  const name = at < 0 ? arg.slice(2) : arg.slice(2, at);
  const spec = findLong(name, specs);
  if (at >= 0) {
    if (spec.kind === "flag") {
      throw new OptionError(`option '--${spec.long}' doesn't allow an argument`);
    }
    return note(spec, arg.slice(at + 1));
  }
  if (spec.kind !== "value") return note(spec, "");
  const value = queue.shift();
  if (value === undefined) throw new OptionError(`option '--${name}' requires an argument`);
  note(spec, value);
}

function findLong(name: string, specs: readonly OptionSpec[]): OptionSpec {
  const exact = specs.find((spec) => spec.long === name);
  if (exact !== undefined) return exact;
  const possible = specs.filter((spec) => spec.long.startsWith(name));
  if (possible.length === 1) return possible[0]!;
  if (possible.length === 0) throw new OptionError(`unrecognized option '--${name}'`);
  const list = possible.map((spec) => `'--${spec.long}'`).join(" ");
  throw new OptionError(`option '--${name}' is ambiguous; possibilities: ${list}`);
}

function readShort(arg: string, specs: readonly OptionSpec[], queue: string[], note: Note): void {
  for (let i = 1; i < arg.length; i++) {
    const letter = arg[i]!;
    const spec = specs.find((one) => one.short === letter);
    if (spec === undefined) throw new OptionError(`invalid option -- '${letter}'`);
    if (spec.kind === "flag") {
      note(spec, "");
      continue;
    }
    const glued = arg.slice(i + 1);
    if (glued !== "" || spec.kind === "optional") return note(spec, glued);
    const value = queue.shift();
    if (value === undefined) throw new OptionError(`option requires an argument -- '${letter}'`);
    return note(spec, value);
  }
}

export function has(options: Options, long: string): boolean {
  return options.values.has(long);
}

/** The last value given for an option, or null. */
export function valueOf(options: Options, long: string): string | null {
  const values = options.values.get(long);
  return values === undefined ? null : values[values.length - 1]!;
}

/** How log lines on the console look: as `-vPATTERN:console:...` says, or as they do by default. */
export function patternOf(options: Options): string {
  const said = (options.values.get("verbose") ?? []).findLast((text) => /^pattern:/i.test(text));
  return said?.replace(/^pattern:(console:|any:)?/i, "") ?? "%D|%N|%c|%p|%m";
}

/** Levels of the log, from nothing on. */
const LEVELS = ["off", "emer", "err", "warn", "info", "dbg"];
const DESTINATIONS = ["console", "syslog", "file"];

/**
 * Whether a module's lines of a level go to the console: as `-v[MODULE][:DESTINATION][:LEVEL]`
 * says, in any order (lib/vlog.c vlog_set_levels_from_string), or up to "info".
 */
export function isLogged(options: Options, module: string, level: "WARN" | "INFO"): boolean {
  let most = LEVELS.indexOf("info");
  for (const text of options.values.get("verbose") ?? []) {
    const words = text
      .toLowerCase()
      .split(/[ :]+/)
      .filter((word) => word !== "" && word !== "any");
    if (words[0] === "pattern") continue;
    const to = words.filter((word) => DESTINATIONS.includes(word));
    const of = words.filter((word) => !DESTINATIONS.includes(word) && !LEVELS.includes(word));
    if (to.length > 0 && !to.includes("console")) continue;
    if (of.length > 0 && !of.includes(module)) continue;
    const said = words.findLast((word) => LEVELS.includes(word)) ?? "dbg";
    most = LEVELS.indexOf(said);
  }
  return LEVELS.indexOf(level.toLowerCase()) <= most;
}
