// What a run of an endpoint stands on: a namespace with a TAP device, the endpoint at its other
// end, and the load that the namespace sends. Main thread.
import { openBackend } from "../../host/open.js";
import type { DeviceRef, HostBackend, NamespaceRef } from "../../host/types.js";
import { openLoads } from "../../load/start.js";
import type { DatagramResult, LoadHandle, Loads } from "../../load/types.js";
import type { Design } from "../../models/endpoint/variants.js";
import { Endpoint } from "../../worker/endpoint/endpoint.js";

/** The namespace's own address and link address, and the endpoint's. */
const HOST = { mac: "02:00:00:00:00:01", address: "10.0.0.1" } as const;
const OWN = { mac: "02:00:00:00:00:02", address: "10.0.0.2" } as const;

/** The discard service (RFC 863): nobody in the endpoint listens. */
const DISCARD_PORT = 9;

export interface EndpointLabOptions {
  readonly backend: "linux" | "memory";
  readonly queues: number;
  readonly txQueueLen: number;
  readonly design: Design;
  /** Threads that may call Attach at the same time; 1 if absent. */
  readonly stoppers?: number;
  /** Path of a module that makes the handler of frames. */
  readonly handler?: string;
}

export interface FloodOptions {
  readonly flows: number;
  readonly ratePerSecond: number;
  readonly payloadBytes: number;
}

export class EndpointLab {
  static readonly host = HOST;
  static readonly own = OWN;
  readonly backend: HostBackend;
  readonly namespace: NamespaceRef;
  readonly device: DeviceRef;
  readonly endpoint: Endpoint;
  private readonly loads: Loads;

  private constructor(parts: {
    readonly backend: HostBackend;
    readonly device: DeviceRef;
    readonly endpoint: Endpoint;
    readonly loads: Loads;
  }) {
    this.backend = parts.backend;
    this.device = parts.device;
    this.namespace = parts.device.namespace;
    this.endpoint = parts.endpoint;
    this.loads = parts.loads;
  }

  /** The endpoint is detached. @throws PacketpathError; nothing is left behind then. */
  static async open(options: EndpointLabOptions): Promise<EndpointLab> {
    const backend = await openBackend(options.backend);
    let loads: Loads | null = null;
    try {
      const device = addDevice(backend, options);
      const { namespace } = device;
      const devices = [{ device, addresses: [`${HOST.address}/24`] }];
      loads = await openLoads(backend.descriptor(), [{ namespace, devices }]);
      const endpoint = await openEndpoint(backend, device, options);
      return new EndpointLab({ backend, device, endpoint, loads });
    } catch (error) {
      await loads?.close();
      backend.close();
      throw error;
    }
  }

  /** Datagrams to the endpoint's address, from as many ports as there are flows. */
  flood(options: FloodOptions): LoadHandle<DatagramResult> {
    return this.loads.startFlood({
      client: this.namespace,
      targetAddress: OWN.address,
      targetPort: DISCARD_PORT,
      ...options,
    });
  }

  ping(count: number): LoadHandle<DatagramResult> {
    const client = this.namespace;
    const pace = { intervalMs: 10, timeoutMs: 5_000 };
    return this.loads.startPing({ client, targetAddress: OWN.address, count, ...pace });
  }

  /** The endpoint first, then the load, then what both stand on. Idempotent. */
  async close(): Promise<void> {
    await this.endpoint.close();
    await this.loads.close();
    this.backend.close();
  }

  /** What is left after `close`. */
  leaks() {
    return { ...this.backend.leaks(), workers: this.endpoint.alive() };
  }
}

function addDevice(backend: HostBackend, options: EndpointLabOptions): DeviceRef {
  const namespace = backend.addNamespace("host", { named: false });
  return backend.addDevice({
    name: "eth0",
    namespace,
    mode: "tap",
    queues: options.queues,
    vnetHeader: false,
    offloads: false,
    mtu: 1500,
    txQueueLen: options.txQueueLen,
    mac: HOST.mac,
    addresses: [`${HOST.address}/24`],
    gateways: [],
    up: true,
  });
}

function openEndpoint(
  backend: HostBackend,
  device: DeviceRef,
  { design, stoppers, handler }: EndpointLabOptions,
): Promise<Endpoint> {
  return Endpoint.open({
    backend: backend.descriptor(),
    kick: (stopHandle) => backend.kick(stopHandle),
    device,
    ...OWN,
    design,
    ...(stoppers === undefined ? {} : { stoppers }),
    ...(handler === undefined ? {} : { handler }),
  });
}
