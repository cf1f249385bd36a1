// One device under test on either backend, for the conformance suite: the queues' side through
// QueueIo, and a namespace behind the device that answers ARP requests and refuses TCP
// connections. On linux that is the kernel; on memory the user-space stack, moved by `settle`.
import { existsSync } from "node:fs";
import { openBackend, openQueueIo } from "../../src/host/open.js";
import { openMemoryHostSide } from "../../src/host/memory/backend.js";
import type { DeviceRef, DeviceSpec, HostBackend } from "../../src/host/types.js";
import type { NamespaceRef, QueueIo } from "../../src/host/types.js";
import { IpStack } from "../../src/load/memory/ip-stack.js";
import { Tcp } from "../../src/load/memory/tcp.js";
import * as wire from "../../src/load/memory/wire.js";

export const KINDS = ["memory", "linux"] as const;
export type Kind = (typeof KINDS)[number];

const isRoot = process.getuid?.() === 0;
export const lacks: Record<Kind, string | null> = {
  memory: null,
  linux: !isRoot ? "needs root" : existsSync("/dev/net/tun") ? null : "needs /dev/net/tun",
};

export const HEADER = 12;
const SLOT_BYTES = 128 * 1024;
const WRITE_AT = 0;
const READ_AT = SLOT_BYTES;
const OWN_MAC = "02:00:00:00:00:01";
const OWN_IP = wire.parseIp("10.0.0.1")!;
const PEER_MAC = [2, 0, 0, 0, 0, 0x99];
const PEER_IP = wire.parseIp("10.0.0.99")!;

export interface Reply {
  readonly queue: number;
  readonly length: number;
}

export class Lab {
  readonly backend: HostBackend;
  readonly io: QueueIo;
  readonly namespace: NamespaceRef;
  readonly bytes: Uint8Array;
  private readonly stack: IpStack | null;

  private constructor(backend: HostBackend, io: QueueIo) {
    this.backend = backend;
    this.io = io;
    const pool = new SharedArrayBuffer(2 * SLOT_BYTES);
    this.bytes = new Uint8Array(pool);
    io.usePool(pool);
    this.namespace = backend.addNamespace("under-test", { named: false });
    this.stack = null;
    if (backend.kind === "memory") {
      const side = openMemoryHostSide(backend.descriptor());
      this.stack = new IpStack(side, this.namespace.handle);
      new Tcp(this.stack, side, this.namespace.handle);
    }
  }

  static async open(kind: Kind): Promise<Lab> {
    const backend = await openBackend(kind);
    return new Lab(backend, await openQueueIo(backend.descriptor()));
  }

  spec(more: Partial<DeviceSpec> = {}): DeviceSpec {
    return {
      name: "eth0",
      namespace: this.namespace,
      mode: "tap",
      queues: 4,
      vnetHeader: true,
      offloads: true,
      mtu: 1500,
      txQueueLen: 500,
      mac: OWN_MAC,
      addresses: ["10.0.0.1/24"],
      gateways: [],
      up: true,
      ...more,
    };
  }

  /** Adds a device whose namespace knows its neighbor, and empties its queues. */
  add(more: Partial<DeviceSpec> = {}): DeviceRef {
    const spec = this.spec(more);
    const device = this.backend.addDevice(spec);
    this.plug(device, spec.addresses);
    if (spec.up) {
      this.arp(device, 0);
      this.drain(device);
    }
    return device;
  }

  /** Makes the memory stack receive from a device; the kernel does by itself. */
  plug(device: DeviceRef, addresses: readonly string[] = ["10.0.0.1/24"]): void {
    this.stack?.setDevices([{ device, addresses }]);
  }

  /** Lets the namespace handle what was written. The kernel has done so when write returns. */
  settle(): void {
    this.stack?.tick(0);
    this.stack?.poll(1000);
  }

  /** Writes `length` bytes (with vnet header) at the start of the pool, then settles. */
  write(device: DeviceRef, queue: number, length: number): number {
    const result = this.io.write(device.queues[queue]!, WRITE_AT, length);
    this.settle();
    return result;
  }

