// A running switch with its namespaces: built from a scenario, used by `run` and `up`, torn down
// without a trace. Main thread only. Order of building: backend, namespaces, shared memory,
// threads, ports; order of ending: queue workers, control and kernel threads, backend.
import { nowNs, wallClock } from "../base/clock.js";
import { PacketpathError } from "../base/errors.js";
import { DATAPATH_COUNTERS } from "../datapath/datapath.js";
import { Conntrack } from "../datapath/conntrack/conntrack.js";
import { MeterTable } from "../datapath/meters.js";
import { openBackend } from "../host/open.js";
import type { DeviceSpec, HostBackend, NamespaceRef } from "../host/types.js";
import { isGuardName, builtInGuard } from "../path/guards.js";
import { createKernel, type Kernel, type KernelConfig, kernelBytes } from "../path/kernel.js";
import { createFlowRecords } from "../pipeline/flow-tables.js";
import type { MacTable } from "../pipeline/mac-table.js";
import { CounterBlocks } from "../sync/counters.js";
import { QueueTable } from "../sync/queue-table.js";
import type { ControlMessage, PortSpec } from "../worker/control/control-commands.js";
import { newOrderWords } from "../worker/live/orders.js";
import { newPool } from "../worker/frame-pool.js";
import { type CaptureRequest, profileOf, type SharedParts } from "../worker/shared.js";
import { cpuCount, Supervisor } from "../worker/supervisor.js";
import type { Topology } from "../fault/plan.js";
import { shareBalancer } from "./balancer/share.js";
import { configuredPorts, macTableOf } from "./bridge/resolve.js";
import type { Scenario, ScenarioPort } from "./types.js";

export interface LabOptions {
  readonly backend: "linux" | "memory";
  readonly guard: string;
  readonly guardModule: string | null;
  readonly seed: number;
  /** Give the namespaces names below /run/netns. */
  readonly named: boolean;
  readonly captureFolder: string | null;
  readonly onControl: (message: ControlMessage) => void;
}

export interface Lab {
  readonly scenario: Scenario;
  readonly backend: HostBackend;
  readonly kernel: Kernel;
  readonly counters: CounterBlocks;
  readonly supervisor: Supervisor;
  readonly topology: Topology;
  readonly macs: MacTable;
  readonly parts: SharedParts;
}

/** Builds everything; on failure nothing is left. Frames are forwarded when it resolves. */
export async function buildLab(scenario: Scenario, options: LabOptions): Promise<Lab> {
  const backend = await openBackend(options.backend);
  let lab: Lab | null = null;
  try {
    lab = await prepare(scenario, options, backend);
    await lab.supervisor.start();
    for (const { number, ref } of lab.topology.namespaces.values()) {
      await lab.supervisor.perform({ op: "watch", netns: number, ref });
    }
    for (const port of lab.topology.ports) {
      await lab.supervisor.perform({ op: "plug", port });
    }
    return lab;
  } catch (error) {
    if (lab === null) backend.close();
    else await tearDown(lab, new Set());
    throw error;
  }
}

/** Ends a lab. `lost` are the workers that the watchdog found locked up. */
export async function tearDown(lab: Lab, lost: ReadonlySet<number>): Promise<void> {
  await lab.supervisor.stopWorkers(lost);
  await lab.supervisor.stopKernelThreads();
  lab.backend.close();
}

