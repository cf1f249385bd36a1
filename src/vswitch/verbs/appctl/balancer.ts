// Verbs of ovs-appctl about a load balancer. Open vSwitch has none such. Those that show print
// text, or with --json one object; those that change print nothing. Main thread.
import { PacketpathError } from "../../../base/errors.js";
import type { BalancerChangesView, BalancerView } from "../../balancer.js";
import type { Call, Verb } from "../call.js";
import { Refusal } from "./refusal.js";

function balancerOf(call: Call): BalancerView {
  for (const bridge of call.control.bridges()) {
    if (bridge.balancer !== undefined && bridge.balancer !== null) return bridge.balancer;
  }
  throw new Refusal("no port of this switch is a balancer");
}

/** Whether JSON is asked for; any other argument is refused. */
function wantsJson(call: Call): boolean {
  const [argument] = call.args;
  if (argument !== undefined && argument !== "--json") {
    throw new Refusal(`${argument}: expected --json or nothing`);
  }
  return argument !== undefined;
}

function print(call: Call, value: object, lines: readonly string[]): void {
  if (wantsJson(call)) call.out(`${JSON.stringify({ schemaVersion: 1, ...value }, null, 2)}\n`);
  else for (const line of lines) call.out(`${line}\n`);
}

function show(call: Call): void {
  const balancer = balancerOf(call);
  const services = balancer.services();
  const counts = balancer.counts();
  const lines = services.flatMap((service) => {
    const { name, protocol, at, mode, scheduler, toa } = service;
    const servers = service.servers.map(
      (server) =>
        `  ${server.at} weight ${server.weight}, ` +
        `${server.connections} connection${server.connections === 1 ? "" : "s"}`,
    );
    return [`${name}: ${protocol} ${at} ${mode} ${scheduler} toa=${toa}`, ...servers];
  });
  const counters = Object.entries(counts).flatMap(([title, group]) => [
    `${title}:`,
    ...Object.entries(group).map(([name, count]) => `  ${name} ${count}`),
  ]);
  const { port, mac, connectionsMax } = balancer;
  const size = balancer.connections().length;
  const head = `port ${port}, ${mac}: ${size} of at most ${connectionsMax} connections`;
  print(call, { port, mac, connectionsMax, services, counts }, [head, ...lines, ...counters]);
}

function showConnections(call: Call): void {
  const connections = balancerOf(call).connections();
  const lines = connections.map(
    (one) =>
      `${one.protocol} ${one.client} > ${one.virtual} (${one.service}), ` +
      `${one.from} > ${one.server}, ${one.state}, ${one.seconds} s`,
  );
  print(call, { connections }, lines);
}

function showClients(call: Call): void {
  const clients = balancerOf(call).clients();
  const lines = clients.map(
    ({ protocol, peer, own, client }) => `${protocol} ${peer} > ${own}: ${client ?? "not told"}`,
  );
  print(call, { clients }, lines);
}

/** A verb that changes what runs, and says why where it does not. */
function changing(
  name: string,
  usage: string,
  change: (changes: BalancerChangesView, args: readonly string[]) => Promise<void>,
): Verb {
  const count = usage.split(" ").length;
  const run = async (call: Call): Promise<void> => {
    try {
      await change(balancerOf(call).changes, call.args);
    } catch (error) {
      if (error instanceof PacketpathError) throw new Refusal(sentencesOf(error));
      throw error;
    }
  };
  return { name: `balancer/${name}`, min: count, max: count, usage, run };
}

function sentencesOf({ message, others }: PacketpathError): string {
  return [message, ...others.map((other) => other.message)].join("\n");
}

const CHANGES: readonly Verb[] = [
  changing("add-service", "SERVICE-AS-YAML", (changes, [text]) => changes.addService(text!)),
  changing("del-service", "NAME", (changes, [name]) => changes.deleteService(name!)),
  changing("add-server", "NAME SERVER-AS-YAML", (changes, [name, text]) =>
    changes.addServer(name!, text!),
  ),
  changing("set-weight", "NAME ADDRESS:PORT WEIGHT", (changes, [name, end, weight]) =>
    changes.setWeight(name!, end!, weight!),
  ),
  changing("del-server", "NAME ADDRESS:PORT", (changes, [name, end]) =>
    changes.deleteServer(name!, end!),
  ),
];

export const BALANCER_VERBS: readonly Verb[] = [
  { name: "balancer/show", min: 0, max: 1, usage: "[--json]", run: show },
  { name: "balancer/connections", min: 0, max: 1, usage: "[--json]", run: showConnections },
  { name: "balancer/clients", min: 0, max: 1, usage: "[--json]", run: showClients },
  ...CHANGES,
];
