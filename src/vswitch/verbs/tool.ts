// How a tool finds the verb of a command line: the tables of the tools share this shape.
// Main thread.
import { type Call, type Verb, VerbError } from "./call.js";
import type { OptionSpec } from "./options.js";

export interface ToolSpec {
  readonly options: readonly OptionSpec[];
  /** Options end at the command: what follows belongs to it. */
  readonly stopAtCommand: boolean;
  help(): string;
  /** Whether a command needs no switch. */
  isLocal(command: string): boolean;
  perform(call: Call): Promise<void>;
}

/** The sentences about how many arguments a command takes (lib/command-line.c, 3.1). */
export function checkArguments(verb: Verb, count: number): void {
  if (count < verb.min) {
    throw new VerbError(`'${verb.name}' command requires at least ${verb.min} arguments`);
  }
  if (count > verb.max) {
    throw new VerbError(`'${verb.name}' command takes at most ${verb.max} arguments`);
  }
}

/** A tool whose first argument names one verb of a table (ovs-ofctl, ovs-dpctl). */
export function simpleTool(
  name: string,
  parts: {
    options: readonly OptionSpec[];
    verbs: readonly Verb[];
    /** Refuses options that contradict each other, whatever the command. */
    checkOptions?: (call: Call) => void;
  },
): ToolSpec {
  const byName = new Map(parts.verbs.map((verb) => [verb.name, verb]));
  return {
    options: parts.options,
    stopAtCommand: false,
    help: () => helpText(name, parts.verbs),
    isLocal: (command) => byName.get(command)?.local ?? !byName.has(command),
    perform: async (call) => {
      parts.checkOptions?.(call);
      const command = call.options.args[0];
      if (command === undefined) {
        throw new VerbError("missing command name; use --help for help");
      }
      const verb = byName.get(command);
      if (verb === undefined) {
        throw new VerbError(`unknown command '${command}'; use --help for help`);
      }
      checkArguments(verb, call.args.length);
      if (verb.local !== true) await call.control.run();
      await verb.run(call);
    },
  };
}

function helpText(name: string, verbs: readonly Verb[]): string {
  const lines = verbs.map((verb) => `  ${`${verb.name} ${verb.usage}`.trimEnd()}`);
  return [
    `${name}: spoken by packetpath, as by Open vSwitch`,
    `usage: ${name} [OPTIONS] COMMAND [ARG...]`,
    "",
    ...lines,
    "",
  ].join("\n");
}
