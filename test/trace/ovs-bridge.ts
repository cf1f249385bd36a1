// The same case in a private Open vSwitch: configured with its own tools, asked with its own
// `ofproto/trace`.
import { PrivateOvs } from "../differential/ovs.js";
import type { MirrorCase, TraceCase } from "./cases.js";

const DEFAULTS = ["tag", "trunks", "vlan_mode", "other-config", "cvlans", "protected"];
const PORTS = ["p1", "p2", "p3", "p4", "p5"];

/** Makes the bridge what the case wants, from scratch. */
export async function configure(ovs: PrivateOvs, one: TraceCase): Promise<void> {
  const args = [
    // Two tags, as ours reads; the default is one.
    ...["--", "set", "Open_vSwitch", ".", "other-config:vlan-limit=2"],
    ...PORTS.flatMap((port) => ["--", "clear", "Port", port, ...DEFAULTS.slice(0, 5)]),
    ...PORTS.flatMap((port) => ["--", "set", "Port", port, "protected=false"]),
    ...["--", "clear", "Bridge", "br0", "mirrors", "other-config", "flood_vlans"],
    ...(one.bridge ?? []).flatMap((column) => ["--", "set", "Bridge", "br0", column]),
    ...Object.entries(one.ports ?? {}).flatMap(([port, columns]) => [
      ...["--", "set", "Port", port],
      ...columns,
    ]),
    ...mirrorPorts(one.mirrors ?? []).flatMap((name) => [
      "--",
      `--id=@${name}`,
      "get",
      "Port",
      name,
    ]),
    ...(one.mirrors ?? []).flatMap(mirrorArguments),
  ];
  ovs.vsctl(...args.slice(1));
  for (const port of PORTS) {
    for (const up of ["flood", "forward", "receive"]) ovs.ofctl("mod-port", ovs.bridge, port, up);
  }
  for (const [port, change] of one.modPort ?? []) ovs.ofctl("mod-port", ovs.bridge, port, change);
  const refused = ovs.replaceFlows(one.version ?? 10, one.flows, one.groups ?? []);
  if (refused !== "") throw new Error(`${one.name}: ${refused}`);
  // Flows that are gone are looked at for a moment longer, and leave their mark on masks.
  await ovs.appctl("revalidator/wait");
  await ovs.appctl("fdb/flush", "br0");
}

/** Ports that mirrors name, each once. */
function mirrorPorts(mirrors: readonly MirrorCase[]): string[] {
  const named = mirrors.flatMap(({ sources, destinations, outputPort }) => [
    ...(sources ?? []),
    ...(destinations ?? []),
    ...(outputPort === undefined ? [] : [outputPort]),
  ]);
  return [...new Set(named)];
}

function mirrorArguments(mirror: MirrorCase): string[] {
  const refs = (names: readonly string[]): string => names.map((name) => `@${name}`).join(",");
  return [
    ...["--", `--id=@${mirror.name}`, "create", "Mirror", `name=${mirror.name}`],
    ...(mirror.selectAll === true ? ["select-all=true"] : []),
    ...(mirror.sources === undefined ? [] : [`select-src-port=${refs(mirror.sources)}`]),
    ...(mirror.destinations === undefined ? [] : [`select-dst-port=${refs(mirror.destinations)}`]),
    ...(mirror.vlans === undefined ? [] : [`select-vlan=${mirror.vlans.join(",")}`]),
    ...(mirror.outputPort === undefined ? [] : [`output-port=@${mirror.outputPort}`]),
    ...(mirror.outputVlan === undefined ? [] : [`output-vlan=${mirror.outputVlan}`]),
    ...(mirror.snapLength === undefined ? [] : [`snaplen=${mirror.snapLength}`]),
    ...["--", "add", "Bridge", "br0", "mirrors", `@${mirror.name}`],
  ];
}
