// The headline system before its threads begin: devices, open, and ports of the switch. Run by the
// explorer, and once by a replay on real threads, with nobody else there.
import { linkwatchEvent } from "../../path/core/link-watch.js";
import {
  DEV,
  devHold,
  type KindName,
  registerNetdevice,
  vethPair,
  WATCHDOG,
} from "../../path/core/netdevice.js";
import { devOpen } from "../../path/core/open-close.js";
import { rtnlLock, rtnlUnlock } from "../../path/core/rtnl.js";
import { tunAttachAll } from "../../path/drivers/ops.js";
import { deviceAt, globalWord, KERNEL, type Kernel } from "../../path/kernel.js";
import { ovsVportAdd, VPORT, VPORT_WORDS } from "../../path/openvswitch/vport.js";
import { ld, NULL, st } from "../../sync/index.js";
import { type EventName, MEETING, NETNS, type Plugged, PORT } from "./events.js";

export interface Setting {
  readonly kind: KindName;
  readonly queues: number;
  readonly event: EventName;
  /** The driver of the device has ndo_tx_timeout, and so the device its watchdog timer. */
  readonly timer?: boolean;
}

/** A device of a kind, open, and a port of the switch. Before the threads begin. */
export function setUp(k: Kernel, { kind, queues, event, timer }: Setting): Plugged {
  rtnlLock(k);
  plug(k, kind, queues, timer);
  if (hasSecond(event)) plug(k, kind, queues, timer);
  rtnlUnlock(k);
  const { dev, other } = pluggedFor(k, kind, event);
  if (ld(k.m, globalWord(k, KERNEL.linkwatchWork)) !== 0) {
    st(k.m, globalWord(k, KERNEL.linkwatchWork), 0);
    linkwatchEvent(k);
  }
  if (event === "foreign-handler") {
    // A net_bridge_port, whose first word is its device, too.
    const port = k.map.vports + (2 * k.config.ports - 1) * VPORT_WORDS;
    st(k.m, port + VPORT.dev, dev);
    st(k.m, dev + DEV.rxHandlerData, port);
    return { dev, other };
  }
  const isPort = event !== "add-port" && MEETING[event] !== "list";
  if (isPort) ovsVportAdd(k, PORT, dev);
  if (event === "host-send" || event === "hold-delete") devHold(k, dev);
  if (other !== NULL) ovsVportAdd(k, PORT + 1, other);
  return { dev, other };
}

function hasSecond(event: EventName): boolean {
  return event === "batch-delete" || event === "delete-other";
}

/** The devices of an event, as `setUp` has made them. */
export function pluggedFor(k: Kernel, kind: KindName, event: EventName): Plugged {
  const hasOther = kind === "veth" || kind === "bond" || kind === "macvlan" || kind === "vxlan";
  const other = hasSecond(event) ? deviceAt(k, hasOther ? 2 : 1) : NULL;
  return { dev: deviceAt(k, 0), other };
}

/** A device with what belongs to it: a veth's far end, or the device below. Under RTNL. */
function plug(k: Kernel, kind: KindName, queues: number, timer = false): void {
  const isVeth = kind === "veth";
  const netns = isVeth ? 0 : NETNS;
  const dev = registerNetdevice(k, { kind, numTxQueues: queues, netns });
  if (timer) st(k.m, dev + DEV.watchdog, WATCHDOG.idle);
  if (isVeth) {
    const peer = registerNetdevice(k, { kind, numTxQueues: queues, netns: NETNS });
    vethPair(k, dev, peer);
    devOpen(k, peer);
  } else if (kind === "bond" || kind === "macvlan" || kind === "vxlan") {
    const lower = registerNetdevice(k, { kind: "dummy", numTxQueues: 1 });
    devOpen(k, lower);
    st(k.m, dev + DEV.lower, lower);
  } else if (kind === "tun") tunAttachAll(k, dev, queues);
  devOpen(k, dev);
}
