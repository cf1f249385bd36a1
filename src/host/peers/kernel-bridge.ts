// The kernel's own bridge between two veths, as a data plane. It lives in a namespace of its own
// and vanishes with it. Main thread.
import type { NamespaceRef } from "../types.js";
import { addressesOf, configureDevice, type Peer, type PeerPlace } from "./peer.js";
import { namespacePath, runProgram } from "./programs.js";

/** @param middle an empty namespace for the bridge. */
export async function startKernelBridge(place: PeerPlace, middle: NamespaceRef): Promise<Peer> {
  const ip = (...words: string[]) => runProgram(["ip", ...words], { namespace: middle });
  await ip("link", "add", "bridge0", "type", "bridge", "stp_state", "0", "forward_delay", "0");
  const addresses = addressesOf(place);
  for (const [end, address] of [
    [place.client, addresses.clientAddress],
    [place.server, addresses.serverAddress],
  ] as const) {
    const port = end === place.client ? "to-client" : "to-server";
    const there = ["name", "bridged", "netns", namespacePath(end)];
    await ip("link", "add", port, "type", "veth", "peer", ...there);
    await ip("link", "set", port, "master", "bridge0", "up");
    await configureDevice(end, "bridged", address);
  }
  await ip("link", "set", "bridge0", "up");
  return { name: "bridge", ...addresses, cpuSeconds: () => null, close: async () => undefined };
}
