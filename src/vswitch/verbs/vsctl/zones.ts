// The commands of ovs-vsctl about datapaths: time-out policies of connection tracking zones, and
// what a datapath can do (utilities/ovs-vsctl.c of Open vSwitch 3.1). Main thread.
import { get, type Row } from "../../database/database.js";
import { mapOf, pairsOf, parseDatum, setOf } from "../../database/datum.js";
import { columnsOf } from "../../database/schema.js";
import { VerbError } from "../call.js";
import { has } from "../options.js";
import { type Command, readingValue, type Transaction, type VsctlVerb } from "./transaction.js";

function findDatapath(t: Transaction, name: string): Row | null {
  const { keys, values } = get(t.draft.root, "datapaths");
  const at = keys.indexOf(name);
  return at < 0 ? null : t.draft.row(values[at]!);
}

function datapathNamed(t: Transaction, name: string): Row {
  const found = findDatapath(t, name);
  if (found === null) throw new VerbError(`datapath ${name} does not exist`);
  return found;
}

/** Reads `zone=N`. */
function readZone(text: string): number {
  const number = /^zone=([0-9]+)$/.exec(text)?.[1];
  if (number === undefined) throw new VerbError(`invalid zone_id format (${text})`);
  return Number(number);
}

function zonesOf(datapath: Row): [number, string][] {
  return pairsOf(get(datapath, "ct_zones")).map(([zone, uuid]) => [Number(zone), String(uuid)]);
}

function addZone(t: Transaction, { args, options }: Command): void {
  const [name, zoneText, ...timeouts] = args as [string, string, ...string[]];
  const datapath = datapathNamed(t, name);
  const zone = readZone(zoneText);
  const zones = zonesOf(datapath);
  if (zones.some(([one]) => one === zone)) {
    if (has(options, "may-exist")) return;
    throw new VerbError(`zone id ${zone} already exists`);
  }
  const policy = t.draft.insert("CT_Timeout_Policy");
  const column = columnsOf("CT_Timeout_Policy")["timeouts"]!;
  const text = timeouts.join(",");
  policy.columns.set(
    "timeouts",
    readingValue(() => parseDatum(text, column)),
  );
  const row = t.draft.insert("CT_Zone");
  row.columns.set("timeout_policy", setOf([policy.uuid]));
  datapath.columns.set("ct_zones", mapOf([...zones, [zone, row.uuid]]));
}

function deleteZone(t: Transaction, { args, options }: Command): void {
  const datapath = datapathNamed(t, args[0]!);
  const zone = readZone(args[1]!);
  const zones = zonesOf(datapath);
  const others = zones.filter(([one]) => one !== zone);
  if (others.length === zones.length && !has(options, "if-exists")) {
    throw new VerbError(`zone id ${zone} does not exist`);
  }
  datapath.columns.set("ct_zones", mapOf(others));
}

function listZones(t: Transaction, { args }: Command): void {
  for (const [zone, uuid] of zonesOf(datapathNamed(t, args[0]!))) {
    const policies = t.draft.references(t.draft.row(uuid)!, "timeout_policy");
    const texts = policies.flatMap((policy) => {
      return pairsOf(get(policy, "timeouts")).map(([name, value]) => `${name}=${value}`);
    });
    const text = policies.length === 0 ? "system default" : texts.join(" ");
    t.out(`Zone:${zone}, Timeout Policies: ${text}\n`);
  }
}

function listCapabilities(t: Transaction, { args }: Command): void {
  const datapath = findDatapath(t, args[0]!);
  if (datapath === null) throw new VerbError(`datapath "${args[0]}" record not found`);
  const pairs = pairsOf(get(datapath, "capabilities"));
  for (const [name, value] of pairs) t.out(`${name}=${value}\n`);
}

export const ZONE_VERBS: readonly VsctlVerb[] = [
  {
    name: "add-zone-tp",
    min: 2,
    max: Infinity,
    usage: "DATAPATH zone=ZONE [NAME=SECONDS]...",
    run: addZone,
  },
  { name: "del-zone-tp", min: 2, max: 2, usage: "DATAPATH zone=ZONE", run: deleteZone },
  { name: "list-zone-tp", min: 1, max: 1, usage: "DATAPATH", run: listZones },
  { name: "list-dp-cap", min: 1, max: 1, usage: "DATAPATH", run: listCapabilities },
];
