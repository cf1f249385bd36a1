// The devices behind the ports, as the control thread keeps them: made, opened, published, and
// taken away again. Control thread only. The emulated device is what the path works on; the real
// one follows it through `deed`, at the step of the path where the kernel would do it.
import type { DeviceControl, DeviceRef } from "../../host/types.js";
import { DEV, KIND, NETREG, QDISC, registerNetdevice } from "../../path/core/netdevice.js";
import { TXQ, txq, vethPair } from "../../path/core/netdevice.js";
import { devOpen } from "../../path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../../path/core/rtnl.js";
import { tunAttachAll } from "../../path/drivers/ops.js";
import { deviceIndex, type Kernel } from "../../path/kernel.js";
import { ovsVportAdd } from "../../path/openvswitch/vport.js";
import { DEED } from "../../path/trace-events.js";
import type { PortTable } from "../../pipeline/ports.js";
import { type Addr, ld, sleepBegin, sleepEnd, st, waitUntilEqual } from "../../sync/index.js";
import type { QueueTable } from "../../sync/queue-table.js";
import type { PortDevices, PortSpec } from "./control-commands.js";

/** How long opening a device may take until its queues have a qdisc (linkwatch runs in between). */
const ACTIVATE_TIMEOUT_MS = 30_000;

export interface PluggedPort {
  readonly spec: PortSpec;
  readonly ovsDev: Addr;
  /** The device whose wire is the real one: a veth's far end, else the same as ovsDev. */
  readonly wireDev: Addr;
  readonly ref: DeviceRef | null;
  carrier: boolean;
  /** The real device has been deleted, by us or by an outsider. */
  realGone: boolean;
  /** Generation of the queue table in which its handles no longer occur; 0 = they still do. */
  withdrawnAt: number;
  /** The emulated structure has been released: the handles may be closed once settled. */
  released: boolean;
}

export class ControlPorts {
  private readonly k: Kernel;
  private readonly host: DeviceControl;
  private readonly queues: QueueTable;
  private readonly table: PortTable;
  private readonly ports = new Map<string, PluggedPort>();
  /** Ports of the past whose handles are still open. */
  private retired: PluggedPort[] = [];

  constructor(k: Kernel, host: DeviceControl, queues: QueueTable, table: PortTable) {
    this.k = k;
    this.host = host;
    this.queues = queues;
    this.table = table;
  }

  get(name: string): PluggedPort {
    const port = this.ports.get(name);
    if (port === undefined) throw new Error(`no port "${name}"`);
    return port;
  }

  all(): PluggedPort[] {
    return [...this.ports.values()];
  }

  /** The port whose real device this is, or null. */
  byLink(namespace: string, ifindex: number): PluggedPort | null {
    const known = [...this.ports.values(), ...this.retired];
    return (
      known.find(
        ({ ref }) => ref !== null && ref.namespace.name === namespace && ref.ifindex === ifindex,
      ) ?? null
    );
  }

  devices(): PortDevices[] {
    return this.all().map((port) => ({
      name: port.spec.name,
      number: port.spec.number,
      ovsDevice: deviceIndex(this.k, port.ovsDev),
      wireDevice: deviceIndex(this.k, port.wireDev),
      ref: port.ref,
    }));
  }

  /** Makes the devices of a port and publishes it; with the name of a dead port, anew. */
  plug(spec: PortSpec): void {
    const old = this.ports.get(spec.name);
    if (old !== undefined) {
      if (ld(this.k.m, old.ovsDev + DEV.regState) === NETREG.registered) {
        throw new Error(`port "${spec.name}" is plugged in`);
      }
      this.retired.push(old);
    }
    // Real devices take milliseconds of system calls: this CPU is free for others meanwhile.
    sleepBegin(this.k.m);
    const ref = spec.device === null ? null : this.host.addDevice(spec.device);
    sleepEnd(this.k.m);
    const { ovsDev, wireDev } = this.register(spec);
    const port: PluggedPort = {
      spec,
      ovsDev,
      wireDev,
      ref,
      carrier: true,
      realGone: false,
      withdrawnAt: 0,
      released: false,
    };
    this.ports.set(spec.name, port);
    this.open(port);
    this.queues.publish({
      number: spec.number,
      kind: KIND[spec.kind],
      ovsDev,
      wireDev,
      vnetHeaderBytes: ref === null ? 0 : ref.vnetHeaderBytes,
      handles: ref === null ? [] : ref.queues,
    });
    this.publish(port);
  }

