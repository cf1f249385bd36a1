// What happens in the headline system: the events by name, and who else takes part in each. Data;
// any thread.
import type { Addr } from "../../sync/index.js";

/** Port that the packets are sent to, and the namespace that goes away. */
export const PORT = 1;
export const NETNS = 7;

/** What takes the device away. */
export const EVENTS = ["link-delete", "netns-delete", "del-port", "netns-move"] as const;

/**
 * Other changes under traffic, for the races that the same functions have had:
 * `batch-delete` two ports in one batch; `add-port` the device becomes a port while it is deleted;
 * `tc-remap` traffic classes before their queues; `shrink` fewer transmit queues;
 * `link-down` closed and still a port.
 */
const RACES = ["batch-delete", "add-port", "tc-remap", "shrink", "link-down"] as const;

/**
 * And what each lock, grace period and order of the path is there for, one at a time:
 * `peer-down` a veth's far end is closed; `delete-other` another port's device goes, and this one's
 * packets wait on a backlog meanwhile; `lookup-delete`, `lookup-move` a CPU looks a device up that
 * is no port; `frame-in`, `frame-move` a frame comes in by one that is; `host-send` the host sends
 * on it, past the switch; `foreign-handler` it belongs to a bridge. With a second administrator:
 * `move-delete` it moves and is deleted; `del-port-delete` the switch is told at the same time;
 * `remap-delete` its classes change; `remap-shrink` they change while it loses queues;
 * `freeze-delete` its driver stops its queues; `hold-delete` somebody keeps it until he hears;
 * `re-use` the next device gets its memory.
 */
const LAWS = [
  "peer-down",
  "delete-other",
  "lookup-delete",
  "lookup-move",
  "frame-in",
  "frame-move",
  "host-send",
  "foreign-handler",
  "move-delete",
  "del-port-delete",
  "remap-delete",
  "remap-shrink",
  "freeze-delete",
  "hold-delete",
  "re-use",
] as const;

export const CHANGES = [...RACES, ...LAWS] as const;
export type EventName = (typeof EVENTS)[number] | (typeof CHANGES)[number];

/** Events with one more thread in process context, and what it is called. */
export const RIVALS: Readonly<Partial<Record<EventName, string>>> = {
  "add-port": "adder",
  "move-delete": "deleter",
  "del-port-delete": "vswitchd",
  "remap-delete": "tc",
  "remap-shrink": "tc",
  "freeze-delete": "driver",
  "hold-delete": "holder",
  "re-use": "allocator",
};

/** Events before which the kernel looks different. */
export const CHANGES_START: readonly EventName[] = [
  "batch-delete",
  "delete-other",
  "add-port",
  "foreign-handler",
  "lookup-delete",
  "lookup-move",
  "host-send",
  "hold-delete",
];

/** What a CPU does with the device, in events in which it sends it no packets of the switch. */
export type Meeting = "list" | "handler" | "host";
export const MEETING: Readonly<Partial<Record<EventName, Meeting>>> = {
  "lookup-delete": "list",
  "lookup-move": "list",
  "frame-in": "handler",
  "frame-move": "handler",
  "host-send": "host",
};

export interface Plugged {
  readonly dev: Addr;
  /** The second device; NULL without one. */
  readonly other: Addr;
}
