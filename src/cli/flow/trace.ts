// `packetpath flow trace`: what a flow table does with one packet, in the layout of Open vSwitch's
// `ofproto/trace` or as JSON. Needs neither root nor a running switch. Main thread only.
import { Option, type Command } from "commander";
import { EXIT, PacketpathError } from "../../base/errors.js";
import { WORD } from "../../flow/key.js";
import { OFPP, type Action, type Flow } from "../../flow/types.js";
import { SWITCH_FLAG } from "../../pipeline/ports.js";
import type { StandaloneOptions, StandalonePort } from "../../trace/standalone.js";
import { writeOut } from "../failure.js";
import { collect, readScenario, readText } from "../input.js";

interface TraceFlags {
  readonly port: readonly string[];
  readonly groups?: string;
  readonly inPort?: string;
  readonly ctNext: readonly string[];
  readonly names?: boolean;
  readonly generate?: boolean;
  readonly json?: boolean;
  readonly live?: string;
}

const BRIDGE = "br0";

export function addTraceCommand(
  flow: Command,
  exit: (code: number) => void,
  portMap: (texts: readonly string[]) => Map<string, number>,
): void {
  flow
    .command("trace")
    .summary("show the way of one packet through a flow table")
    .description(
      "Follows a packet and prints each table, action and reason, the megaflow and the " +
        "datapath actions, as ovs-appctl ofproto/trace of Open vSwitch 3.1 does.",
    )
    .argument("[file]", "flow text, or a scenario (.yaml, .yml); - reads flow text from stdin")
    .argument("[packet]", "a flow, in_port=1,tcp,...; a datapath flow, in_port(1),...; or hex")
    .option("--port <name=number>", "a port of the switch (repeatable)", collect, [])
    .option("--groups <file>", "groups, one a line, as ovs-ofctl add-groups reads them")
    .option("--in-port <port>", "where a packet in hex comes from (default: the first port)")
    .option("--ct-next <states>", "ct_state of the next packet tracked (repeatable)", collect, [])
    .option("--generate", "with side effects, as for a packet in hex: MACs are learned")
    .option("--names", "ports by name")
    .option("--live <port>", "the next frame of this port of the switch that runs (packetpath up)")
    .addOption(new Option("--json", "print the trace as one JSON object"))
    .addHelpText("after", HELP)
    .action(async (file: string | undefined, packet: string | undefined, flags: TraceFlags) => {
      if (flags.live !== undefined) return exit(await live(flags.live, file, flags));
      if (file === undefined || packet === undefined) {
        throw new PacketpathError("USAGE", "flow trace needs FILE and PACKET, or --live PORT");
      }
      exit(await traceFile(file, packet, flags, portMap));
    });
}

const HELP =
  "\nThe ports of the switch are those of --port and those that flows and packet name.\n" +
  "\nExample:\n  packetpath flow trace flows.txt in_port=1,tcp,nw_ttl=64,tcp_dst=80";

async function live(port: string, file: string | undefined, flags: TraceFlags): Promise<number> {
  if (file !== undefined) {
    throw new PacketpathError("USAGE", "--live asks the switch that runs; it takes no FILE");
  }
  const { traceLive } = await import("./live.js");
  await writeOut(process.stdout, await traceLive(port, flags.json === true));
  return EXIT.asExpected;
}

async function traceFile(
  file: string,
  packet: string,
  flags: TraceFlags,
  portMap: (texts: readonly string[]) => Map<string, number>,
): Promise<number> {
  const { standaloneBridge } = await import("../../trace/standalone.js");
  const { traceCommand } = await import("../../trace/arguments.js");
  const { formatTrace, traceJson } = await import("../../trace/print.js");
  const options = /\.ya?ml$/.test(file)
    ? await fromScenario(file)
    : await fromFlows(file, packet, flags, portMap(flags.port));
  const bridge = standaloneBridge(options);
  const trace = traceCommand([bridge], argumentsOf(packet, options, flags));
  const text = flags.json === true ? `${JSON.stringify(traceJson(trace))}\n` : formatTrace(trace);
  await writeOut(process.stdout, text);
  return EXIT.asExpected;
}

