// Group mods as a switch takes them: which changes of the groups a command is, and when it is
// refused with which error of OpenFlow (ofproto/ofproto.c of Open vSwitch 3.1). Main thread.
import type { Bucket, Group } from "../../flow/types.js";
import { formatGroupMod } from "../../ofctl/format-groups.js";
import { checkGroupMod, type GroupMod, groupOfMod } from "../../ofctl/groups.js";
import { receivedActions } from "../../ofctl/print/received.js";
import { unreadable } from "../../ofctl/print/unreadable.js";
import type { OpenFlowVersion } from "../../ofctl/protocols.js";
import type { FlowChange } from "../../pipeline/flow-tables.js";

/** What a mod does to a group that is there (or not: null); a string is OpenFlow's refusal. */
export function groupChangeOf(
  sent: GroupMod,
  old: Group | null,
  version: OpenFlowVersion,
): FlowChange | string {
  const mod = carried(sent, version);
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

/** OpenFlow 1.1 to 1.4 say nothing of how a bucket is selected, and number none. */
function carried(mod: GroupMod, version: OpenFlowVersion): GroupMod {
  if (version === 10 || version === 15) return mod;
  const buckets = mod.buckets.map((bucket, id) => ({ ...bucket, id }));
  return { ...mod, buckets, selectionMethod: "", selectionParam: 0n, fields: [] };
}

export function unreadableBucket({ buckets }: GroupMod, version: OpenFlowVersion): string | null {
  const errors = buckets.map(({ actions }) => unreadable({ match: null, actions }, version));
  return errors.find((error) => error !== null) ?? null;
}

/** What a refusal quotes of a message. */
export function quotedGroupMod(mod: GroupMod, version: OpenFlowVersion): string {
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
