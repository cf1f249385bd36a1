// The closed list of ways in which a frame can end other than by leaving through a port.
// Every frame that a worker reads is counted exactly once: as sent, or under one of these names.
// The table gives the index (its place), the name (in reports) and the sentence (for people).

export const DROP_REASONS = [
  ["no-vport", "output to a port number that is not published (do_output found no vport)"],
  ["guard", "the guard in do_output refused: device not ready (DEV_READY)"],
  ["too-big", "longer than the output device's MTU allows, and not GSO"],
  ["not-ethernet", "the output device's type does not take this packet (ovs_vport_send)"],
  ["noop-qdisc", "the transmit queue's qdisc is noop: the device is deactivated (NET_XMIT_CN)"],
  ["qdisc-deactivated", "the transmit queue's qdisc is being taken away (NET_XMIT_DROP)"],
  ["device-down", "the output device is not IFF_UP (__dev_queue_xmit, noqueue branch)"],
  ["dead-loop", "transmit recursion passed XMIT_RECURSION_LIMIT, or the queue lock was owned"],
  ["queue-stopped", "the transmit queue is stopped (DRV_XOFF or STACK_XOFF)"],
  ["no-peer", "the veth has no peer any more (veth_xmit)"],
  ["peer-not-ready", "the receiving device is down or its START bit is clear"],
  ["backlog-full", "the receiving CPU's backlog is full (netdev_max_backlog)"],
  ["backlog-flushed", "flushed from a backlog because its device is being unregistered"],
  ["tun-no-queue", "no file is attached at the chosen queue of a tun device (DEV_READY)"],
  ["tun-full-ring", "the ring of the chosen tun queue is full (FULL_RING)"],
  ["bond-no-slave", "a bond without an active slave"],
  ["loop-limit", "more than 5 nested action lists (OVS_RECURSION_LIMIT)"],
  ["queue-count-fault", "the driver's selector divided by a queue count of 0"],
  ["tx-gone", "the real device behind the port is gone (EBADFD)"],
  ["tx-down", "the real device behind the port is down (EIO)"],
  ["tx-refused", "the real device refused the frame for another reason (see the log)"],
  ["tx-full", "the real device's queue had no room (memory backend)"],
  ["runt", "shorter than an Ethernet header"],
  ["giant", "longer than a frame slot of the pool"],
  ["bad-vnet-header", "the vnet header contradicts the frame"],
  ["rx-unpublished", "read from a device that is no longer a port of the switch"],
  ["action-drop", "the flow says drop"],
  ["table-miss", "no flow matched"],
  ["to-controller", "sent to the controller only (counted, not delivered)"],
  ["in-port", "the only output was the port it came from"],
  ["learned-in-port", "NORMAL: the destination was learned on the port it came from"],
  ["reserved-mac", "NORMAL: a link-local destination that switches do not forward"],
  ["vlan-refused", "NORMAL: the VLAN is not allowed on the input port"],
  ["port-refused", "a port's settings: no-forward, no-receive, protected, output of a mirror"],
  ["ttl-expired", "dec_ttl on a packet whose TTL is 1 or 0"],
  ["translation-limit", "the slow path's limits: depth 64, or 4096 resubmits"],
  ["no-output", "the actions were run and none of them was an output"],
  ["no-live-bucket", "a group without a live bucket"],
  ["metered", "over the rate of a meter's band"],
  ["recirculation-limit", "recirculated more than 8 times (MAX_RECIRC_DEPTH)"],
  ["balancer-not-mine", "sent to the balancer, but neither to its MAC nor a question about it"],
  ["balancer-unreadable", "the balancer: neither whole TCP nor UDP, or a fragment"],
  ["balancer-no-service", "the balancer has no service at this address and port"],
  ["balancer-no-connection", "the balancer: begins no connection and belongs to none"],
  ["balancer-no-server", "the balancer: no server of the service takes connections"],
  ["balancer-no-port", "the balancer: no local address and port is free for the server"],
  ["balancer-full", "the balancer has as many connections as it may"],
  ["balancer-busy", "the balancer: a lock was held for too long"],
  ["balancer-again", "came out of the balancer and was sent to it once more"],
  ["held-by-lockup", "in the hands of a worker that locked up"],
  ["stopped", "read, but the run ended before it was handled"],
] as const satisfies readonly (readonly [string, string])[];

export type DropReason = (typeof DROP_REASONS)[number][0];

/** Index of each reason, for the counters. */
export const DROP = Object.fromEntries(DROP_REASONS.map(([name], index) => [name, index])) as {
  readonly [name in DropReason]: number;
};

/** What a reason means, in a sentence. */
export function dropReasonText(name: DropReason): string {
  return DROP_REASONS[DROP[name]]![1];
}
