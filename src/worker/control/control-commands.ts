// What the control thread can be asked for. Plain data: posted by the main thread, answered by a
// message with the same id. One command is one administrator's action on the (emulated) host.
import type { DeviceRef, DeviceSpec, LinkEvent, NamespaceRef } from "../../host/types.js";
import type { KindName } from "../../path/core/netdevice.js";

/** A port of the switch, with all that is needed to make its devices (again). */
export interface PortSpec {
  readonly name: string;
  readonly number: number;
  readonly kind: KindName;
  readonly queues: number;
  readonly mtu: number;
  readonly txQueueLen: number;
  /** Number of the namespace its far end lives in: 1 and up; 0 = the switch's own. */
  readonly netns: number;
  /** The real device; null for kinds that have none. */
  readonly device: DeviceSpec | null;
  /** bond, macvlan, vxlan: name of the port whose device is below. */
  readonly lower: string | null;
}

export type ControlAction =
  /** Creates the port's devices, real and emulated, opens them and publishes the port. */
  | { readonly op: "plug"; readonly port: PortSpec }
  /** `ip link del` of the ports' devices, in one batch. */
  | { readonly op: "delete-links"; readonly ports: readonly string[] }
  /** `ip netns del`: everything in the namespace, in one batch, and its name. */
  | { readonly op: "delete-netns"; readonly netns: number; readonly ref: NamespaceRef }
  /** `ip link set DEV up|down` on the switch's side. */
  | { readonly op: "set-link"; readonly port: string; readonly up: boolean }
  | { readonly op: "set-carrier"; readonly port: string; readonly on: boolean }
  /** `ethtool -L DEV tx N rx N`. */
  | { readonly op: "set-queues"; readonly port: string; readonly count: number }
  /** TUNSETQUEUE on one queue. */
  | {
      readonly op: "attach-queue";
      readonly port: string;
      readonly index: number;
      readonly attached: boolean;
    }
  /** `ovs-vsctl del-port`. */
  | { readonly op: "del-port"; readonly port: string }
  /** `ovs-vsctl add-port` of a device that exists. */
  | { readonly op: "add-port"; readonly port: string }
  | {
      readonly op: "move-netns";
      readonly port: string;
      readonly netns: number;
      readonly ref: NamespaceRef;
    }
  | { readonly op: "set-txqueuelen"; readonly port: string; readonly frames: number }
  | { readonly op: "watch"; readonly netns: number; readonly ref: NamespaceRef }
  /** Nothing: the answer says that everything before it is done. */
  | { readonly op: "ping" }
  | { readonly op: "stop" };

export interface ControlRequest {
  readonly id: number;
  readonly action: ControlAction;
}

/** What the control thread posts. */
export type ControlMessage =
  | { readonly type: "ready"; readonly stopHandle: number; readonly tid: number }
  /** A command is done; `error` is a sentence when it could not be. */
  | {
      readonly type: "done";
      readonly id: number;
      readonly error: string | null;
      readonly devices: readonly PortDevices[];
    }
  /** The real kernel reported a link; `ours`: this thread caused it. */
  | {
      readonly type: "link";
      readonly event: LinkEvent;
      readonly ours: boolean;
      readonly port: string | null;
    };

/** Which emulated and real devices stand behind a port now, for reports. */
export interface PortDevices {
  readonly name: string;
  readonly number: number;
  /** Index of the emulated device at the switch's side, and of the one whose wire it ends at. */
  readonly ovsDevice: number;
  readonly wireDevice: number;
  readonly ref: DeviceRef | null;
}
