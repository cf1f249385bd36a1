// The verbs of ovs-dpctl: those of ovs-appctl's dpctl/, under their own names. Main thread.
import { CONNTRACK_VERBS } from "../appctl/conntrack.js";
import { DATAPATH_CHANGE_VERBS } from "./changes.js";
import { DPIF_VERBS } from "../appctl/dpif.js";
import { DUMP_VERBS } from "../appctl/dump.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { COMMON_OPTIONS, flag } from "../options.js";
import { simpleTool } from "../tool.js";
import { NORMALIZE } from "./normalize.js";

const OPTIONS = [
  ...COMMON_OPTIONS,
  flag("statistics", "s"),
  flag("names"),
  flag("no-names"),
  flag("more", "m"),
];
const PREFIX = "dpctl/";

/** A refusal of ovs-appctl in ovs-dpctl's words. */
async function run(verb: Verb, call: Call): Promise<void> {
  try {
    await verb.run(call);
  } catch (error) {
    throw error instanceof VerbError ? new VerbError(error.message) : error;
  }
}

const SHARED: readonly Verb[] = [
  ...DPIF_VERBS,
  ...DATAPATH_CHANGE_VERBS,
  ...DUMP_VERBS,
  ...CONNTRACK_VERBS,
]
  .filter((verb) => verb.name.startsWith(PREFIX))
  .map((verb) => ({
    ...verb,
    name: verb.name.slice(PREFIX.length),
    run: (call) => run(verb, call),
  }));

export const DPCTL = simpleTool("ovs-dpctl", { options: OPTIONS, verbs: [...SHARED, NORMALIZE] });
