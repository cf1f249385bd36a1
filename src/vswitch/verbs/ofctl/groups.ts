// The verbs of ovs-ofctl about groups: add-group, insert-buckets, dump-groups and their kin, and
// what a switch does with them (ofproto/ofproto.c of Open vSwitch 3.1). Main thread.
import type { Bucket, Group } from "../../../flow/types.js";
import {
  formatDumpGroups,
  formatDumpGroupStats,
  formatGroupMod,
} from "../../../ofctl/format-groups.js";
import {
  checkGroupMod,
  type GroupCommand,
  type GroupMod,
  groupOfMod,
  parseGroupFile,
  parseGroupMod,
} from "../../../ofctl/groups.js";
import { receivedActions } from "../../../ofctl/print/received.js";
import { FORMATS, type OpenFlowVersion } from "../../../ofctl/protocols.js";
import { unreadable } from "../../../ofctl/print/unreadable.js";
import type { FlowChange } from "../../../pipeline/flow-tables.js";
import { sendsToGroup } from "../../../pipeline/tables/flow-select.js";
import type { GroupEntry } from "../../../pipeline/tables/group-table.js";
import type { BridgeControl } from "../../control.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { has } from "../options.js";
import { bridgeOf, portMap } from "./bridge.js";
import { parsing } from "./flow-texts.js";
import { allowedFormats, versionFor, versionOf } from "./formats.js";
import { bundleRefusal, FIRST_XID, openFlowError, refusal } from "./refusals.js";

/** What a mod does to a group that is there (or not: null); a string is OpenFlow's refusal. */
function changeOf(mod: GroupMod, old: Group | null, version: OpenFlowVersion): FlowChange | string {
  const error = unreadableBucket(mod, version) ?? checkGroupMod(mod);
  if (error !== null) return error;
  switch (mod.command) {
    case "add":
      if (old !== null) return "OFPGMFC_GROUP_EXISTS";
      return { type: "set-group", group: received(groupOfMod(mod), version) };
    case "modify":
      if (old === null) return "OFPGMFC_UNKNOWN_GROUP";
      return { type: "set-group", group: received(groupOfMod(mod), version) };
    case "add_or_mod":
      return { type: "set-group", group: received(groupOfMod(mod), version) };
    case "delete":
      return { type: "delete-group", group: mod.group === "all" ? null : mod.group };
    case "insert_bucket":
      return old === null ? "OFPGMFC_UNKNOWN_GROUP" : insert(old, mod, version);
    case "remove_bucket":
      return old === null ? "OFPGMFC_UNKNOWN_GROUP" : remove(old, mod);
  }
}

function unreadableBucket({ buckets }: GroupMod, version: OpenFlowVersion): string | null {
  const errors = buckets.map(({ actions }) => unreadable({ match: null, actions }, version));
  return errors.find((error) => error !== null) ?? null;
}

/** What a refusal quotes of a message. */
function quoted(mod: GroupMod, version: OpenFlowVersion): string {
  const error = unreadableBucket(mod, version);
  if (error !== null) return ` ***decode error: ${error}***`;
  return `\n ${formatGroupMod(mod, { version })}`;
}

function received(group: Group, version: OpenFlowVersion): Group {
  const buckets = group.buckets.map((bucket) => ({
    ...bucket,
    actions: receivedActions(bucket.actions, version, null),
  }));
  return { ...group, buckets };
}

function insert(old: Group, mod: GroupMod, version: OpenFlowVersion): FlowChange | string {
  const fresh = received({ ...old, buckets: mod.buckets }, version).buckets;
  const taken = new Set(old.buckets.map((bucket) => bucket.id));
  if (fresh.some((bucket) => taken.has(bucket.id))) return "OFPGMFC_BUCKET_EXISTS";
  const at = mod.commandBucket;
  let place = at === "first" ? 0 : old.buckets.length;
  if (typeof at === "number") {
    const index = old.buckets.findIndex((bucket) => bucket.id === at);
    if (index < 0) return "OFPGMFC_UNKNOWN_BUCKET";
    place = index + 1;
  }
  const buckets: Bucket[] = [...old.buckets];
  buckets.splice(place, 0, ...fresh);
  return { type: "set-group", group: { ...old, buckets } };
}

function remove(old: Group, mod: GroupMod): FlowChange | string {
  const at = mod.commandBucket;
  const { buckets } = old;
  // There may be no first and no last one, but there is one of each number that is named.
  if (at === "all") return { type: "set-group", group: { ...old, buckets: [] } };
  const index =
    at === "first"
      ? 0
      : at === "last"
        ? buckets.length - 1
        : buckets.findIndex((bucket) => bucket.id === at);
  if (index < 0 && typeof at === "number") return "OFPGMFC_UNKNOWN_BUCKET";
  return { type: "set-group", group: { ...old, buckets: buckets.filter((_, i) => i !== index) } };
}

async function send(call: Call, bridge: BridgeControl, mods: readonly GroupMod[]): Promise<void> {
  if (has(call.options, "bundle")) return sendBundle(call, bridge, mods);
  for (const mod of mods) {
    const version = versionFor(call, mod.formats);
    const text = quoted(mod, version);
    const message = { name: "OFPT_GROUP_MOD", version, xid: FIRST_XID, text };
    const old = mod.group === "all" ? null : bridge.tables.groups.get(mod.group);
    const change = changeOf(mod, old?.group ?? null, version);
    if (typeof change === "string") throw refusal(change, message);
    try {
      if (change !== null) await bridge.apply([change]);
    } catch (error) {
      const name = openFlowError(error);
      throw name === null ? error : refusal(name, message);
    }
  }
}

/** All or none, `--bundle`. */
async function sendBundle(
  call: Call,
  bridge: BridgeControl,
  mods: readonly GroupMod[],
): Promise<void> {
  const groups = new Map(bridge.tables.groups.entries().map(({ group }) => [group.id, group]));
  const changes: FlowChange[] = [];
  // OpenFlow has bundles since 1.3.
  const versionOfMod = ({ formats }: GroupMod): OpenFlowVersion => {
    const bundled = formats & FORMATS.openFlow13Up;
    return versionFor(call, bundled === 0 ? formats : bundled);
  };
  const refuse = (error: string, index: number): VerbError => {
    const version = versionOfMod(mods[index]!);
    const text = quoted(mods[index]!, version);
    const message = { name: "OFPT_GROUP_MOD", version, text };
    return bundleRefusal(call, bridge.name, error, message, { index, count: mods.length });
  };
  for (const [index, mod] of mods.entries()) {
    const old = mod.group === "all" ? null : (groups.get(mod.group) ?? null);
    const change = changeOf(mod, old, versionOfMod(mod));
    if (typeof change === "string") throw refuse(change, index);
    if (change === null) continue;
    changes.push(change);
    if (change.type === "set-group") groups.set(change.group.id, change.group);
    else if (change.type === "delete-group" && change.group !== null) groups.delete(change.group);
    else groups.clear();
  }
  try {
    await bridge.apply(changes);
  } catch (error) {
    const name = openFlowError(error);
    throw name === null ? error : refuse(name, mods.length - 1);
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
  const ports = portMap(bridge);
  const mod = parsing(null, () => parseGroupMod(text, command, { ports }));
  await send(call, bridge, [mod]);
}

async function groupFile(call: Call, command?: GroupCommand): Promise<void> {
  const bridge = bridgeOf(call);
  const file = call.args[1]!;
  const text = await call.file(file);
  const ports = portMap(bridge);
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
