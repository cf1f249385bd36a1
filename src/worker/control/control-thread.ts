// Entry of the control thread: the administrator's hand. It runs the kernel's own functions for
// each command (in process context, on the CPU behind those of the queue workers), lets the real
// devices follow, and watches what the real kernel reports, so that an outsider's `ip link del`
// becomes the same event as our own.
import {
  type MessagePort,
  isMainThread,
  parentPort,
  receiveMessageOnPort,
} from "node:worker_threads";
import { workerData } from "node:worker_threads";
import { errnoName } from "../../base/errno.js";
import { openDeviceControl } from "../../host/open.js";
import type { DeviceControl, LinkEvent, NamespaceRef } from "../../host/types.js";
import { netifCarrierOff, netifCarrierOn } from "../../path/core/link-watch.js";
import { KIND } from "../../path/core/netdevice.js";
import { cleanupNet, deleteLinks, devChangeNetNamespace } from "../../path/core/net-namespace.js";
import { devChangeTxQueueLen, devClose, devOpen } from "../../path/core/open-close.js";
import { netifSetRealNumQueues, tunAttach, tunDetach } from "../../path/core/queue-counts.js";
import { vethSetChannels } from "../../path/core/queue-counts.js";
import { rtnlLock, rtnlUnlock } from "../../path/core/rtnl.js";
import type { Kernel } from "../../path/kernel.js";
import { ovsVportDel } from "../../path/openvswitch/vport.js";
import { PortTable } from "../../pipeline/ports.js";
import { acquireCpu, bindThread, sleepBegin, sleepEnd, SyncAborted } from "../../sync/index.js";
import { QueueTable } from "../../sync/queue-table.js";
import type { ControlAction, ControlMessage, ControlRequest } from "./control-commands.js";
import { ControlPorts, type PluggedPort } from "./control-ports.js";
import { openEvents, openKernel, type ThreadData } from "../shared.js";
import { threadId } from "../thread-id.js";

export interface ControlData extends ThreadData {
  /** Commands come in here; read without an event loop, as this thread blocks. */
  readonly commands: MessagePort;
}

/** How long the thread waits for a link event or a kick before it looks around. */
const WAIT_MS = 50;

class Control {
  private readonly k: Kernel;
  private readonly host: DeviceControl;
  private readonly ports: ControlPorts;
  private readonly table: PortTable;
  /** Ports whose real device an outsider deleted, and links that changed: to be acted on. */
  private readonly lost: PluggedPort[] = [];
  private readonly watched = new Map<number, NamespaceRef>();
  private readonly changed = new Map<PluggedPort, LinkEvent>();

  constructor(k: Kernel, host: DeviceControl, data: ControlData) {
    this.k = k;
    this.host = host;
    this.table = new PortTable(data.parts.switch.ports);
    const { workers, ports, queueTable } = data.parts;
    const queues = new QueueTable(workers, ports, queueTable);
    this.ports = new ControlPorts(k, host, queues, this.table);
    bindThread({
      task: data.index,
      cpu: data.cpu,
      maySleep: true,
      events: openEvents(data.events),
      deed: (code, dev) => {
        this.ports.deed(code, dev);
        this.collectLinkEvents();
      },
    });
  }

  /** Runs commands until `stop`. */
  run(commands: MessagePort): void {
    acquireCpu(this.k.m);
    for (;;) {
      this.collectLinkEvents();
      this.actOnLinkEvents();
      this.ports.reap();
      const received = receiveMessageOnPort(commands);
      if (received === undefined) {
        this.noticeUnnamed();
        sleepBegin(this.k.m);
        this.host.wait(WAIT_MS);
        sleepEnd(this.k.m);
        continue;
      }
      const { id, action } = received.message as ControlRequest;
      if (action.op === "stop") {
        // Queues stay open: the backend's end lets the devices go with their namespaces, all at
        // once, where closing them here would unregister one after the other.
        this.host.close();
        post({ type: "done", id, error: null, devices: [] });
        return;
      }
      post({ type: "done", id, error: this.attempt(action), devices: this.ports.devices() });
    }
  }

  private attempt(action: ControlAction): string | null {
    try {
      this.execute(action);
      return null;
    } catch (error) {
      if (error instanceof SyncAborted) throw error;
      return error instanceof Error ? error.message : String(error);
    }
  }

