// A private Open vSwitch with its userspace datapath on TAPs, as a data plane: its own database,
// sockets and namespace, nothing of a system-wide one is touched. Main thread.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../base/eventually.js";
import type { NamespaceRef } from "../types.js";
import { addressesOf, configureDevice, cpuSecondsOf, type Peer, type PeerPlace } from "./peer.js";
import { findProgram, namespacePath, runProgram, startProgram } from "./programs.js";

const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";

/** What is missing for it, or null. */
export function openVswitchLacks(): string | null {
  const programs = ["ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl"];
  const absent = programs.find((name) => findProgram(name) === null);
  if (absent !== undefined) return `${absent} (Debian: openvswitch-switch)`;
  return existsSync(SCHEMA) ? null : `${SCHEMA} (Debian: openvswitch-switch)`;
}

/**
 * @param middle an empty namespace for the daemon.
 * @param flows its flow table, as ovs-ofctl text.
 * @param offloads with `userspace-tso-enable`, which it reads only when it starts.
 */
export async function startOpenVswitch(
  place: PeerPlace,
  middle: NamespaceRef,
  flows: readonly string[],
  offloads: boolean,
): Promise<Peer> {
  const name = offloads ? "ovs-tso" : "ovs";
  const folder = join(place.folder, name);
  mkdirSync(folder, { recursive: true });
  const env = { OVS_RUNDIR: folder, OVS_LOGDIR: folder, OVS_DBDIR: folder };
  const socket = join(folder, "db.sock");
  const options = { namespace: middle, env };
  await runProgram(["ovsdb-tool", "create", join(folder, "conf.db"), SCHEMA], options);
  const quiet = ["-vconsole:off", "--no-chdir"];
  const remote = `--remote=punix:${socket}`;
  const database = startProgram(
    ["ovsdb-server", join(folder, "conf.db"), remote, ...quiet],
    options,
  );
  await eventually(socket, () => existsSync(socket), { timeoutMs: 10_000 });
  const vsctl = (...words: string[]) =>
    runProgram(["ovs-vsctl", `--db=unix:${socket}`, "--timeout=10", ...words], options);
  await vsctl("--no-wait", "init");
  const tso = `other_config:userspace-tso-enable=${offloads}`;
  await vsctl("--no-wait", "set", "Open_vSwitch", ".", tso);
  const log = `--log-file=${join(folder, "vswitchd.log")}`;
  const daemon = startProgram(
    ["ovs-vswitchd", `unix:${socket}`, "--disable-system", log, ...quiet],
    options,
  );
  const devices = [`${name}-client`, `${name}-server`];
  const ports = devices.flatMap((device) => [
    ...["--", "add-port", "br0", device],
    ...["--", "set", "interface", device, "type=internal"],
  ]);
  await vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", ...ports);
  const flowFile = join(folder, "flows.txt");
  writeFileSync(flowFile, `${flows.join("\n")}\n`);
  const bridge = `unix:${join(folder, "br0.mgmt")}`;
  await runProgram(["ovs-ofctl", "replace-flows", bridge, flowFile], options);
  const addresses = addressesOf(place);
  for (const [end, device, address] of [
    [place.client, devices[0]!, addresses.clientAddress],
    [place.server, devices[1]!, addresses.serverAddress],
  ] as const) {
    await runProgram(["ip", "link", "set", device, "netns", namespacePath(end)], options);
    await configureDevice(end, device, address);
  }
  return {
    name,
    ...addresses,
    cpuSeconds: () => cpuSecondsOf(daemon.pid),
    close: async () => {
      await daemon.stop();
      await database.stop();
    },
  };
}
