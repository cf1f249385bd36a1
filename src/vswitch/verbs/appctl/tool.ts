// The verbs of ovs-appctl, as an ovs-vswitchd answers them (lib/unixctl.c, 3.1). Main thread.
import { type Call, type Verb, VerbError } from "../call.js";
import { COMMON_OPTIONS, flag, type OptionSpec, valued } from "../options.js";
import type { ToolSpec } from "../tool.js";
import { BALANCER_VERBS } from "./balancer.js";
import { CONNTRACK_VERBS } from "./conntrack.js";
import { DATAPATH_CHANGE_VERBS } from "../dpctl/changes.js";
import { DPIF_VERBS } from "./dpif.js";
import { DUMMY_VERBS } from "./dummy.js";
import { DUMP_VERBS } from "./dump.js";
import { FDB_VERBS } from "./fdb.js";
import { IDLE_VERBS } from "./idle.js";
import { Refusal } from "./refusal.js";
import { SWITCH_VERBS } from "./switch.js";
import { TRACE_VERBS } from "./trace.js";

const OPTIONS: readonly OptionSpec[] = [
  ...COMMON_OPTIONS,
  valued("target", "t"),
  flag("execute", "e"),
];

const VERBS: readonly Verb[] = [
  ...SWITCH_VERBS,
  ...FDB_VERBS,
  ...DPIF_VERBS,
  ...DATAPATH_CHANGE_VERBS,
  ...DUMMY_VERBS,
  ...DUMP_VERBS,
  ...CONNTRACK_VERBS,
  ...BALANCER_VERBS,
  ...IDLE_VERBS,
  ...TRACE_VERBS,
].sort((a, b) => (a.name < b.name ? -1 : 1));

function listCommands(): string {
  const lines = VERBS.map((verb) => `  ${verb.name.padEnd(23)} ${verb.usage}\n`);
  return `The available commands are:\n${lines.join("")}`;
}

async function perform(call: Call): Promise<void> {
  const command = call.options.args[0];
  if (command === undefined) {
    throw new VerbError("at least one non-option argument is required (use --help for help)");
  }
  await call.control.run();
  if (command === "list-commands") return call.out(listCommands());
  const verb = VERBS.find((one) => one.name === command);
  if (verb === undefined) {
    throw new Refusal(
      `"${command}" is not a valid command (use "list-commands" to see a list of valid commands)`,
    );
  }
  const count = call.args.length;
  if (count < verb.min) {
    throw new Refusal(`"${command}" command requires at least ${verb.min} arguments`);
  }
  if (count > verb.max) {
    throw new Refusal(`"${command}" command takes at most ${verb.max} arguments`);
  }
  await verb.run(call);
}

export const APPCTL: ToolSpec = {
  options: OPTIONS,
  stopAtCommand: true,
  help: listCommands,
  isLocal: () => false,
  perform,
};
