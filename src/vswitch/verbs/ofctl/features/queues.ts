// The verbs of ovs-ofctl about queues of ports (lib/ofp-queue.c of Open vSwitch 3.1). No port has
// queues of its own; each has queue 0, which is not counted. Main thread.
import { OFPP } from "../../../../flow/types.js";
import { formatPort } from "../../../../ofctl/text/ports.js";
import type { BridgeControl } from "../../../control.js";
import type { Call, Verb } from "../../call.js";
import { bridgeOf } from "../bridge.js";
import { versionOf } from "../formats.js";
import { type AskedPort, askedPort } from "../ports.js";
import { messageHead } from "../refusals.js";

const ANY_PORT: AskedPort = { number: OFPP.none, xid: 2 };

/** What a question about queues asks for. */
interface Asked {
  readonly port: AskedPort;
  /** null: all of its queues. */
  readonly queue: number | null;
}

function readAsked(call: Call, bridge: BridgeControl): Asked {
  const [, port, queue] = call.args as [string, string?, string?];
  const isAny = port === undefined || /^(all|any)$/i.test(port);
  return {
    port: isAny ? ANY_PORT : askedPort(bridge, port),
    queue: queue === undefined || /^all$/i.test(queue) ? null : Number(queue),
  };
}

/** Why there is no answer, as OpenFlow says it; null: there is one. */
function refusalOf(bridge: BridgeControl, { port, queue }: Asked): string | null {
  const isKnown = bridge.ports().some(({ number }) => number === port.number);
  if (port !== ANY_PORT && !isKnown) return "OFPQOFC_BAD_PORT";
  return queue === null || queue === 0 ? null : "OFPQOFC_BAD_QUEUE";
}

/** Prints an error and the question that it answers; that is no failure of the command. */
function refuse(
  call: Call,
  error: string,
  name: string,
  asked: { xid: number; text: string },
): void {
  const version = versionOf(call);
  call.out(`${messageHead("OFPT_ERROR", version, asked.xid)} ${error}\n`);
  call.out(`${messageHead(name, version, asked.xid)} ${asked.text}\n`);
}

function portName(number: number): string {
  return number === OFPP.none ? "ANY" : formatPort(number);
}

function queueStats(call: Call): void {
  const bridge = bridgeOf(call);
  const asked = readAsked(call, bridge);
  const { number, xid } = asked.port;
  const error = refusalOf(bridge, asked);
  if (error !== null) {
    const text = `port=${portName(number)} queue=${asked.queue ?? "ALL"}`;
    return refuse(call, error, "OFPST_QUEUE request", { xid, text });
  }
  const all = bridge.ports().map((port) => port.number);
  const ports = asked.port === ANY_PORT ? all : [number];
  const head = messageHead("OFPST_QUEUE reply", versionOf(call), xid);
  call.out(`${head} ${ports.length} queues\n`);
  for (const port of ports) {
    const counters = "bytes=?, pkts=?, errors=?, duration=?";
    call.out(`  port ${formatPort(port)} queue 0: ${counters}\n`);
  }
}

function queueConfig(call: Call): void {
  const bridge = bridgeOf(call);
  const version = versionOf(call);
  const asked = readAsked(call, bridge);
  const { number, xid } = asked.port;
  const all = bridge.ports().map((port) => port.number);
  const ports = asked.port === ANY_PORT ? all : [number];
  if (version >= 14) {
    const error = refusalOf(bridge, asked);
    if (error !== null) {
      const queue = asked.queue === null ? "" : ` queue=${asked.queue}`;
      const text = `port=${portName(number)}${queue}`;
      return refuse(call, error, "OFPST_QUEUE_DESC request", { xid, text });
    }
    call.out(`${messageHead("OFPST_QUEUE_DESC reply", version, xid)} `);
    return call.out(ports.map((port) => `port=${formatPort(port)}\nqueue 0:\n`).join(""));
  }
  // Older questions cannot name a queue.
  const error = refusalOf(bridge, { ...asked, queue: null });
  if (error !== null) {
    const text = `port=${portName(number)}`;
    return refuse(call, error, "OFPT_QUEUE_GET_CONFIG_REQUEST", { xid, text });
  }
  const reply = (port: number, own: number, queues: number): void => {
    const head = messageHead("OFPT_QUEUE_GET_CONFIG_REPLY", version, own);
    call.out(`${head} port=${portName(port)}\n${"queue 0:\n".repeat(queues)}`);
  };
  if (asked.port !== ANY_PORT) return reply(number, xid, 1);
  if (version > 10) return reply(OFPP.none, xid, ports.length);
  // OpenFlow 1.0 is asked for one port after the other.
  const outer = ports.filter((port) => port !== OFPP.local);
  for (const [i, port] of outer.entries()) reply(port, 4 + i, 1);
}

export const QUEUE_VERBS: readonly Verb[] = [
  { name: "queue-stats", min: 1, max: 3, usage: "SWITCH [PORT [QUEUE]]", run: queueStats },
  {
    name: "queue-get-config",
    min: 1,
    max: 3,
    usage: "SWITCH [PORT [QUEUE]]",
    run: queueConfig,
  },
];
