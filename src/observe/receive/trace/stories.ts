// Finds one packet's way in a trace: which events of many belong to it, in order. Pure; any thread.
import { contextOf, type TraceEvent } from "./trace-text.js";

/** One ping over loopback, as far as the trace has it. */
export interface PingStory {
  readonly enter: TraceEvent;
  /** The return of sendto(2). */
  readonly exit: TraceEvent | null;
  /** The request goes into a backlog. */
  readonly queued: TraceEvent | null;
  readonly received: TraceEvent | null;
  readonly replyReceived: TraceEvent | null;
  /** These, and what belongs to them: the softirq around, polls, raises. */
  readonly events: readonly TraceEvent[];
}

/**
 * The pings that a thread sent, one for each of its calls of sendto(2).
 * @param bytes of a packet. An interrupt may bring other packets to a loopback device meanwhile, in
 *   the context of the same thread.
 */
export function pingStories(
  events: readonly TraceEvent[],
  pid: number,
  bytes: number,
): PingStory[] {
  const starts = events.flatMap((event, index) =>
    event.name === "sys_enter_sendto" && event.pid === pid ? [index] : [],
  );
  return starts.map((start, i) =>
    pingStory(events.slice(start, starts[i + 1] ?? events.length), String(bytes)),
  );
}

function pingStory(events: readonly TraceEvent[], length: string): PingStory {
  const enter = events[0]!;
  const exit = events.find(({ name, pid }) => name === "sys_exit_sendto" && pid === enter.pid);
  const isPing = (one: TraceEvent) => isOn(one, "netif_rx", "lo") && one.fields["len"] === length;
  const queued = after(events, enter, (one) => isPing(one) && one.pid === enter.pid);
  const received = after(events, queued, (one) => isSame(one, "netif_receive_skb", queued!));
  const reply = after(events, received, (one) => {
    return isPing(one) && one.cpu === received!.cpu && one.pid === received!.pid;
  });
  const replyReceived = after(events, reply, (one) => isSame(one, "netif_receive_skb", reply!));
  const last = Math.max(exit?.atUs ?? 0, replyReceived?.atUs ?? received?.atUs ?? 0);
  const skbs = [queued, reply].flatMap((one) => one?.fields["skbaddr"] ?? []);
  const own = events.filter((one) => {
    if (one === enter || one === exit) return true;
    if (one.atUs > last) return false;
    if (skbs.includes(one.fields["skbaddr"] ?? "")) return true;
    // With steering, the sender's own softirq has nothing to receive: it wakes the other CPU.
    return isNetRx(one) && one.pid === enter.pid && contextOf(one) !== "interrupt";
  });
  const wanted = new Set([...own, ...softirqsAround(events, [received, replyReceived])]);
  return {
    enter,
    exit: exit ?? null,
    queued,
    received,
    replyReceived,
    events: events.filter((one) => wanted.has(one)),
  };
}

/** One frame that a thread wrote to a TAP device. */
export interface WriteStory {
  readonly enter: TraceEvent;
  readonly exit: TraceEvent | null;
  readonly received: TraceEvent;
  /** The answer leaves on the same device. */
  readonly replied: TraceEvent | null;
  /** Softirqs that began on this CPU between the receive and the answer. */
  readonly softirqs: number;
  readonly events: readonly TraceEvent[];
}

/** The calls of write(2) of a thread in which a device received a frame. */
export function writeStories(
  events: readonly TraceEvent[],
  pid: number,
  device: string,
): WriteStory[] {
  const own = events.filter((event) => event.pid === pid);
  const starts = own.flatMap(({ name }, index) => (name === "sys_enter_write" ? [index] : []));
  return starts.flatMap((start, i) => {
    const call = own.slice(start, starts[i + 1] ?? own.length);
    const received = call.find((one) => isOn(one, "netif_receive_skb", device));
    if (received === undefined) return [];
    const exit = call.find(({ name }) => name === "sys_exit_write");
    const replied = after(call, received, (one) => isOn(one, "net_dev_xmit", device));
    const end = replied ?? exit ?? call.at(-1)!;
    const between = call.slice(call.indexOf(received), call.indexOf(end));
    const entries = between.filter(({ name }) => name === "softirq_entry");
    const until = exit === undefined ? call : call.slice(0, call.indexOf(exit) + 1);
    return [
      {
        enter: call[0]!,
        exit: exit ?? null,
        received,
        replied,
        softirqs: entries.length,
        events: until.filter((one) => contextOf(one) === "task"),
      },
    ];
  });
}

function isOn({ name, fields }: TraceEvent, wanted: string, device: string): boolean {
  return name === wanted && fields["dev"] === device;
}

function isSame({ name, fields }: TraceEvent, wanted: string, packet: TraceEvent): boolean {
  return name === wanted && fields["skbaddr"] === packet.fields["skbaddr"];
}

/** The backlog of a CPU is a NAPI instance without a device. */
const isBacklogPoll = ({ name, fields }: TraceEvent) =>
  name === "napi_poll" && fields["device"] === "(no_device)";

const isNetRx = ({ fields }: TraceEvent) => fields["vec"] === "3";

/** The first event behind `from` that will do; null if there is none, or no `from`. */
function after(
  events: readonly TraceEvent[],
  from: TraceEvent | null,
  accept: (event: TraceEvent) => boolean,
): TraceEvent | null {
  if (from === null) return null;
  return events.slice(events.indexOf(from) + 1).find(accept) ?? null;
}

/** The beginning and end of the NET_RX softirqs that events lie in, and their polls. */
function softirqsAround(
  events: readonly TraceEvent[],
  inside: readonly (TraceEvent | null)[],
): TraceEvent[] {
  return inside.flatMap((event) => {
    if (event === null) return [];
    const at = events.indexOf(event);
    const here = (one: TraceEvent) => one.cpu === event.cpu && contextOf(one) === "softirq";
    const begins = (one: TraceEvent) => one.name === "softirq_entry" && isNetRx(one);
    const ends = (one: TraceEvent) => one.name === "softirq_exit" && isNetRx(one);
    const from = events.slice(0, at).findLast((one) => here(one) && begins(one));
    const to = events.slice(at).find((one) => here(one) && ends(one));
    if (from === undefined || to === undefined) return [];
    const inOne = events.slice(events.indexOf(from), events.indexOf(to));
    const polls = inOne.filter((one) => here(one) && isBacklogPoll(one));
    return [from, ...polls, to];
  });
}
