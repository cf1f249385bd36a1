// The C program of scripts/null-forwarder.c as a data plane: compiled when it is needed. Main
// thread.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PacketpathError } from "../../base/errors.js";
import { eventually } from "../../base/eventually.js";
import { addressesOf, configureDevice, cpuSecondsOf, type Peer, type PeerPlace } from "./peer.js";
import { findProgram, namespacePath, runProgram, startProgram } from "./programs.js";

const SOURCE = fileURLToPath(new URL("../../../scripts/null-forwarder.c", import.meta.url));

/** What is missing for it, or null. */
export function nullForwarderLacks(): string | null {
  if (!existsSync(SOURCE)) return "scripts/null-forwarder.c (run from a checkout)";
  return findProgram("cc") === null ? "a C compiler, cc (Debian: gcc)" : null;
}

/** @param offloads with a vnet header: super-frames pass as they are. */
export async function startNullForwarder(place: PeerPlace, offloads: boolean): Promise<Peer> {
  const binary = join(place.folder, "null-forwarder");
  if (!existsSync(binary)) {
    await runProgram(["cc", "-O2", "-pthread", "-o", binary, SOURCE], { timeoutMs: 60_000 });
  }
  const device = offloads ? "null-tso" : "null-plain";
  const ends = [place.client, place.server].flatMap((ref) => [namespacePath(ref), device]);
  const running = startProgram([binary, ...ends, ...(offloads ? ["offloads"] : [])]);
  let ended = false;
  void running.ended.then(() => (ended = true));
  const isReady = (): boolean => ended || running.stdout().includes("ready");
  await eventually("the null forwarder's devices", isReady, { timeoutMs: 10_000 });
  if (ended) {
    const { stderr } = await running.ended;
    throw new PacketpathError("ENVIRONMENT", stderr.trim());
  }
  const addresses = addressesOf(place);
  await configureDevice(place.client, device, addresses.clientAddress);
  await configureDevice(place.server, device, addresses.serverAddress);
  return {
    name: offloads ? "c-tso" : "c-plain",
    ...addresses,
    cpuSeconds: () => cpuSecondsOf(running.pid),
    close: () => running.stop(),
  };
}