async function prepare(
  scenario: Scenario,
  options: LabOptions,
  backend: HostBackend,
): Promise<Lab> {
  const namespaces = new Map<string, { number: number; ref: NamespaceRef }>();
  for (const [i, name] of scenario.namespaces.entries()) {
    const ref = backend.addNamespace(name, { named: options.named });
    namespaces.set(name, { number: i + 1, ref });
  }
  const ports = scenario.ports.map((port) => portSpec(port, namespaces));
  const workers = scenario.workers;
  const config = kernelConfig(scenario, options.seed);
  const memory = new SharedArrayBuffer(kernelBytes(config));
  const profile = profileOf(scenario.profile);
  // The main thread never asks the guard; the threads load it themselves.
  const ownGuard = builtInGuard(isGuardName(options.guard) ? options.guard : "none");
  const kernel = createKernel(new Int32Array(memory), config, profile, ownGuard);
  const counters = new CounterBlocks(workers, config.ports);
  const macs = macTableOf(scenario);
  const counterBytes = DATAPATH_COUNTERS * Float64Array.BYTES_PER_ELEMENT;
  const parts: SharedParts = {
    kernel: memory,
    kernelConfig: config,
    profile: profile.id,
    guard: guardUrl(options),
    pool: newPool(workers),
    counters: counters.shared,
    queueTable: new QueueTable(workers, config.ports).shared,
    workers,
    uso: scenario.uso,
    ports: config.ports,
    backend: backend.descriptor(),
    switch: {
      flows: scenario.flows,
      flowRecords: Array.from({ length: workers }, () => createFlowRecords().buffer),
      macTable: macs.buffer,
      datapathCounters: Array.from({ length: workers }, () => new SharedArrayBuffer(counterBytes)),
      meters: MeterTable.create().buffer,
      connections: Conntrack.create().table.buffer,
      orderWords: newOrderWords(workers),
      ports: configuredPorts(scenario, config.ports).buffer,
      balancer: shareBalancer(scenario),
    },
  };
  const dump = scenario.vswitchd;
  const supervisor = new Supervisor({
    parts,
    dump: dump === null ? null : { everyMs: dump.dumpEveryMs, forMs: dump.dumpMs },
    capture: captureRequest(scenario, options.captureFolder),
    kick: (handle) => backend.kick(handle),
    onControl: options.onControl,
  });
  const topology: Topology = { ports, namespaces };
  return { scenario, backend, kernel, counters, supervisor, topology, macs, parts };
}

function kernelConfig(scenario: Scenario, seed: number): KernelConfig {
  const ports = 1 + Math.max(...scenario.ports.map((port) => port.number));
  return {
    cpus: cpuCount(scenario.workers),
    // Two per veth, and as many again for those that are still waiting to be released.
    devices: 4 * scenario.ports.length + 8,
    queues: Math.max(...scenario.ports.map((port) => port.queues)),
    ports,
    socks: 0,
    seed,
  };
}

function guardUrl(options: LabOptions): string {
  if (options.guardModule !== null) return `file://${options.guardModule}`;
  if (isGuardName(options.guard)) return options.guard;
  throw new PacketpathError("GUARD_INVALID", `guard "${options.guard}" is not known`);
}

function captureRequest(scenario: Scenario, folder: string | null): CaptureRequest | null {
  const ports = scenario.ports.filter((port) => port.capture);
  if (folder === null || ports.length === 0) return null;
  const epochSeconds = Math.round(Date.parse(wallClock()) / 1000 - nowNs() / 1e9);
  return { folder, ports: ports.map(({ number, name }) => ({ number, name })), epochSeconds };
}

function portSpec(
  port: ScenarioPort,
  namespaces: ReadonlyMap<string, { number: number; ref: NamespaceRef }>,
): PortSpec {
  const namespace = port.namespace === null ? null : namespaces.get(port.namespace)!;
  const device: DeviceSpec | null =
    namespace === null
      ? null
      : {
          name: port.device,
          namespace: namespace.ref,
          mode: "tap",
          queues: port.queues,
          vnetHeader: true,
          offloads: port.offloads,
          steering: "flow-hash",
          mtu: port.mtu,
          txQueueLen: port.txQueueLen,
          mac: port.mac,
          addresses: port.addresses,
          gateways: port.gateways,
          up: true,
        };
  const { name, number, queues, mtu, txQueueLen, lower } = port;
  // To the path a balancer is a device that swallows what it gets; the worker goes on from there.
  const kind = port.kind === "balancer" ? "dummy" : port.kind;
  const netns = namespace === null ? 0 : namespace.number;
  return { name, number, kind, queues, mtu, txQueueLen, netns, device, lower };
}
