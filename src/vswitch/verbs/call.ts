// One call of a verb: what it was given, and where its words go. Verbs know neither sockets nor
// processes; they answer the same in a test, over the control socket and without a switch.
// Main thread.
import { wallClock } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import type { BridgeControl, SwitchControl } from "../control.js";
import type { Database } from "../database/database.js";
import { type Options, isLogged, patternOf } from "./options.js";

/** The tools whose verbs are spoken. */
export const TOOLS = ["ovs-ofctl", "ovs-appctl", "ovs-vsctl", "ovs-dpctl"] as const;
export type Tool = (typeof TOOLS)[number];

/** What a caller hands over: a command line, and how to get at its files. */
export interface Request {
  readonly tool: Tool;
  readonly args: readonly string[];
  /** Its standard output is a terminal: names are printed by default. */
  readonly terminal: boolean;
  /**
   * Content of a file as the caller sees it; `-` is its standard input. Rejects with the error.
   * @param encoding without one, UTF-8.
   */
  readonly readFile: (name: string, encoding?: "base64") => Promise<string>;
}

/** How a command stays that does (lib/daemon.h of Open vSwitch). */
export interface DaemonOptions {
  readonly detach: boolean;
  /** File for the process id; "": the usual one. null: none. */
  readonly pidfile: string | null;
  /** The socket for commands; "": the usual one. */
  readonly socket: string;
}

/** A command that stays: `ovs-ofctl monitor`. What it prints goes to its standard error. */
export interface Session {
  readonly daemon: DaemonOptions;
  /**
   * Prints from now on; what was to be printed before comes first.
   * @param end is called when there is nothing more to stay for.
   */
  begin(print: (text: string) => void, end: () => void): void;
  /**
   * A command that was given with `ovs-appctl -t`.
   * @throws VerbError when it is refused; its message is the whole text.
   */
  command(name: string, args: readonly string[]): string;
  close(): void;
}

export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Present: what the command waits for has not come; seconds that it may go on waiting. */
  readonly waits?: number;
  /** Present: the command stays. Whoever has it must close it. */
  readonly session?: Session;
}

/** The switch that is spoken to, and the database that says what it should be. */
export interface Target {
  readonly control: SwitchControl;
  readonly database: Database;
  /** Writes what only the switch knows (port numbers, counters) into the database. */
  refresh(): void;
  /**
   * Makes the draft the database and the switch what it says.
   * @returns lines about parts that the switch cannot be, for stderr; none: it is all of it.
   * @throws VerbError when the draft is refused; then nothing has changed.
   */
  commit(draft: Database): Promise<readonly string[] | void>;
}

/** A refusal in the words of the tool: `ovs-ofctl: <message>` on stderr, usually exit code 1. */
export class VerbError extends Error {
  readonly exitCode: number;
  /** The whole text on stderr, where it is not the tool's name and the message. */
  private readonly whole: string | null;

  constructor(message: string, more: { exitCode?: number; whole?: string } = {}) {
    super(message);
    this.exitCode = more.exitCode ?? 1;
    this.whole = more.whole ?? null;
  }

  text(tool: Tool): string {
    return this.whole ?? `${tool}: ${this.message}\n`;
  }
}

export class Call {
  readonly request: Request;
  readonly options: Options;
  readonly args: readonly string[];
  stdout = "";
  stderr = "";
  exitCode = 0;
  /** Set by a command that stays. */
  session: Session | null = null;
  private readonly maybeTarget: Target | null;

  constructor(request: Request, options: Options, target: Target | null) {
    this.request = request;
    this.options = options;
    this.args = options.args.slice(1);
    this.maybeTarget = target;
  }

  out(text: string): void {
    this.stdout += text;
  }

  err(text: string): void {
    this.stderr += text;
  }

  get target(): Target {
    if (this.maybeTarget !== null) return this.maybeTarget;
    throw new PacketpathError("ENVIRONMENT", "no switch is running", {
      fix: "Start one with `packetpath switch` or `packetpath up FILE`.",
    });
  }

  get control(): SwitchControl {
    return this.target.control;
  }

  /** The bridge of a name, or the sentence that the tool says when there is none. */
  bridge(name: string, sentence: string): BridgeControl {
    const found = this.control.bridges().find((bridge) => bridge.name === name);
    if (found === undefined) throw new VerbError(sentence);
    return found;
  }

  /** The text of a file, or the tool's sentence about why it cannot be opened. */
  async file(name: string, encoding?: "base64"): Promise<string> {
    try {
      return await this.request.readFile(name, encoding);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new VerbError(`${name}: open failed (${why})`);
    }
  }
}

/**
 * Writes a warning on stderr as the tools log it (lib/vlog.c), in the pattern that `-vPATTERN:`
 * asked for, unless `-v` has turned it off.
 * @param module the part of Open vSwitch that says it: "vsctl", "ofp_actions" ...
 */
export function warn(
  call: Call,
  module: string,
  message: string,
  level: "WARN" | "INFO" = "WARN",
): void {
  if (!isLogged(call.options, module, level)) return;
  const number = call.stderr.split(/\|(?:WARN|INFO)\|/).length;
  const parts: Readonly<Record<string, string>> = {
    D: wallClock().replace(/\.\d+Z$/, "Z"),
    N: String(number).padStart(5, "0"),
    c: module,
    p: level,
    m: message,
  };
  const line = patternOf(call.options).replace(/%([DNcpm])/g, (_, part: string) => parts[part]!);
  call.err(`${line}\n`);
}

/**
 * What a command waits for has not come yet; it is to be performed again when something has
 * changed.
 */
export class NotYet extends Error {}

/** A verb of a tool, with how many arguments it takes (getopt's `command` tables). */
export interface Verb {
  readonly name: string;
  readonly min: number;
  /** Infinity: any number. */
  readonly max: number;
  readonly usage: string;
  /** Answers without a switch. */
  readonly local?: boolean;
  run(call: Call): Promise<void> | void;
}
