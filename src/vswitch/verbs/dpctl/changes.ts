// The verbs of dpctl/ that would change a datapath behind the back of its bridges. The datapath of
// this switch has the ports that ovs-vsctl gives it and the flows that its flow tables make, and no
// others: such a change is refused, and what it names is looked at first (lib/dpctl.c of Open
// vSwitch 3.1). Main thread.
import type { Call, Verb } from "../call.js";
import { Refusal } from "../appctl/refusal.js";

const WHERE = {
  datapath: "there is one datapath, which is that of the bridges",
  port: "ports come from ovs-vsctl",
  flow: "flows come from the flow tables of the bridges",
} as const;

type What = keyof typeof WHERE;

function refuse(call: Call, what: What): never {
  const verb = call.options.args[0]!.replace(/^dpctl\//, "");
  throw new Refusal(`ovs-vswitchd: ${verb} (Operation not supported): ${WHERE[what]}`);
}

/** Ports stand behind the datapath, each with options: `p1,type=dummy`. */
function changePort(call: Call): void {
  const ports = call.control.bridges().flatMap((bridge) => bridge.ports());
  for (const arg of call.args.slice(1)) {
    const name = arg.split(",")[0];
    const isThere = ports.some((port) => port.name === name);
    if (!isThere) throw new Refusal(`ovs-vswitchd: no port named ${name}`);
  }
  refuse(call, "port");
}

const changes = (name: string, what: What, min: number, usage: string): Verb => ({
  ...{ name: `dpctl/${name}`, min, max: Infinity, usage },
  run: (call) => refuse(call, what),
});

export const DATAPATH_CHANGE_VERBS: readonly Verb[] = [
  changes("add-dp", "datapath", 1, "dp [iface...]"),
  changes("del-dp", "datapath", 1, "dp"),
  changes("add-if", "port", 2, "dp iface..."),
  { name: "dpctl/set-if", min: 2, max: Infinity, usage: "dp iface...", run: changePort },
  { name: "dpctl/del-if", min: 2, max: Infinity, usage: "dp iface...", run: changePort },
  changes("add-flow", "flow", 2, "[dp] flow actions"),
  changes("mod-flow", "flow", 2, "[dp] flow actions"),
  changes("del-flow", "flow", 1, "[dp] flow"),
  changes("add-flows", "flow", 1, "[dp] file"),
  changes("mod-flows", "flow", 1, "[dp] file"),
];
