// The verbs of ovs-ofctl about what a switch can do besides: groups, meters, fragments
// (lib/ofp-group.c, lib/ofp-meter.c of Open vSwitch 3.1). Main thread.
import { BANDS_MAX } from "../../../../datapath/meters.js";
import { formatGroupMod } from "../../../../ofctl/format-groups.js";
import { parseGroupFile, parseGroupMod, type GroupMod } from "../../../../ofctl/groups.js";
import { FORMATS, formatsToString } from "../../../../ofctl/protocols.js";
import { ACTIONS_12 } from "../../../../ofctl/print/table-features.js";
import { SWITCH_FLAG } from "../../../../pipeline/ports.js";
import { type Call, type Verb, VerbError } from "../../call.js";
import { bridgeOf } from "../bridge.js";
import { parsing } from "../flow-texts.js";
import { allowedFormats, versionFor, versionOf } from "../formats.js";
import { fragmentMode } from "./fragments.js";
import { messageHead } from "../refusals.js";

const ACTIONS_10 =
  "output enqueue set_vlan_vid set_vlan_pcp strip_vlan mod_dl_src mod_dl_dst mod_nw_src " +
  "mod_nw_dst mod_nw_tos mod_tp_src mod_tp_dst";

function groupFeatures(call: Call): void {
  bridgeOf(call);
  const version = versionOf(call);
  const name = version === 10 ? "NXST_GROUP_FEATURES reply" : "OFPST_GROUP_FEATURES reply";
  const actions = version === 10 ? ACTIONS_10 : ACTIONS_12;
  call.out(`${messageHead(name, version, 2)}\n Group table:\n`);
  call.out("    Types:  0xf\n    Capabilities:  0x7\n");
  for (const type of ["all", "select", "indirect", "fast failover"]) {
    call.out(`    ${type} group:\n       max_groups=0xffffff00\n       actions: ${actions}\n`);
  }
}

/** What parse-group and parse-groups print: the messages that the texts would be sent as. */
function printGroups(call: Call, mods: readonly GroupMod[]): void {
  const formats = mods.reduce((all, mod) => all & mod.formats, FORMATS.any as number);
  call.out(`usable protocols: ${formatsToString(formats)}\n`);
  if ((formats & allowedFormats(call)) === 0) throw new VerbError("no usable protocol");
  const version = versionFor(call, formats);
  call.out(`chosen version: OpenFlow${version}\n`);
  const name = version === 10 ? "NXT_GROUP_MOD" : "OFPT_GROUP_MOD";
  for (const [i, mod] of mods.entries()) {
    call.out(`${messageHead(name, version, i + 1)}\n ${formatGroupMod(mod, { version })}\n`);
  }
}

function parseGroup(call: Call): void {
  printGroups(call, [parsing(null, () => parseGroupMod(call.args[0]!, "add"))]);
}

async function parseGroups(call: Call): Promise<void> {
  const file = call.args[0]!;
  const text = await call.file(file);
  printGroups(
    call,
    parsing(file, () => parseGroupFile(text, { file })),
  );
}

function meterFeatures(call: Call): void {
  const { capacity } = bridgeOf(call).meters.table;
  const version = versionFor(call, FORMATS.openFlow13Up);
  call.out(`${messageHead("OFPST_METER_FEATURES reply", version, 2)}\n`);
  call.out(`max_meter:${capacity} max_bands:${BANDS_MAX} max_color:0\n`);
  call.out("band_types: drop\ncapabilities: kbps pktps burst stats\n");
}

const FRAGMENT_FLAGS = SWITCH_FLAG.dropFragments | SWITCH_FLAG.matchFragments;

function getFragments(call: Call): void {
  call.out(`${fragmentMode(bridgeOf(call).pipeline.ports.switchFlags())}\n`);
}

function setFragments(call: Call): void {
  const { ports } = bridgeOf(call).pipeline;
  const [name, mode] = call.args as [string, string];
  const flags: Readonly<Record<string, number>> = {
    normal: 0,
    drop: SWITCH_FLAG.dropFragments,
    "nx-match": SWITCH_FLAG.matchFragments,
  };
  const wanted = flags[mode];
  if (wanted !== undefined) return ports.setSwitchFlags(wanted, FRAGMENT_FLAGS);
  const why = `this switch probably doesn't support mode "${mode}"`;
  throw new VerbError(
    mode === "reassemble"
      ? `${name}: setting fragment handling mode failed (${why})`
      : `${mode}: unknown fragment handling mode`,
  );
}

export const LIMIT_VERBS: readonly Verb[] = [
  { name: "dump-group-features", min: 1, max: 1, usage: "SWITCH", run: groupFeatures },
  { name: "parse-group", min: 1, max: 1, usage: "GROUP", local: true, run: parseGroup },
  { name: "parse-groups", min: 1, max: 1, usage: "FILE", local: true, run: parseGroups },
  { name: "meter-features", min: 1, max: 1, usage: "SWITCH", run: meterFeatures },
  { name: "get-frags", min: 1, max: 1, usage: "SWITCH", run: getFragments },
  { name: "set-frags", min: 2, max: 2, usage: "SWITCH FRAG_MODE", run: setFragments },
];
