// net/openvswitch/actions.c and the sending half of vport.c: from "output to port N" to the
// device. Runs on any CPU in softirq, inside an RCU read section that the caller holds. The walk
// over the actions (do_execute_actions: clones, recursion level) is the datapath room's.
import { type Addr, ld, NULL, tally } from "../../sync/index.js";
import { netifRx } from "../core/backlog.js";
import { ARPHRD, DEV, isUp, KIND } from "../core/netdevice.js";
import { CUTLEN_NONE, type Skb } from "../core/skb.js";
import { devQueueXmit } from "../core/xmit.js";
import { guardAllows } from "../guards.js";
import type { Kernel } from "../kernel.js";
import { XMIT } from "../verdict.js";
import { ovsVportRcu, VPORT } from "./vport.js";

const ETH_HLEN = 14;

/**
 * do_output(): one packet to one port. Looks the vport up, asks the guard, trims, sends. The guard
 * and everything after it are inside the caller's one read section: that is what makes a guard on
 * START complete, and what a guard outside of it would lose.
 */
export function doOutput(k: Kernel, skb: Skb, portNo: number): number {
  const vport = ovsVportRcu(k, portNo);
  if (vport === NULL) return XMIT["no-vport"];
  const dev = ld(k.m, vport + VPORT.dev);
  if (!guardAllows(k, dev, skb)) return XMIT.guard;
  if (skb.cutlen !== CUTLEN_NONE && skb.len > skb.cutlen) {
    skb.len = Math.max(skb.cutlen, ETH_HLEN);
  }
  if (skb.mru !== 0 && skb.len > skb.mru + ETH_HLEN) {
    // ovs_fragment: only what conntrack reassembled, and only down to the MTU it came with.
    if (skb.mru > ld(k.m, dev + DEV.mtu)) return XMIT["too-big"];
  }
  return ovsVportSend(k, dev, skb);
}

/** ovs_vport_send(): device type, MTU, then the vport's send operation. */
export function ovsVportSend(k: Kernel, dev: Addr, skb: Skb): number {
  const m = k.m;
  const type = ld(m, dev + DEV.type);
  if (type !== ARPHRD.ether && type !== ARPHRD.none) return XMIT["not-ethernet"];
  if (type === ARPHRD.ether && !skb.isEthernet) return XMIT["not-ethernet"];
  if (skb.len - ETH_HLEN > ld(m, dev + DEV.mtu) && skb.gsoSize === 0) {
    tally(m, dev + DEV.txErrors);
    return XMIT["too-big"];
  }
  skb.dev = dev;
  if (ld(m, dev + DEV.kind) === KIND.internal) return internalDevRecv(k, dev, skb);
  return devQueueXmit(k, skb);
}

/** internal_dev_recv(): to the host's own stack. Never chooses a transmit queue. */
function internalDevRecv(k: Kernel, dev: Addr, skb: Skb): number {
  if (!isUp(k, dev)) {
    tally(k.m, dev + DEV.rxDropped);
    return XMIT["device-down"];
  }
  const verdict = netifRx(k, dev);
  if (verdict === XMIT.ok) {
    skb.onBacklog = true;
    skb.wireDev = dev;
    skb.wireQueue = 0;
  }
  return verdict;
}