  private execute(action: ControlAction): void {
    const { k, ports } = this;
    switch (action.op) {
      case "plug":
        return ports.plug(action.port);
      case "delete-links":
        return deleteLinks(
          k,
          action.ports.map((name) => ports.get(name).ovsDev),
        );
      case "delete-netns":
        this.watched.delete(action.netns);
        this.host.unlinkNamespace(action.ref);
        return cleanupNet(k, action.netns);
      case "set-link":
        return this.setLink(ports.get(action.port), action.up);
      case "set-carrier":
        return this.setCarrier(ports.get(action.port), action.on);
      case "set-queues":
        return this.setQueues(ports.get(action.port), action.count);
      case "attach-queue":
        return this.attachQueue(ports.get(action.port), action.index, action.attached);
      case "del-port":
        if (!ovsVportDel(k, ports.get(action.port).spec.number)) throw new Error("not a port");
        this.table.remove(ports.get(action.port).spec.number);
        return;
      case "add-port":
        return ports.publish(ports.get(action.port));
      case "move-netns":
        devChangeNetNamespace(k, ports.get(action.port).ovsDev, action.netns);
        return this.real(ports.get(action.port), (ref) => this.host.moveDevice(ref, action.ref));
      case "set-txqueuelen":
        return this.setTxQueueLen(ports.get(action.port), action.frames);
      case "watch":
        this.watched.set(action.netns, action.ref);
        return this.host.watch(action.ref);
      case "ping":
      case "stop":
        return;
    }
  }

  private setLink(port: PluggedPort, up: boolean): void {
    rtnlLock(this.k);
    if (up) devOpen(this.k, port.ovsDev);
    else devClose(this.k, port.ovsDev);
    rtnlUnlock(this.k);
  }

  private setCarrier(port: PluggedPort, on: boolean): void {
    rtnlLock(this.k);
    if (on) netifCarrierOn(this.k, port.ovsDev);
    else netifCarrierOff(this.k, port.ovsDev);
    rtnlUnlock(this.k);
    this.ports.setRealCarrier(port, on);
  }

  private setQueues(port: PluggedPort, count: number): void {
    rtnlLock(this.k);
    const error =
      port.spec.kind === "veth"
        ? vethSetChannels(this.k, port.ovsDev, count, count)
        : netifSetRealNumQueues(this.k, port.ovsDev, count, count);
    rtnlUnlock(this.k);
    if (error !== 0) throw new Error(`${count} queues are refused (${errnoName(error)})`);
  }

  private attachQueue(port: PluggedPort, index: number, attached: boolean): void {
    if (KIND[port.spec.kind] === KIND.tun) {
      rtnlLock(this.k);
      if (attached) tunAttach(this.k, port.ovsDev);
      else tunDetach(this.k, port.ovsDev, index);
      rtnlUnlock(this.k);
    }
    this.real(port, (ref) => this.host.attachQueue(ref, index, attached));
  }

  private setTxQueueLen(port: PluggedPort, frames: number): void {
    rtnlLock(this.k);
    devChangeTxQueueLen(this.k, port.ovsDev, frames);
    rtnlUnlock(this.k);
    this.real(port, (ref) => this.host.setTxQueueLen(ref, frames));
  }

  private real(port: PluggedPort, act: (ref: NonNullable<PluggedPort["ref"]>) => number): void {
    if (port.ref === null || port.realGone) return;
    const result = act(port.ref);
    if (result < 0) throw new Error(`${port.spec.name}: ${errnoName(result)}`);
  }

  /** Passes on what the real kernel reported. Takes no lock: the path calls it under RTNL. */
  private collectLinkEvents(): void {
    for (const event of this.host.linkEvents()) {
      const port = this.ports.byLink(event.namespace, event.ifindex);
      const ours = port === null || event.kind !== "deleted" || port.realGone;
      post({ type: "link", event, ours, port: port?.spec.name ?? null });
      if (port === null) continue;
      if (!ours) {
        port.realGone = true;
        this.lost.push(port);
      } else if (event.kind === "changed") this.changed.set(port, event);
    }
  }

  /** `ip netns del` by an outsider: the run's descriptors hold the namespace, its name is gone. */
  private noticeUnnamed(): void {
    for (const [netns, ref] of this.watched) {
      if (!this.host.isUnnamed(ref)) continue;
      this.watched.delete(netns);
      cleanupNet(this.k, netns);
    }
  }

  /** A device that an outsider deleted is unregistered like our own; between commands only. */
  private actOnLinkEvents(): void {
    // Only the last word about a link counts: a device is reported down while it is being made.
    for (const [port, event] of this.changed) this.followPeer(port, event);
    this.changed.clear();
    const lost = this.lost.splice(0).map((port) => port.ovsDev);
    if (lost.length > 0) deleteLinks(this.k, lost);
  }

  // `ip link set eth0 down` inside the namespace: the far end of the veth is closed.
  private followPeer(port: PluggedPort, event: LinkEvent): void {
    if (port.realGone || port.spec.kind !== "veth") return;
    rtnlLock(this.k);
    if (event.up) devOpen(this.k, port.wireDev);
    else devClose(this.k, port.wireDev);
    rtnlUnlock(this.k);
  }
}

function post(message: ControlMessage): void {
  parentPort!.postMessage(message);
}

async function main(data: ControlData): Promise<void> {
  const k = await openKernel(data.parts);
  const host = await openDeviceControl(data.parts.backend);
  const control = new Control(k, host, data);
  post({ type: "ready", stopHandle: host.stopHandle, tid: threadId() });
  try {
    control.run(data.commands);
  } catch (error) {
    if (!(error instanceof SyncAborted)) throw error;
  } finally {
    data.commands.close();
  }
}

if (!isMainThread && parentPort !== null) await main(workerData as ControlData);
