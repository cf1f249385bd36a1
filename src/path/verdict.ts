// What became of a packet that was output: a closed set. Names are those of the data plane's drop
// reasons; the comment gives what the kernel's function returns.

export const XMIT_NAMES = [
  "ok", // NETDEV_TX_OK: skb.wireDev and skb.wireQueue say where
  "no-vport", // do_output: nothing published at this port number
  "guard", // do_output: refused
  "too-big", // ovs_vport_send: over MTU
  "not-ethernet", // ovs_vport_send: the device's type does not take it
  "noop-qdisc", // noop_enqueue: NET_XMIT_CN
  "qdisc-deactivated", // __dev_xmit_skb: NET_XMIT_DROP
  "device-down", // __dev_queue_xmit: -ENETDOWN or -ENOMEM by profile
  "dead-loop", // __dev_queue_xmit: -ENETDOWN
  "queue-stopped", // __dev_queue_xmit: -ENETDOWN
  "no-peer", // veth_xmit: NET_XMIT_DROP
  "peer-not-ready", // __dev_forward_skb or enqueue_to_backlog: NET_RX_DROP
  "backlog-full", // enqueue_to_backlog: NET_RX_DROP
  "tun-no-queue", // tun_net_xmit: NET_XMIT_DROP
  "tun-full-ring", // tun_net_xmit: NET_XMIT_DROP
  "bond-no-slave", // bond_xmit: no active slave
  "queue-count-fault", // dev_pick_tx_cpu_id with count 0: divide error
] as const;
export type XmitName = (typeof XMIT_NAMES)[number];

export const XMIT = Object.fromEntries(XMIT_NAMES.map((name, i) => [name, i])) as {
  readonly [name in XmitName]: number;
};
