// The verbs of ovs-ofctl about groups: add-group, insert-buckets, dump-groups and their kin, and
// what a switch does with them (ofproto/ofproto.c of Open vSwitch 3.1). Main thread.
import { formatDumpGroups, formatDumpGroupStats } from "../../../ofctl/format-groups.js";
import {
  type GroupCommand,
  type GroupMod,
  parseGroupFile,
  parseGroupMod,
} from "../../../ofctl/groups.js";
import { FORMATS } from "../../../ofctl/protocols.js";
import { sendsToGroup } from "../../../pipeline/tables/flow-select.js";
import type { GroupEntry } from "../../../pipeline/tables/group-table.js";
import type { BridgeControl } from "../../control.js";
import { openFlowError } from "../../mods/flow-mods.js";
import { groupChangeOf, quotedGroupMod } from "../../mods/group-mods.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { has } from "../options.js";
import { bridgeOf, namesOf } from "./bridge.js";
import { parsing } from "./flow-texts.js";
import { allowedFormats, versionFor, versionOf } from "./formats.js";
import { sendBundle } from "./features/bundle.js";
import { FIRST_XID, refusal } from "./refusals.js";

async function send(call: Call, bridge: BridgeControl, mods: readonly GroupMod[]): Promise<void> {
  const formats = mods.reduce((all, mod) => all & mod.formats, FORMATS.any as number);
  if (has(call.options, "bundle")) {
    const messages = mods.map((mod) => ({ type: "group", mod }) as const);
    return sendBundle(call, bridge, messages, formats);
  }
  const version = versionFor(call, formats);
  for (const [index, mod] of mods.entries()) {
    const text = quotedGroupMod(mod, version);
    const name = version === 10 ? "NXT_GROUP_MOD" : "OFPT_GROUP_MOD";
    const message = { name, version, xid: FIRST_XID + 2 * index, text };
    const old = mod.group === "all" ? null : bridge.tables.groups.get(mod.group);
    const change = groupChangeOf(mod, old?.group ?? null, version);
    if (typeof change === "string") throw refusal(change, message);
    try {
      await bridge.apply([change]);
    } catch (error) {
      const name = openFlowError(error);
      throw name === null ? error : refusal(name, message);
    }
  }
}

async function groupMod(call: Call, command: GroupCommand): Promise<void> {
  const bridge = bridgeOf(call);
  const text = call.args[1] ?? "";
  if (text === "-") return groupFile(call, command);
  const allowed = allowedFormats(call);
  if (command === "insert_bucket" && (allowed & FORMATS.openFlow15Up) === 0) {
    if (versionOf(call) > 10) {
      throw new VerbError("insert-bucket needs OpenFlow 1.5 or later ('-O OpenFlow15')");
    }
  }
  const ports = namesOf(call, bridge);
  const mod = parsing(null, () => parseGroupMod(text, command, { ports }));
  await send(call, bridge, [mod]);
}

async function groupFile(call: Call, command?: GroupCommand): Promise<void> {
  const bridge = bridgeOf(call);
  const file = call.args[1]!;
  const text = await call.file(file);
  const ports = namesOf(call, bridge);
  await send(
    call,
    bridge,
    parsing(file, () => parseGroupFile(text, { ports, file }, command)),
  );
}

/** The groups that an argument (`1`, `group_id=1`, `all`, none) means. */
function selected(call: Call, bridge: BridgeControl): GroupEntry[] {
  const text = call.args[1]?.replace(/^group_id=/, "");
  if (text === undefined || /^(all|any)$/i.test(text)) return bridge.tables.groups.entries();
  if (!/^[0-9]+$/.test(text)) throw new VerbError(`${text}: invalid group`);
  const entry = bridge.tables.groups.get(Number(text));
  return entry === null ? [] : [entry];
}

function dumpGroups(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  // Only since OpenFlow 1.5 can one group be asked for.
  const all = version < 15 && version !== 10 ? bridge.tables.groups.entries() : null;
  const groups = (all ?? selected(call, bridge)).map((entry) => entry.group);
  call.out(formatDumpGroups(groups, { version }));
}

function dumpStats(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  const flows = bridge.tables.entries();
  const groups = selected(call, bridge).map((entry) => {
    const { id } = entry.group;
    const references = flows.filter(({ flow }) => sendsToGroup(flow.actions, id)).length;
    const durationSeconds = (call.control.clock.nowMs() - entry.addedMs) / 1000;
    return { id, stats: { durationSeconds, references, ...bridge.groupStats(entry) } };
  });
  call.out(formatDumpGroupStats(groups, version));
}

const changer = (name: string, command: GroupCommand, min = 2): Verb => ({
  name,
  min,
  max: 2,
  usage: "SWITCH GROUP",
  run: (call) => groupMod(call, command),
});

export const GROUP_VERBS: readonly Verb[] = [
  changer("add-group", "add"),
  { name: "add-groups", min: 2, max: 2, usage: "SWITCH FILE", run: (call) => groupFile(call) },
  {
    name: "mod-group",
    min: 2,
    max: 2,
    usage: "SWITCH GROUP",
    run: (call) => groupMod(call, has(call.options, "may-create") ? "add_or_mod" : "modify"),
  },
  changer("del-groups", "delete", 1),
  changer("insert-buckets", "insert_bucket"),
  changer("remove-buckets", "remove_bucket"),
  { name: "dump-groups", min: 1, max: 2, usage: "SWITCH [GROUP]", run: dumpGroups },
  { name: "dump-group-stats", min: 1, max: 2, usage: "SWITCH [GROUP]", run: dumpStats },
];
