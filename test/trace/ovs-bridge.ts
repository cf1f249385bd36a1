// The same case in a private Open vSwitch: configured with its own tools, asked with its own
// `ofproto/trace`.
import { PrivateOvs } from "../differential/ovs.js";
import type { MirrorCase, TraceCase } from "./case.js";

const PORTS = ["p1", "p2", "p3", "p4", "p5"];

/** Makes the bridge what the case wants, from scratch. */
export async function configure(ovs: PrivateOvs, one: TraceCase): Promise<void> {
  // A new bridge each time: flows that are gone would be looked at for a moment longer, and leave
  // their mark on masks.
  ovs.vsctl("del-br", "br0");
  const args = [
    ...["--", "add-br", "br0", "--", "set", "Bridge", "br0"],
    ...["datapath-type=dummy", "fail-mode=secure"],
    ...PORTS.flatMap((port) => [
      ...["--", "add-port", "br0", port, "--", "set", "Interface", port],
      ...["type=dummy", `ofport_request=${port.slice(1)}`],
    ]),
    // Two tags, as ours reads; the default is one.
    ...["--", "set", "Open_vSwitch", ".", "other-config:vlan-limit=2"],
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
  for (const [port, change] of one.modPort ?? []) ovs.ofctl("mod-port", ovs.bridge, port, change);
  const refused = ovs.replaceFlows(one.version ?? 10, one.flows, one.groups ?? []);
  if (refused !== "") throw new Error(`${one.name}: ${refused}`);
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
