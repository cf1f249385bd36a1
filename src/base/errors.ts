// Every error that a user can meet, with a code that does not change and the exit code it leads to.
// Text may be reworded; codes may not. Programmer errors are plain `Error`s and exit with 4.

/** What the process exits with. The numbers are a contract: scripts branch on them. */
export const EXIT = {
  asExpected: 0,
  notAsExpected: 1,
  badInput: 2,
  environment: 3,
  internal: 4,
  interrupted: 130,
  terminated: 143,
} as const;

/** Stable error codes and the exit code each leads to. */
export const ERROR_CODES = {
  /** A scenario file is not valid: YAML syntax, an unknown key, a value out of range. */
  SCENARIO_INVALID: EXIT.badInput,
  /** Flow text that ovs-ofctl would refuse; the message is Open vSwitch's own sentence. */
  FLOW_INVALID: EXIT.badInput,
  /** A command-line flag or argument is not valid. */
  USAGE: EXIT.badInput,
  /** A guard module cannot be loaded or is not a function. */
  GUARD_INVALID: EXIT.badInput,
  /** A program file that cannot be explored: syntax, or something out of the explorer's control. */
  PROGRAM_INVALID: EXIT.badInput,
  /** A file that the user named cannot be read or written. */
  FILE_UNUSABLE: EXIT.badInput,
  /** The machine lacks something: root, /dev/net/tun, a limit, a program. */
  ENVIRONMENT: EXIT.environment,
  /** A system call failed where the program had no reason to expect it. */
  SYSTEM_CALL: EXIT.environment,
  /** A wait for a condition passed its deadline. */
  DEADLINE: EXIT.internal,
  /** A state that the program holds to be impossible. */
  INTERNAL: EXIT.internal,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Where in a user's text an error lies. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

export interface ErrorDetails {
  readonly place?: Place;
  readonly fix?: string;
  readonly excerpt?: string;
  readonly others?: readonly PacketpathError[];
}

export class PacketpathError extends Error {
  readonly code: ErrorCode;
  readonly place: Place | undefined;
  /** What to do about it, one imperative sentence; printed on a line of its own. */
  readonly fix: string | undefined;
  /** The line of the user's text that is meant, and below it a caret; may be absent. */
  readonly excerpt: string | undefined;
  /** Further errors that were found in the same text, in its order. */
  readonly others: readonly PacketpathError[];

  constructor(code: ErrorCode, message: string, more: ErrorDetails = {}) {
    super(message);
    this.name = "PacketpathError";
    this.code = code;
    this.place = more.place;
    this.fix = more.fix;
    this.excerpt = more.excerpt;
    this.others = more.others ?? [];
  }

  get exitCode(): number {
    return ERROR_CODES[this.code];
  }

  /** `file:line:column: error: message`, as compilers print it; editors can jump there. */
  override toString(): string {
    return `${placeText(this.place)}error: ${this.message}`;
  }
}

function placeText(place: Place | undefined): string {
  if (place === undefined) return "";
  const line = place.line === undefined ? "" : `:${place.line}`;
  const column = place.column === undefined ? "" : `:${place.column}`;
  return `${place.file}${line}${column}: `;
}
