// Verbs of ovs-appctl about the datapath: its ports, its flows (dpif/, dpctl/, revalidator/,
// upcall/ of Open vSwitch 3.1). All bridges of the dummy switch share one datapath, `ovs-dummy`,
// as with Open vSwitch's dummy dpif. Main thread.
import type { PortView } from "../../control.js";
import type { Call, Verb } from "../call.js";
import { bridgeNamed } from "./fdb.js";

/** The name of the datapath behind all bridges. */
function datapathName(call: Call): string {
  return call.control.kind === "dummy" ? "dummy@ovs-dummy" : "netdev@packetpath";
}

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
      const number = `${port.number}/${port.datapathNumber}`;
      call.out(`    ${port.name} ${number}: (${typeOf(call, port)})\n`);
    }
  }
}

async function dpctlShow(call: Call): Promise<void> {
  const { hit, missed, flows } = await lookups(call);
  const ports = call.control.bridges().flatMap((bridge) => bridge.ports());
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

function showFeatures(call: Call): void {
  bridgeNamed(call, call.args[0]!);
  const features = [
    "Masked set action: Yes",
    "Truncate action: Yes",
    "Clone action: Yes",
    "Max VLAN headers: 2",
    "Recirc: Yes",
    "CT state: Yes",
    "CT zone: Yes",
    "CT mark: Yes",
    "CT label: Yes",
    "CT state NAT: Yes",
  ];
  call.out(`${features.join("\n")}\n`);
}

/** What holds at once here: nothing is in the hands of a revalidator that could be waited for. */
function nothing(): void {
  return undefined;
}

export const DPIF_VERBS: readonly Verb[] = [
  { name: "dpif/show", min: 0, max: 0, usage: "", run: dpifShow },
  { name: "dpif/dump-dps", min: 0, max: 0, usage: "", run: dumpBridges },
  { name: "dpif/show-dp-features", min: 1, max: 1, usage: "bridge", run: showFeatures },
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
