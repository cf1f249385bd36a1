// Verbs of ovs-appctl about the datapath: its ports, its flows (dpif/, dpctl/, revalidator/,
// upcall/ of Open vSwitch 3.1). All bridges of the dummy switch share one datapath, `ovs-dummy`,
// as with Open vSwitch's dummy dpif. Main thread.
import type { PortView } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { bridgeNamed } from "./fdb.js";
import { Refusal } from "./refusal.js";

/** The name of the datapath behind all bridges. */
function datapathName(call: Call): string {
  return call.control.kind === "dummy" ? "dummy@ovs-dummy" : "netdev@packetpath";
}

/** Names by which the one datapath may be called. */
export const DATAPATHS = ["ovs-dummy", "dummy@ovs-dummy", "ovs-netdev", "netdev@packetpath"];

/** As the datapath names the type of a port. */
function typeOf(call: Call, port: PortView): string {
  const isDummy = call.control.kind === "dummy";
  return isDummy && port.type === "internal" ? "dummy-internal" : port.type;
}

async function lookups(call: Call): Promise<{ hit: number; missed: number; flows: number }> {
  const sum = { hit: 0, missed: 0, flows: 0 };
  for (const bridge of call.control.bridges()) {
    const { hit, missed } = bridge.lookups();
    sum.hit += hit;
    sum.missed += missed;
    sum.flows += (await bridge.megaflows()).length;
  }
  return sum;
}

async function dpifShow(call: Call): Promise<void> {
  const { hit, missed } = await lookups(call);
  call.out(`${datapathName(call)}: hit:${hit} missed:${missed}\n`);
  for (const bridge of call.control.bridges()) {
    call.out(`  ${bridge.name}:\n`);
    // By name, as a sorted shash has it.
    const ports = [...bridge.ports()].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const port of ports) {
      const isPatch = port.datapathNumber < 0;
      const number = `${port.number}/${isPatch ? "none" : port.datapathNumber}`;
      const peer = isPatch ? `: peer=${port.peer ?? ""}` : "";
      call.out(`    ${port.name} ${number}: (${typeOf(call, port)}${peer})\n`);
    }
  }
}

async function dpctlShow(call: Call): Promise<void> {
  const asked = call.args.filter((arg) => !arg.startsWith("-"));
  const unknown = asked.find((name) => !DATAPATHS.includes(name));
  if (unknown !== undefined) {
    const why = "Address family not supported by protocol";
    throw new Refusal(`ovs-vswitchd: opening datapath ${unknown} failed (${why})`);
  }
  const { hit, missed, flows } = await lookups(call);
  const every = call.control.bridges().flatMap((bridge) => bridge.ports());
  const ports = every.filter(({ datapathNumber }) => datapathNumber >= 0);
  const lines = ports
    .map((port) => [port.datapathNumber, `${port.name} (${typeOf(call, port)})`] as const)
    .sort(([a], [b]) => a - b);
  const own = call.control.kind === "dummy" ? ["  port 0: ovs-dummy (dummy-internal)"] : [];
  const text = [
    `${datapathName(call)}:`,
    `  lookups: hit:${hit} missed:${missed} lost:0`,
    `  flows: ${flows}`,
    ...own,
    ...lines.map(([number, port]) => `  port ${number}: ${port}`),
    "",
  ];
  call.out(text.join("\n"));
}

function dumpBridges(call: Call): void {
  const [type] = datapathName(call).split("@");
  for (const bridge of call.control.bridges()) call.out(`${type}@${bridge.name}\n`);
}

async function flushFlows(call: Call): Promise<void> {
  for (const bridge of call.control.bridges()) await bridge.flushMegaflows();
}