/** The arguments that ofproto/trace would take. */
function argumentsOf(packet: string, options: StandaloneOptions, flags: TraceFlags): string[] {
  const switches = [
    ...flags.ctNext.flatMap((states) => ["--ct-next", states]),
    ...(flags.names === true ? ["--names"] : []),
  ];
  // A packet in hex is a real one, whose side effects happen.
  if (isHex(packet)) {
    const first = options.ports.find(({ number }) => number < OFPP.max)?.number ?? 1;
    return [...switches, options.name, `in_port=${flags.inPort ?? first}`, packet];
  }
  if (flags.inPort !== undefined) {
    throw new PacketpathError("USAGE", "--in-port is for packets in hex; flows say in_port");
  }
  if (flags.generate === true) switches.push("--generate");
  return packet.includes("(") ? [...switches, packet] : [...switches, options.name, packet];
}

function isHex(packet: string): boolean {
  return /^[0-9a-fA-F\s]+$/.test(packet) && packet.length >= 2 && !/^\d{1,3}$/.test(packet);
}

async function fromFlows(
  file: string,
  packet: string,
  flags: TraceFlags,
  named: ReadonlyMap<string, number>,
): Promise<StandaloneOptions> {
  const { parseFlows } = await import("../../ofctl/parse.js");
  const { groupOfMod, parseGroupFile } = await import("../../ofctl/groups.js");
  const name = file === "-" ? "<stdin>" : file;
  const flows = parseFlows(readText(file), { file: name, ports: named });
  const groups =
    flags.groups === undefined
      ? []
      : parseGroupFile(readText(flags.groups), { file: flags.groups, ports: named }).map(
          groupOfMod,
        );
  const buckets = groups.flatMap((group) => group.buckets.flatMap(({ actions }) => actions));
  const numbers = new Set([...named.values(), ...portsOf(flows), ...outputs(buckets)]);
  const own = /in_port[=(](\d+)/.exec(packet)?.[1] ?? flags.inPort ?? "";
  if (/^\d+$/.test(own)) numbers.add(Number(own));
  const names = new Map([...named].map(([text, number]) => [number, text]));
  const ports = [...numbers]
    .filter((number) => number > 0 && number < OFPP.max)
    .sort((a, b) => a - b)
    .map((number) => portOf(number, names.get(number) ?? `p${number}`));
  return { name: BRIDGE, ports: [...ports, portOf(OFPP.local, BRIDGE)], flows, groups };
}

function portOf(number: number, name: string): StandalonePort {
  return { number, name, datapathNumber: number };
}

/** Ports that flows match or send to. */
function portsOf(flows: readonly Flow[]): number[] {
  return flows.flatMap(({ match, actions }) => [match.value[WORD.inPort]!, ...outputs(actions)]);
}

function outputs(actions: readonly Action[]): number[] {
  return actions.flatMap((action) => {
    if (action.type === "clone" || action.type === "write-actions") return outputs(action.actions);
    const sends = ["output", "output-truncated", "enqueue"].includes(action.type);
    return sends ? [(action as { readonly port: number }).port] : [];
  });
}

async function fromScenario(file: string): Promise<StandaloneOptions> {
  const scenario = await readScenario(file, []);
  const below = new Set(scenario.ports.flatMap(({ lower }) => (lower === null ? [] : [lower])));
  const ports = scenario.ports
    .filter(({ name }) => !below.has(name))
    .map(({ number, name, vlan, flags }) => ({ ...portOf(number, name), vlan, flags }));
  const { name, mirrors, floodVlans, forwardBpdu } = scenario.bridge;
  const switchFlags = forwardBpdu ? SWITCH_FLAG.forwardBpdu : 0;
  return { name, ports, flows: scenario.flows, mirrors, floodVlans, switchFlags };
}