  /** `ovs-vsctl add-port`. */
  publish(port: PluggedPort): void {
    if (!ovsVportAdd(this.k, port.spec.number, port.ovsDev)) {
      throw new Error(`port number ${port.spec.number} is taken`);
    }
    this.table.add(port.spec.number);
  }

  private register(spec: PortSpec): { ovsDev: Addr; wireDev: Addr } {
    const { k } = this;
    const options = { numTxQueues: spec.queues, mtu: spec.mtu, txQueueLen: spec.txQueueLen };
    rtnlLock(k);
    let ovsDev: Addr;
    let wireDev: Addr;
    if (spec.kind === "veth") {
      ovsDev = registerNetdevice(k, { kind: "veth", ...options });
      wireDev = registerNetdevice(k, { kind: "veth", ...options, netns: spec.netns });
      vethPair(k, ovsDev, wireDev);
    } else {
      // A tun device dies with the process that has its file, and that one with its namespace;
      // an internal port comes home instead of dying.
      const netns = spec.kind === "internal" ? 0 : spec.netns;
      ovsDev = registerNetdevice(k, { kind: spec.kind, ...options, netns });
      wireDev = ovsDev;
      if (spec.kind === "tun") tunAttachAll(k, ovsDev, spec.queues);
      if (spec.lower !== null) st(k.m, ovsDev + DEV.lower, this.get(spec.lower).ovsDev);
    }
    rtnlUnlock(k);
    return { ovsDev, wireDev };
  }

  private open(port: PluggedPort): void {
    const { k } = this;
    rtnlLock(k);
    devOpen(k, port.ovsDev);
    if (port.wireDev !== port.ovsDev) devOpen(k, port.wireDev);
    rtnlUnlock(k);
    if (port.spec.kind === "veth") {
      const qdisc = txq(port.ovsDev, 0) + TXQ.qdisc;
      if (!waitUntilEqual(k.m, qdisc, QDISC.noqueue, ACTIVATE_TIMEOUT_MS)) {
        throw new Error(`port "${port.spec.name}" has no carrier after ${ACTIVATE_TIMEOUT_MS} ms`);
      }
    }
  }

  /** The path's deed for a device: does it to the real one. Called from inside the path. */
  deed(code: number, dev: Addr): void {
    const known = [...this.ports.values(), ...this.retired];
    for (const port of known) {
      if (port.released || (port.ovsDev !== dev && port.wireDev !== dev)) continue;
      if (code === DEED.deleteDevice && port.wireDev === dev) this.deleteReal(port);
      else if (code === DEED.released && port.wireDev === dev) port.released = true;
      // Only the switch's end closing is news to the real device; the far end IS the real one.
      else if (code === DEED.linkDown && port.ovsDev === dev) this.setRealCarrier(port, false);
      else if (code === DEED.linkUp && port.ovsDev === dev) this.setRealCarrier(port, true);
    }
  }

  private deleteReal(port: PluggedPort): void {
    if (port.ref !== null && !port.realGone) {
      port.realGone = true;
      this.host.deleteDevice(port.ref);
    }
    if (port.withdrawnAt === 0) port.withdrawnAt = this.queues.withdraw(port.spec.number);
  }

  /** The far end of a closed device sees its carrier go. */
  setRealCarrier(port: PluggedPort, on: boolean): void {
    if (port.ref === null || port.realGone || port.carrier === on) return;
    port.carrier = on;
    this.host.setCarrier(port.ref, on);
  }

  /** Closes handles that no worker can use any more; says whether all retired ones are closed. */
  reap(): boolean {
    const dead = this.all().filter((port) => port.released && !this.retired.includes(port));
    for (const port of [...this.retired, ...dead]) this.closeIfSettled(port);
    this.retired = this.retired.filter((port) => !this.closed.has(port));
    return this.retired.length === 0;
  }

  private readonly closed = new Set<PluggedPort>();

  private closeIfSettled(port: PluggedPort): void {
    if (port.ref === null || this.closed.has(port)) {
      this.closed.add(port);
      return;
    }
    // A lost worker may be inside a write to any handle; they stay open to the end of the run.
    if (!port.released || port.withdrawnAt === 0 || this.queues.anyLost()) return;
    if (!this.queues.isSettled(port.withdrawnAt)) return;
    this.host.closeQueues(port.ref);
    this.closed.add(port);
  }
}
