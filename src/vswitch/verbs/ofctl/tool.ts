// The verbs of ovs-ofctl, and its options (utilities/ovs-ofctl.c of Open vSwitch 3.1).
// Main thread.
import { COMMON_OPTIONS, flag, type OptionSpec, valued } from "../options.js";
import { simpleTool } from "../tool.js";
import type { Verb } from "../call.js";
import { DUMP_VERBS } from "./dumps.js";
import { BUNDLE_VERBS } from "./features/bundle.js";
import { allowedFormats } from "./formats.js";
import { CONNECTION_VERBS } from "./features/connections.js";
import { LIMIT_VERBS } from "./features/limits.js";
import { PCAP_VERBS } from "./features/packets.js";
import { QUEUE_VERBS } from "./features/queues.js";
import { TABLE_VERBS } from "./features/tables.js";
import { VLAN_VERBS } from "./features/vlans.js";
import { FLOW_VERBS } from "./flows.js";
import { GROUP_VERBS } from "./groups.js";
import { METER_VERBS } from "./meters.js";
import { MONITOR_VERBS } from "./monitor/monitor.js";
import { PACKET_VERBS } from "./packet-out.js";
import { PORT_VERBS } from "./ports.js";
import { ACTION_VERBS } from "./wire/actions.js";
import { MATCH_VERBS } from "./wire/matches.js";
import { PACKET_WIRE_VERBS } from "./wire/packets.js";

const OPTIONS: readonly OptionSpec[] = [
  ...COMMON_OPTIONS,
  valued("protocols", "O"),
  valued("flow-format", "F"),
  valued("packet-in-format", "P"),
  flag("strict"),
  flag("bundle"),
  flag("may-create"),
  flag("read-only"),
  flag("readd"),
  flag("names"),
  flag("no-names"),
  flag("stats"),
  flag("no-stats"),
  flag("more", "m"),
  flag("timestamp"),
  flag("pcap"),
  { long: "sort", kind: "optional" },
  { long: "rsort", kind: "optional" },
  { long: "color", kind: "optional" },
  valued("unixctl"),
  flag("detach"),
  flag("no-chdir"),
  flag("overwrite-pidfile"),
  { long: "pidfile", kind: "optional" },
  valued("private-key", "p"),
  valued("certificate", "c"),
  valued("ca-cert", "C"),
];

const VERBS: readonly Verb[] = [
  ...FLOW_VERBS,
  ...DUMP_VERBS,
  ...GROUP_VERBS,
  ...METER_VERBS,
  ...BUNDLE_VERBS,
  ...PACKET_VERBS,
  ...TABLE_VERBS,
  ...LIMIT_VERBS,
  ...QUEUE_VERBS,
  ...CONNECTION_VERBS,
  ...PCAP_VERBS,
  ...VLAN_VERBS,
  ...PORT_VERBS,
  ...MONITOR_VERBS,
  ...MATCH_VERBS,
  ...ACTION_VERBS,
  ...PACKET_WIRE_VERBS,
];

export const OFCTL = simpleTool("ovs-ofctl", {
  options: OPTIONS,
  verbs: VERBS,
  checkOptions: (call) => void allowedFormats(call),
});
