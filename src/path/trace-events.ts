// Numbers and names of what the path tells observers, and of the loop sites that `tick` names.
// Observers turn the numbers into text; the path itself never looks at them.

/** Loop sites, by the kernel function that has the loop. */
export const SITES = [
  "",
  "skb_tx_hash",
  "bond_select_queue",
  "flush_all_backlogs",
  "netdev_run_todo",
  "unregister_netdevice_many",
  "dev_deactivate_many",
  "ovs_dp_notify_wq",
  "linkwatch_run_queue",
  "walk",
] as const;
export const SITE = {
  skbTxHash: 1,
  bondSelectQueue: 2,
  flushBacklogs: 3,
  runTodo: 4,
  unregisterMany: 5,
  deactivateMany: 6,
  dpNotify: 7,
  linkwatch: 8,
  walk: 9,
} as const;

/** Events: the text is the kernel function or message it stands for. */
export const EVENT_TEXTS = {
  brokenDevice: "broken device",
  pickAtZero: "netdev_core_pick_tx",
  invalidQcount: "invalid qcount",
  warnOnQcount: "WARN_ON_ONCE(qcount == 0) in skb_tx_hash",
  capTxqueue: "netdev_cap_txqueue",
  asksToQueue: "Virtual device asks to queue packet!",
  deadLoop: "Dead loop on virtual device, fix it urgently!",
  notifier: "dp_device_event",
  dismantle: "U1 dismantle",
  clearStart: "U3 clear START",
  deactivate: "U4 dev_deactivate_many",
  deactivated: "U5 grace period ended, qdiscs reset",
  ndoStop: "U6 ndo_stop",
  clearUp: "U6 clear IFF_UP",
  netdevDown: "U7 NETDEV_DOWN",
  unlist: "U8 unlist_netdevice",
  unregistering: "U8 reg_state = UNREGISTERING",
  flushBacklogs: "U9 flush_all_backlogs",
  grace2: "U10 synchronize_net",
  devShutdown: "U11 dev_shutdown",
  notifyUnregister: "U11 NETDEV_UNREGISTER",
  preUninit: "U11 NETDEV_PRE_UNINIT",
  ndoUninit: "U11 ndo_uninit",
  kobjects: "U11 netdev_unregister_kobject",
  zeroRx: "U11 remove_queue_kobjects: real_num_rx_queues = 0",
  zeroTx: "Z remove_queue_kobjects: real_num_tx_queues = 0",
  grace4: "U12 synchronize_net",
  netSetTodo: "U13 net_set_todo",
  rtnlUnlock: "U14 rtnl_unlock",
  unregistered: "U14 reg_state = UNREGISTERED",
  waitRefs: "unregister_netdevice: waiting for device to become free",
  freeNetdev: "free_netdev",
  detachDev: "N1 ovs_netdev_detach_dev",
  handlerUnregister: "netdev_rx_handler_unregister",
  handlerUnregistered: "netdev_rx_handler_unregister ret",
  queueNotifyWork: "N1 queue_work dp_notify_work",
  notifyWorkStarts: "W ovs_dp_notify_wq",
  ovsMutexHeld: "ovs_lock",
  ovsMutexFree: "ovs_unlock",
  detachPort: "X ovs_dp_detach_port",
  vportFree: "vport_netdev_free",
  vportAdd: "ovs_vport_add",
  expedited: "synchronize_rcu_expedited",
  gracePeriodEnds: "synchronize_rcu_expedited ret",
  linkwatch: "linkwatch_do_dev",
  carrierOff: "netif_carrier_off",
  carrierOn: "netif_carrier_on",
  devOpen: "__dev_open",
  setRealTx: "netif_set_real_num_tx_queues",
  resetQueues: "qdisc_reset_all_tx_gt",
  growAfterUnregister: "New queues can't be registered after device unregistration.",
  rtnlHeld: "rtnl_lock",
  netnsExit: "cleanup_net",
  netnsMove: "__dev_change_net_namespace",
  flowDump: "ovs flow dump holds ovs_mutex",
} as const;
export type EventName = keyof typeof EVENT_TEXTS;
export const EVENT_NAMES = Object.keys(EVENT_TEXTS) as readonly EventName[];
export const EVENT = Object.fromEntries(EVENT_NAMES.map((name, i) => [name, i])) as {
  readonly [name in EventName]: number;
};

/** netdevice notifier events, by the kernel's numbers (with PRE_UNINIT in the list, 5.18 on). */
export const NETDEV = {
  up: 1,
  down: 2,
  change: 4,
  register: 5,
  unregister: 6,
  goingDown: 9,
  preUninit: 18,
  changeUpper: 22,
  preChangeUpper: 27,
} as const;

/** What the control thread does to the real device when the path reaches the step. */
export const DEED = {
  /** ndo_stop by an administrator: the real link goes down. */
  linkDown: 1,
  linkUp: 2,
  carrierOff: 3,
  carrierOn: 4,
  /** unlist_netdevice: the real device is deleted. */
  deleteDevice: 5,
  /** The emulated structure is released: queue handles may be closed. */
  released: 6,
} as const;
