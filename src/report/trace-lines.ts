// trace.txt: the run as the bpftrace script of the original bug report would have printed it, so
// that it can be laid beside a trace of a real kernel. First word: the function; then
//
//   <function> <dev>: real_num_tx_queues: N, cpu: C, pid: P, tid: T
//
// plus skb_addr and reg_state for transmit functions, addr of the net_device for
// netdev_core_pick_tx, event and reg_state for dp_device_event. Where a packet is about to pick a
// queue among none the line begins with `broken device`. Source: "openvswitch: fix lockup on tx to
// unregistering netdev with carrier", first posting, 31 March 2023. Pure; any thread.
import type { RunEvent } from "./types.js";

type Shape = "transmit" | "pick" | "notifier" | "grace-period" | "device";

/** The probes of the script, and which fields each prints. */
const PROBES: Readonly<Record<string, Shape>> = {
  ovs_vport_send: "transmit",
  __dev_queue_xmit: "transmit",
  netdev_core_pick_tx: "pick",
  dp_device_event: "notifier",
  synchronize_rcu_expedited: "grace-period",
  synchronize_rcu: "grace-period",
  ovs_netdev_detach_dev: "device",
  netdev_rx_handler_unregister: "device",
  netdev_unregister_kobject: "device",
  ovs_dp_detach_port: "device",
};

/** Steps of the path that hit a probe under another name. */
const ALIASES: Readonly<Record<string, string>> = {
  synchronize_net: "synchronize_rcu_expedited",
  remove_queue_kobjects: "netdev_unregister_kobject",
};

const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/g;

/** The whole file: one line for each event that hits a probe, in the order of time. */
export function traceText(events: readonly RunEvent[]): string {
  const sorted = [...events].sort((a, b) => a.atMs - b.atMs);
  let text = "";
  for (const event of sorted) {
    const line = traceLine(event);
    if (line !== null) text += `${line}\n`;
  }
  return text;
}

/** The line of one event, or null if no probe of the script would have seen it. */
export function traceLine(event: RunEvent): string | null {
  const device = event.device ?? "";
  if (event.what.includes("broken device") && event.device !== null) {
    return `broken device ${device}: ${common(event)}`;
  }
  const name = probeOf(event);
  if (name === null) return null;
  const shape = PROBES[name]!;
  if (shape === "grace-period") return `${name}: ${caller(event)}`;
  const ret = event.fields["ret"] === true ? " ret" : "";
  const head = `${name}${ret} ${device}:`;
  if (shape === "pick") {
    return `${head} addr: ${field(event, "addr")}, ${common(event)}${transmit(event)}`;
  }
  if (shape === "transmit") return `${head} ${common(event)}${transmit(event)}`;
  const notifier = shape === "notifier" ? `, event: ${field(event, "event")}` : "";
  return `${head} ${common(event)}${notifier}, reg_state: ${field(event, "reg_state")}`;
}

/** The probe that an event hits: its `function` field, else the first probe that `what` names. */
function probeOf(event: RunEvent): string | null {
  const named = event.fields["function"];
  const words = typeof named === "string" ? [named] : (event.what.match(IDENTIFIER) ?? []);
  for (const word of words) {
    const name = Object.hasOwn(ALIASES, word) ? ALIASES[word]! : word;
    if (name === "synchronize_rcu_expedited" && event.fields["expedited"] === false) {
      return "synchronize_rcu";
    }
    if (Object.hasOwn(PROBES, name)) return name;
  }
  return null;
}

function common(event: RunEvent): string {
  return `real_num_tx_queues: ${field(event, "real_num_tx_queues")}, ${caller(event)}`;
}

function caller(event: RunEvent): string {
  const tid = event.fields["tid"] ?? event.fields["pid"] ?? null;
  const pid = event.fields["pid"] ?? tid;
  return `cpu: ${event.cpu}, pid: ${shown(pid)}, tid: ${shown(tid)}`;
}

function transmit(event: RunEvent): string {
  return `, skb_addr: ${field(event, "skb_addr")}, reg_state: ${field(event, "reg_state")}`;
}

function field(event: RunEvent, name: string): string {
  return shown(event.fields[name] ?? null);
}

/** A line stays one line whatever a field holds; what is not known is a question mark. */
function shown(value: string | number | boolean | null): string {
  return value === null ? "?" : String(value).replace(/\s+/g, " ");
}