/** What Open vSwitch asks its datapaths, in its order, and what this one can do of it. */
const FEATURES: readonly (readonly [name: string, title: string, value: string])[] = [
  ["masked_set_action", "Masked set action", "Yes"],
  ["tnl_push_pop", "Tunnel push pop", "No"],
  ["ufid", "Ufid", "Yes"],
  ["trunc", "Truncate action", "Yes"],
  ["clone", "Clone action", "Yes"],
  ["ct_eventmask", "Conntrack eventmask", "No"],
  ["ct_clear", "Conntrack clear", "Yes"],
  ["max_hash_alg", "Max dp_hash algorithm", "1"],
  ["check_pkt_len", "Check pkt length action", "Yes"],
  ["ct_timeout", "Conntrack timeout policy", "No"],
  ["explicit_drop_action", "Explicit Drop action", "No"],
  ["lb_output_action", "Optimized Balance TCP mode", "No"],
  ["ct_zero_snat", "Conntrack all-zero IP SNAT", "Yes"],
  ["add_mpls", "MPLS Label add", "No"],
  ["max_vlan_headers", "Max VLAN headers", "2"],
  ["max_mpls_depth", "Max MPLS depth", "0"],
  ["recirc", "Recirc", "Yes"],
  ["ct_state", "CT state", "Yes"],
  ["ct_zone", "CT zone", "Yes"],
  ["ct_mark", "CT mark", "Yes"],
  ["ct_label", "CT label", "Yes"],
  ["ct_state_nat", "CT state NAT", "Yes"],
  ["ct_orig_tuple", "CT orig tuple", "Yes"],
  ["ct_orig_tuple6", "CT orig tuple for IPv6", "Yes"],
  ["nd_ext", "IPv6 ND Extension", "No"],
];

function showFeatures(call: Call): void {
  bridgeNamed(call, call.args[0]!);
  for (const [, title, value] of FEATURES) call.out(`${title}: ${value}\n`);
}

/** Nothing can be switched off or on here, but what is so already may be asked for. */
function setFeatures(call: Call): void {
  const [bridge, name, value] = call.args as [string, string?, string?];
  bridgeNamed(call, bridge);
  const isYes = (text: string): boolean => text === "Yes";
  const shown = (text: string): string => (/^(Yes|No)$/.test(text) ? String(isYes(text)) : text);
  if (name === undefined) {
    for (const [feature, title, own] of FEATURES) {
      call.out(`${feature} (${title}) : [run time]:${shown(own)}, [boot time]:${shown(own)}\n`);
    }
    return;
  }
  const found = FEATURES.find(([feature]) => feature === name);
  if (found === undefined) throw new Refusal(`${name}: not a feature of the datapath`);
  if (value === undefined || shown(found[2]) === value) return;
  throw new Refusal(`${name} is ${shown(found[2])} here and cannot be changed`);
}

async function setMegaflows(call: Call, on: boolean): Promise<void> {
  for (const bridge of call.control.bridges()) {
    if (call.control.kind !== "dummy") throw new Refusal("only a switch in memory can do without");
    bridge.pipeline.isExact = !on;
  }
  await flushFlows(call);
  call.out(`megaflows ${on ? "enabled" : "disabled"}\n`);
}

/** What holds at once here: nothing is in the hands of a revalidator that could be waited for. */
function nothing(): void {
  return undefined;
}

export const DPIF_VERBS: readonly Verb[] = [
  { name: "dpif/show", min: 0, max: 0, usage: "", run: dpifShow },
  { name: "dpif/dump-dps", min: 0, max: 0, usage: "", run: dumpBridges },
  { name: "dpif/show-dp-features", min: 1, max: 1, usage: "bridge", run: showFeatures },
  {
    name: "dpif/set-dp-features",
    min: 1,
    max: 3,
    usage: "bridge [feature [value]]",
    run: setFeatures,
  },
  {
    name: "upcall/disable-megaflows",
    min: 0,
    max: 0,
    usage: "",
    run: (call) => setMegaflows(call, false),
  },
  {
    name: "upcall/enable-megaflows",
    min: 0,
    max: 0,
    usage: "",
    run: (call) => setMegaflows(call, true),
  },
  {
    name: "upcall/disable-ufid",
    min: 0,
    max: 0,
    usage: "",
    run: (call) => call.out("Datapath dumping tersely using UFID disabled\n"),
  },
  {
    name: "upcall/enable-ufid",
    min: 0,
    max: 0,
    usage: "",
    run: (call) => {
      call.out("Datapath dumping tersely using UFID enabled for supported datapaths\n");
    },
  },
  { name: "dpctl/show", min: 0, max: Infinity, usage: "[-s] [dp...]", run: dpctlShow },
  {
    name: "dpctl/dump-dps",
    min: 0,
    max: 0,
    usage: "",
    run: (call) => call.out(`${datapathName(call)}\n`),
  },
  { name: "dpctl/del-flows", min: 0, max: 1, usage: "[dp]", run: flushFlows },
  { name: "revalidator/wait", min: 0, max: 0, usage: "", run: nothing },
  { name: "revalidator/purge", min: 0, max: 0, usage: "", run: flushFlows },
];
