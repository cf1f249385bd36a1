// Verbs of ovs-appctl about what no bridge of this switch has: bonds, spanning trees, tunnels,
// fault detection, queues. There is nothing of the kind, and they say so as an ovs-vswitchd without
// any does (3.1). Main thread.
import type { Call, Verb } from "../call.js";
import { bridgeNamed } from "./fdb.js";
import { Refusal } from "./refusal.js";

/** A verb that lists what there is none of. @param heading what is printed all the same. */
function lists(name: string, max: number, usage: string, heading = ""): Verb {
  return { name, min: 0, max, usage, run: (call) => call.out(heading) };
}

const NEIGHBORS =
  "IP                                            MAC                 Bridge\n" +
  "==========================================================================\n";

function noSnooping(call: Call): never {
  bridgeNamed(call, call.args[0]!);
  throw new Refusal("multicast snooping is disabled");
}

function checkPort(call: Call): string {
  const name = call.args[0]!;
  const ports = call.control.bridges().flatMap((bridge) => bridge.ports());
  if (ports.some((port) => port.name === name)) return name;
  throw new Refusal("no such interface");
}

export const IDLE_VERBS: readonly Verb[] = [
  lists("bond/list", 0, "", "bond\ttype\trecircID\tmembers\n"),
  lists("bond/show", 0, ""),
  lists("lacp/show", 0, ""),
  lists("lacp/show-stats", 0, ""),
  lists("stp/show", 0, ""),
  lists("rstp/show", 0, ""),
  lists("cfm/show", 0, ""),
  lists("bfd/show", 0, ""),
  lists("ofproto/list-tunnels", 0, ""),
  lists("tnl/ports/show", 1, "[-v]", "Listening ports:\n"),
  lists("tnl/arp/show", 0, "", NEIGHBORS),
  lists("tnl/neigh/show", 0, "", NEIGHBORS),
  { name: "mdb/show", min: 1, max: 1, usage: "bridge", run: noSnooping },
  { name: "mdb/stats-show", min: 1, max: 1, usage: "bridge", run: noSnooping },
  { name: "mdb/flush", min: 0, max: 1, usage: "[bridge]", run: (call) => mdbFlush(call) },
  {
    name: "qos/show",
    min: 1,
    max: 1,
    usage: "interface",
    run: (call) => call.out(`QoS not configured on ${checkPort(call)}\n`),
  },
  {
    name: "qos/show-types",
    min: 1,
    max: 1,
    usage: "interface",
    run: (call) => call.out(`No QoS types supported for interface: ${checkPort(call)}\n`),
  },
];

function mdbFlush(call: Call): void {
  if (call.args.length > 0) noSnooping(call);
}
