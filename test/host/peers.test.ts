// The data planes that measurements compare with: each carries echoes between two namespaces, and
// nothing of it is there afterwards.
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { openBackend } from "../../src/host/open.js";
import { makeFolder, removeFolder, sweepFolders } from "../../src/host/peers/folders.js";
import { startKernelBridge } from "../../src/host/peers/kernel-bridge.js";
import { nullForwarderLacks, startNullForwarder } from "../../src/host/peers/null-forwarder.js";
import { openVswitchLacks, startOpenVswitch } from "../../src/host/peers/open-vswitch.js";
import type { Peer, PeerPlace } from "../../src/host/peers/peer.js";
import { findProgram, runProgram, startProgram } from "../../src/host/peers/programs.js";
import type { HostBackend, NamespaceRef } from "../../src/host/types.js";
import { NEEDS_ROOT, needsRoot } from "./linux-support.js";

const lacks = ["ip", "ping", "nsenter", "setpriv"].filter((name) => findProgram(name) === null);
const FLOWS = ["priority=0 actions=NORMAL"];

describe.skipIf(NEEDS_ROOT || lacks.length > 0)(`peers${needsRoot}${lacks.join(" ")}`, () => {
  let backend: HostBackend;
  let place: PeerPlace;
  let middle: NamespaceRef;
  let folder: string;

  beforeEach(async () => {
    backend = await openBackend("linux");
    folder = makeFolder();
    const client = backend.addNamespace("client", { named: false });
    const server = backend.addNamespace("server", { named: false });
    middle = backend.addNamespace("middle", { named: false });
    place = { client, server, subnet: 9, folder };
  });

  afterEach(() => {
    backend.close();
    removeFolder(folder);
  });

  async function carries(peer: Peer): Promise<void> {
    const words = ["ping", "-c", "3", "-i", "0.05", "-W", "60", peer.serverAddress];
    const text = await runProgram(words, { namespace: place.client, timeoutMs: 300_000 });
    expect(text).toContain("3 received");
    await peer.close();
  }

  it("the kernel's bridge", async () => carries(await startKernelBridge(place, middle)));

  const c = nullForwarderLacks();
  const withC = c === null ? "" : ` (needs ${c})`;
  it.skipIf(c !== null)(`the C program, frame by frame${withC}`, async () => {
    const peer = await startNullForwarder(place, false);
    expect(peer.cpuSeconds()).toBeGreaterThanOrEqual(0);
    await carries(peer);
  });
  it.skipIf(c !== null)(`the C program, super-frames${withC}`, async () => {
    await carries(await startNullForwarder(place, true));
  });

  const ovs = openVswitchLacks();
  const withOvs = ovs === null ? "" : ` (needs ${ovs})`;
  it.skipIf(ovs !== null)(`a private Open vSwitch${withOvs}`, async () => {
    await carries(await startOpenVswitch(place, middle, FLOWS, true));
  });

  it("a program that fails is an error with its own words", async () => {
    const wrong = runProgram(["ip", "link", "set", "nowhere", "up"], { namespace: place.client });
    await expect(wrong).rejects.toThrow(/ended with 1: .*nowhere/);
  });

  it("a program that hangs is killed at its time", async () => {
    const end = await startProgram(["sleep", "1000"], { timeoutMs: 50 }).ended;
    expect(end.code).toBeNull();
  });

  it("the folder of a dead process is removed, that of a living one is not", async () => {
    const dead = join(tmpdir(), "packetpath-peers-4194304-1");
    mkdirSync(dead, { recursive: true });
    // Another run may be the first to sweep it.
    const isSwept = (): boolean => sweepFolders().includes(dead) || !existsSync(dead);
    await eventually("the sweep", isSwept, { timeoutMs: 60_000 });
    expect([existsSync(dead), existsSync(folder)]).toEqual([false, true]);
  });
});
