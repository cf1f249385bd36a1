// The data planes that `bench peers` compares, all standing in the same two namespaces at once,
// each with a subnet of its own: who is not measured is idle. Main thread.
import { availableParallelism } from "node:os";
import type { NamespaceRef } from "../../../host/types.js";
import { startKernelBridge } from "../../../host/peers/kernel-bridge.js";
import { nullForwarderLacks, startNullForwarder } from "../../../host/peers/null-forwarder.js";
import { openVswitchLacks, startOpenVswitch } from "../../../host/peers/open-vswitch.js";
import { cpuSecondsOf, type Peer, type PeerPlace } from "../../../host/peers/peer.js";
import { findProgram } from "../../../host/peers/programs.js";
import { closeBooks, type Books } from "../../../scenario/books.js";
import { buildLab, type Lab, tearDown } from "../../../scenario/lab.js";
import { parseScenario } from "../../../scenario/parse.js";

/** The flow table that packetpath and Open vSwitch both work by. */
export const FLOWS = [
  "priority=100,arp actions=NORMAL",
  "priority=90,icmp actions=NORMAL",
  "priority=80,tcp,nw_dst=10.77.0.0/16 actions=NORMAL",
  "priority=70,udp,nw_dst=10.77.0.0/16,tp_dst=0x1000/0xf000 actions=NORMAL",
  "priority=60,udp,tp_src=53 actions=drop",
  "priority=10,ip,nw_src=192.0.2.0/24 actions=drop",
  "priority=0 actions=NORMAL",
];

/**
 * Worker threads: half of the cores, for senders and receivers need theirs. Four queues on as many
 * workers of two cores cost four streams an eighth and wrk a quarter of what one worker gets.
 */
const WORKERS = Math.min(4, Math.max(1, availableParallelism() >> 1));

const SCENARIO = `
name: bench-peers
guard: running-carrier
workers: ${WORKERS}
namespaces: [client, server, bridge, ovs, ovs-tso]
ports:
  - { name: client, namespace: client, device: path0, addresses: [10.77.1.1/24] }
  - { name: server, namespace: server, device: path0, addresses: [10.77.1.2/24] }
flows: |
${FLOWS.map((line) => `  ${line}`).join("\n")}
`;

/** Everything that stands. */
export interface Subjects {
  readonly lab: Lab;
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  readonly peers: readonly Peer[];
  /** Those that are not there, each with what is missing. */
  readonly missing: readonly { readonly name: string; readonly lacks: string }[];
  /** Ends all; the books of packetpath's own ports. */
  close(): Promise<Books>;
}

/** @param folder for the files of other people's programs. */
export async function openSubjects(folder: string): Promise<Subjects> {
  const lab = await buildLab(parseScenario(SCENARIO, "bench peers"), {
    backend: "linux",
    guard: "running-carrier",
    guardModule: null,
    seed: 1,
    named: false,
    captureFolder: null,
    onControl: () => undefined,
  });
  const peers: Peer[] = [packetpath(lab)];
  const missing: { name: string; lacks: string }[] = [];
  const namespace = (name: string): NamespaceRef => lab.topology.namespaces.get(name)!.ref;
  const close = async (): Promise<Books> => {
    for (const peer of peers) await peer.close();
    await tearDown(lab, new Set());
    const nobody: ReadonlySet<number> = new Set();
    return closeBooks(lab.counters, lab.kernel.m, lab.topology.ports, {
      lost: nobody,
      lockedUp: nobody,
    });
  };
  try {
    const [client, server] = [namespace("client"), namespace("server")];
    const place = (subnet: number): PeerPlace => ({ client, server, subnet, folder });
    const c = nullForwarderLacks();
    const ovs = openVswitchLacks();
    const ip = findProgram("ip") === null ? "ip (Debian: iproute2)" : null;
    const candidates: readonly [string, string | null, () => Promise<Peer>][] = [
      ["c-plain", c ?? ip, () => startNullForwarder(place(2), false)],
      ["c-tso", c ?? ip, () => startNullForwarder(place(3), true)],
      ["ovs", ovs ?? ip, () => startOpenVswitch(place(4), namespace("ovs"), FLOWS, false)],
      ["ovs-tso", ovs ?? ip, () => startOpenVswitch(place(5), namespace("ovs-tso"), FLOWS, true)],
      ["bridge", ip, () => startKernelBridge(place(6), namespace("bridge"))],
    ];
    for (const [name, lacks, start] of candidates) {
      if (lacks === null) peers.push(await start());
      else missing.push({ name, lacks });
    }
    return { lab, client, server, peers, missing, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function packetpath(lab: Lab): Peer {
  const queueWorkers = lab.supervisor.threads.filter((thread) => thread.name.startsWith("rxq"));
  const threads = queueWorkers.map((thread) => thread.tid);
  return {
    name: "packetpath",
    clientAddress: "10.77.1.1",
    serverAddress: "10.77.1.2",
    cpuSeconds: () => cpuSecondsOf(process.pid, threads),
    close: async () => undefined,
  };
}
