// ovs-vsctl: several commands in one line, performed on a draft of the database that is committed
// whole, after which the switch follows (utilities/ovs-vsctl.c of Open vSwitch 3.1). Main thread.
import { type Call, VerbError, warn } from "../call.js";
import {
  COMMON_OPTIONS,
  flag,
  type OptionSpec,
  has,
  type Options,
  readOptions,
  valued,
} from "../options.js";
import { checkArguments, type ToolSpec } from "../tool.js";
import { BRIDGE_VERBS } from "./bridges.js";
import { CONNECTION_VERBS } from "./connections.js";
import { PRINT_VERBS } from "./print.js";
import { RECORD_VERBS } from "./records.js";
import { type Command, Transaction, type VsctlVerb } from "./transaction.js";
import { WAIT_VERBS } from "./wait.js";
import { ZONE_VERBS } from "./zones.js";

/** Options before the first command; those of a command may stand there too. */
const COMMAND_OPTIONS: readonly OptionSpec[] = [
  flag("may-exist"),
  flag("if-exists"),
  flag("all"),
  flag("fake-iface"),
  flag("with-iface"),
  flag("real"),
  flag("fake"),
  flag("bootstrap"),
  valued("inactivity-probe"),
  valued("id"),
  valued("columns"),
];
const OPTIONS: readonly OptionSpec[] = [
  ...COMMON_OPTIONS.filter((option) => option.long !== "timeout"),
  valued("timeout", "t"),
  valued("db"),
  flag("no-wait"),
  flag("no-syslog"),
  flag("dry-run"),
  flag("oneline"),
  flag("bare"),
  flag("no-headings"),
  flag("retry"),
  valued("format", "f"),
  valued("data", "d"),
  valued("private-key", "p"),
  valued("certificate", "c"),
  valued("ca-cert", "C"),
  ...COMMAND_OPTIONS,
];

const VERBS: readonly VsctlVerb[] = [
  ...BRIDGE_VERBS,
  ...CONNECTION_VERBS,
  ...ZONE_VERBS,
  ...RECORD_VERBS,
  ...WAIT_VERBS,
  ...PRINT_VERBS,
];

/** Splits a command line at `--`; the options of the first part count for the whole line too. */
function commandsOf(options: Options): Command[] {
  const commands: Command[] = [];
  let rest = [...options.args];
  while (rest.length > 0) {
    const end = rest.indexOf("--");
    const part = end < 0 ? rest : rest.slice(0, end);
    rest = end < 0 ? [] : rest.slice(end + 1);
    const own = readOptions(part, COMMAND_OPTIONS, true);
    const [name, ...args] = own.args;
    if (name === undefined) continue;
    const isFirst = commands.length === 0;
    const values = isFirst ? new Map([...options.values, ...own.values]) : own.values;
    commands.push({ name, args, options: { values, args } });
  }
  return commands;
}

async function perform(call: Call): Promise<void> {
  const commands = commandsOf(call.options);
  if (commands.length === 0) throw new VerbError("missing command name (use --help for help)");
  const verbs = commands.map(({ name, args }) => {
    const verb = VERBS.find((one) => one.name === name);
    if (verb === undefined) {
      throw new VerbError(`unknown command '${name}'; use --help for help`);
    }
    checkArguments({ ...verb, run: () => undefined }, args.length);
    return verb;
  });
  await call.control.run();
  call.target.refresh();
  const transaction = new Transaction(call);
  commands.forEach((command, i) => {
    transaction.begin();
    verbs[i]!.run(transaction, command);
  });
  for (const line of transaction.lostRows()) warn(call, "vsctl", line);
  if (!has(call.options, "dry-run")) {
    const troubles = (await call.target.commit(transaction.draft)) ?? [];
    if (!has(call.options, "no-wait")) for (const line of troubles) call.err(line);
  }
  call.out(transaction.output(has(call.options, "oneline")));
}

function help(): string {
  const lines = VERBS.map((verb) => `  ${`${verb.name} ${verb.usage}`.trimEnd()}`);
  return [
    "ovs-vsctl: spoken by packetpath, as by Open vSwitch",
    "usage: ovs-vsctl [OPTIONS] COMMAND [ARG...] [-- COMMAND [ARG...]]...",
    "",
    ...lines,
    "",
  ].join("\n");
}

export const VSCTL: ToolSpec = {
  options: OPTIONS,
  stopAtCommand: true,
  help,
  isLocal: () => false,
  perform,
};
