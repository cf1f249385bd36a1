// Two memory namespaces and a wire between them: frames read from any queue of one device are
// written to the same queue of the other. For the tests of the memory backend's loads.
import { openMemoryBackend, openMemoryQueueIo } from "../../src/host/memory/backend.js";
import type { DeviceRef, HostBackend, NamespaceRef } from "../../src/host/types.js";
import type { LoadNamespace } from "../../src/load/types.js";

const SLOT_BYTES = 66_000;
const BURST = 64;

export interface Wire {
  readonly backend: HostBackend;
  readonly client: NamespaceRef;
  readonly server: NamespaceRef;
  readonly devices: DeviceRef[];
  readonly namespaces: readonly LoadNamespace[];
  /** Frames that went over, and those that `isLost` took. */
  carried: number;
  lost: number;
  /** May be set: frames for which it says true are lost. */
  isLost: (frame: number) => boolean;
  /** May be set: sees every frame before it is written. */
  onFrame: (bytes: Uint8Array, offset: number, length: number) => void;
  close(): void;
}

export interface WireOptions {
  readonly queues?: number;
  readonly mtu?: number;
  readonly txQueueLen?: number;
  readonly vnetHeader?: boolean;
}

export const CLIENT_IP = "10.0.0.1";
export const SERVER_IP = "10.0.0.2";

export function addEnd(
  backend: HostBackend,
  namespace: NamespaceRef,
  host: number,
  options: WireOptions,
): DeviceRef {
  return backend.addDevice({
    name: "eth0",
    namespace,
    mode: "tap",
    queues: options.queues ?? 4,
    vnetHeader: options.vnetHeader ?? true,
    offloads: false,
    mtu: options.mtu ?? 1500,
    txQueueLen: options.txQueueLen ?? 1000,
    mac: `02:00:00:00:00:0${host}`,
    addresses: [`10.0.0.${host}/24`],
    gateways: [],
    up: true,
  });
}

/** Builds both ends and starts to carry frames between them. */
export function openWire(options: WireOptions = {}): Wire {
  const backend = openMemoryBackend();
  const client = backend.addNamespace("client", { named: false });
  const server = backend.addNamespace("server", { named: false });
  const devices = [addEnd(backend, client, 1, options), addEnd(backend, server, 2, options)];
  const io = openMemoryQueueIo(backend.descriptor());
  const pool = new SharedArrayBuffer(SLOT_BYTES);
  const bytes = new Uint8Array(pool);
  io.usePool(pool);
  let isOpen = true;
  const wire: Wire = {
    backend,
    client,
    server,
    devices,
    namespaces: [
      { namespace: client, devices: [{ device: devices[0]!, addresses: [`${CLIENT_IP}/24`] }] },
      { namespace: server, devices: [{ device: devices[1]!, addresses: [`${SERVER_IP}/24`] }] },
    ],
    carried: 0,
    lost: 0,
    isLost: () => false,
    onFrame: () => undefined,
    close: () => {
      isOpen = false;
      io.close();
      backend.close();
    },
  };
  const carry = (from: number, to: number): void => {
    const length = io.read(from, 0, SLOT_BYTES);
    if (length < 0) return;
    if (wire.isLost(wire.carried + wire.lost)) {
      wire.lost++;
      return;
    }
    wire.carried++;
    wire.onFrame(bytes, 0, length);
    io.write(to, 0, length);
  };
  const pump = (): void => {
    if (!isOpen) return;
    const [a, b] = wire.devices as [DeviceRef, DeviceRef];
    for (let k = 0; k < a.queues.length; k++) {
      for (let i = 0; i < BURST; i++) {
        carry(a.queues[k]!, b.queues[k]!);
        carry(b.queues[k]!, a.queues[k]!);
      }
    }
    setImmediate(pump);
  };
  pump();
  return wire;
}
