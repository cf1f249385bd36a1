// The log of a switch, as an ovs-vswitchd writes it (lib/vlog.c of Open vSwitch 3.1): into
// ovs-vswitchd.log in $OVS_LOGDIR, where scripts that start an Open vSwitch of their own look for
// it. Without that variable nothing is written. A line is in the file when `write` returns.
// Main thread.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { wallClock } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";

const LEVELS = ["off", "emer", "err", "warn", "info", "dbg"] as const;
export type LogLevel = (typeof LEVELS)[number];

/** Modules that are not heard at level "info" from the beginning. */
const LOUD: readonly string[] = ["ofproto_dpif", "vconn", "unixctl"];

function openLog(folder: string): number {
  const path = join(folder, "ovs-vswitchd.log");
  try {
    return openSync(path, "a");
  } catch (error) {
    throw new PacketpathError("ENVIRONMENT", `${path}: ${(error as Error).message}`, {
      fix: "Set OVS_LOGDIR to a folder that can be written to, or unset it.",
    });
  }
}

export class SwitchLog {
  private readonly folder: string | null;
  private fd: number | null;
  private readonly levels = new Map<string, LogLevel>(LOUD.map((module) => [module, "dbg"]));
  private usual: LogLevel = "info";
  private lines = 0;

  /**
   * @param folder absent or "": nothing is written.
   * @throws PacketpathError ENVIRONMENT when it cannot be written to.
   */
  constructor(folder?: string) {
    this.folder = folder === undefined || folder === "" ? null : folder;
    this.fd = this.folder === null ? null : openLog(this.folder);
  }

  /** Writes no more until `reopen`: somebody moves the file. */
  close(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
  }

  /** Begins a new file if the old one is gone. */
  reopen(): void {
    this.close();
    if (this.folder !== null) this.fd = openLog(this.folder);
  }

  /** Whether a line would be written; what is dear to make is asked for first. */
  hears(module: string, level: LogLevel): boolean {
    if (this.fd === null) return false;
    const least = this.levels.get(module) ?? this.usual;
    return LEVELS.indexOf(level) <= LEVELS.indexOf(least);
  }

  write(module: string, level: LogLevel, message: string): void {
    if (this.fd === null || !this.hears(module, level)) return;
    const number = String(++this.lines).padStart(5, "0");
    const head = `${wallClock()}|${number}|${module}|${level.toUpperCase()}`;
    writeSync(this.fd, `${head}|${message}\n`);
  }

  /**
   * Sets levels as `vlog/set` says it: `MODULE`, `MODULE:LEVEL`, `MODULE:DESTINATION:LEVEL`, `ANY`
   * for all modules; patterns and destinations that are no file change nothing.
   */
  set(spec: string): void {
    const words = spec.split(/[:\s]+/).filter((word) => word !== "");
    if (/^(pattern|facility)$/i.test(words[0] ?? "")) return;
    const isLevel = (word: string): boolean => LEVELS.includes(word.toLowerCase() as LogLevel);
    const level = words.find(isLevel)?.toLowerCase() as LogLevel | undefined;
    const isElsewhere = words.some((word) => /^(console|syslog)$/i.test(word));
    if (isElsewhere) return;
    const module = words.find((word) => !isLevel(word) && !/^(any|file)$/i.test(word));
    if (module !== undefined) this.levels.set(module.toLowerCase(), level ?? "dbg");
    else {
      this.usual = level ?? "dbg";
      this.levels.clear();
    }
  }
}