  /** An ARP request for the device's address, from the neighbor. */
  arp(device: DeviceRef, queue: number): number {
    const at = this.ethernet(device, [255, 255, 255, 255, 255, 255], wire.ETH_P_ARP);
    const { bytes } = this;
    bytes.fill(0, at, at + 46);
    wire.put32(bytes, at, 0x00010800);
    wire.put32(bytes, at + 4, 0x06040001);
    bytes.set(PEER_MAC, at + 8);
    wire.put32(bytes, at + 14, PEER_IP);
    wire.put32(bytes, at + 24, OWN_IP);
    return this.write(device, queue, device.vnetHeaderBytes + 60);
  }

  /** A TCP SYN to a port where nobody listens; the namespace answers with a reset. */
  syn(device: DeviceRef, queue: number, sourcePort: number): number {
    const mac = OWN_MAC.split(":").map((part) => Number.parseInt(part, 16));
    const at = this.ethernet(device, mac, wire.ETH_P_IP);
    const { bytes } = this;
    const tcp = at + wire.IP_HLEN;
    bytes.fill(0, at, at + 46);
    wire.put32(bytes, at, 0x45000000 | (wire.IP_HLEN + wire.TCP_HLEN));
    wire.put32(bytes, at + 8, 0x40060000);
    wire.put32(bytes, at + 12, PEER_IP);
    wire.put32(bytes, at + 16, OWN_IP);
    wire.put16(bytes, at + 10, wire.fold(wire.sum16(bytes, at, wire.IP_HLEN)));
    wire.put16(bytes, tcp, sourcePort);
    wire.put16(bytes, tcp + 2, 7);
    wire.put32(bytes, tcp + 4, 1);
    wire.put16(bytes, tcp + 12, 0x5000 | wire.SYN);
    wire.put16(bytes, tcp + 14, 1000);
    const pseudo = wire.pseudoSum(PEER_IP, OWN_IP, wire.IPPROTO_TCP, wire.TCP_HLEN);
    wire.put16(bytes, tcp + 16, wire.fold(wire.sum16(bytes, tcp, wire.TCP_HLEN) + pseudo));
    return this.write(device, queue, device.vnetHeaderBytes + 60);
  }

  private ethernet(device: DeviceRef, target: readonly number[], type: number): number {
    const { bytes } = this;
    bytes.fill(0, WRITE_AT, WRITE_AT + device.vnetHeaderBytes);
    const at = WRITE_AT + device.vnetHeaderBytes;
    bytes.set(target, at);
    bytes.set(PEER_MAC, at + 6);
    wire.put16(bytes, at + 12, type);
    return at + wire.ETH_HLEN;
  }

  read(device: DeviceRef, queue: number, lengthMax = SLOT_BYTES): number {
    return this.io.read(device.queues[queue]!, READ_AT, lengthMax);
  }

  /** Reads everything; counts frames of any kind. */
  drain(device: DeviceRef): number {
    let frames = 0;
    for (let queue = 0; queue < device.queues.length; queue++) {
      while (this.read(device, queue) > 0) frames++;
    }
    return frames;
  }

  /** The resets that are waiting, by the port they go to. */
  resets(device: DeviceRef): Map<number, Reply> {
    const replies = new Map<number, Reply>();
    for (let queue = 0; queue < device.queues.length; queue++) {
      for (let length = this.read(device, queue); length > 0; length = this.read(device, queue)) {
        const ip = READ_AT + device.vnetHeaderBytes + wire.ETH_HLEN;
        const isIp = wire.get16(this.bytes, ip - 2) === wire.ETH_P_IP;
        if (!isIp || this.bytes[ip + 9] !== wire.IPPROTO_TCP) continue;
        replies.set(wire.get16(this.bytes, ip + wire.IP_HLEN + 2), { queue, length });
      }
    }
    return replies;
  }

  close(): void {
    this.io.close();
    this.backend.close();
  }
}
