// ovs-ofctl monitor: prints what a switch tells its controllers, until it is told to stop
// (ofctl_monitor, monitor_vconn of utilities/ovs-ofctl.c of Open vSwitch 3.1). Main thread.
import { wallClock } from "../../../../base/clock.js";
import { FORMATS } from "../../../../ofctl/protocols.js";
import type { BridgeControl } from "../../../control.js";
import { type Call, type DaemonOptions, type Session, type Verb, VerbError } from "../../call.js";
import { has, valueOf } from "../../options.js";
import { bridgeOf, namesOf, namesShown } from "../bridge.js";
import { parsing } from "../flow-texts.js";
import { allowedFormats, versionFor } from "../formats.js";
import { messageHead } from "../refusals.js";
import { Connection, type ConnectionSettings } from "./connection.js";
import { formatUpdates, type PacketInFormat, type Words } from "./messages.js";
import { parseWatch, type Watch, watches } from "./watch.js";

const PACKET_IN_FORMATS: readonly (readonly [string, PacketInFormat])[] = [
  ["standard", "standard"],
  ["openflow10", "standard"],
  ["nxt_packet_in", "nxt_packet_in"],
  ["nxm", "nxt_packet_in"],
  ["nxt_packet_in2", "nxt_packet_in2"],
];

function packetInFormat(call: Call): PacketInFormat {
  const text = valueOf(call.options, "packet-in-format");
  if (text === null) return "nxt_packet_in2";
  const found = PACKET_IN_FORMATS.find(([name]) => name === text);
  if (found === undefined) throw new VerbError(`unknown packet-in format \`${text}'`);
  return found[1];
}

/** The version that is spoken; if expired packets are asked for, one that can tell of them. */
function chooseVersion(call: Call, hearsInvalidTtl: boolean): Words["version"] {
  if (!hearsInvalidTtl) return versionFor(call, FORMATS.any);
  const able = FORMATS.any & ~FORMATS.openFlow13Up;
  if ((allowedFormats(call) & able) !== 0) return versionFor(call, able);
  throw new VerbError(
    "invalid_ttl requires one of the OpenFlow versions OpenFlow10, OpenFlow11, OpenFlow12 but " +
      "none is enabled (use -O)",
  );
}

/**
 * Transaction numbers are counted as the real one sends its messages: to begin with, to ask for and
 * set the switch's configuration, to look up names for the first watch.
 */
const XIDS = { first: 2, configuration: 3, invalidTtl: 4, names: 4, packetInFormat: 2 } as const;

interface Asked {
  missBytes: number;
  resumes: boolean;
  readonly watches: Watch[];
  /** What is printed of the flows that are there already. */
  shown: string;
  /** Of the next message. */
  xid: number;
}

/** The flows that a new watcher is told of. */
function present(bridge: BridgeControl, watch: Watch, xid: number, words: Words): string {
  const showsActions = !watch.without.has("!actions");
  const entries = watch.without.has("!initial") ? [] : bridge.tables.entries();
  const flows = entries.map(({ flow }) => flow).filter((flow) => watches(watch, flow, null));
  const updates = flows.map((flow) => {
    return { event: "INITIAL", flow, reason: null, showsActions } as const;
  });
  return formatUpdates(updates, xid, words);
}

function readArguments(call: Call, bridge: BridgeControl, words: Words): Asked {
  const asked: Asked = { missBytes: 0, resumes: false, watches: [], shown: "", xid: XIDS.first };
  for (const text of call.args.slice(1)) {
    if (/^[0-9]/.test(text)) {
      asked.missBytes = Number.parseInt(text, 10) & 0xffff;
      asked.xid += XIDS.configuration;
    } else if (text === "resume") {
      asked.resumes = true;
      asked.missBytes = 0xffff;
      asked.xid += XIDS.configuration;
    } else if (text === "invalid_ttl") asked.xid += XIDS.invalidTtl;
    else if (text.startsWith("watch:")) {
      const watch = parsing(null, () => parseWatch(text.slice(6), namesOf(call, bridge)));
      if (asked.watches.length === 0) asked.xid += XIDS.names;
      asked.shown += present(bridge, watch, asked.xid++, words);
      asked.watches.push(watch);
    } else throw new VerbError(`${text}: unsupported "monitor" argument`);
  }
  asked.xid += XIDS.packetInFormat;
  return asked;
}

function daemonOptions(call: Call): DaemonOptions {
  const { options } = call;
  return {
    detach: has(options, "detach"),
    pidfile: valueOf(options, "pidfile"),
    socket: valueOf(options, "unixctl") ?? "",
  };
}

/** `2026-01-31 12:00:00.000: ` */
function timestamp(): string {
  return `${wallClock().replace("T", " ").replace("Z", "")}: `;
}

class MonitorSession implements Session {
  readonly daemon: DaemonOptions;
  private readonly bridge: BridgeControl;
  private readonly connection: Connection;
  private readonly words: Words;
  private readonly stamps: boolean;
  /** What was to be printed before anybody did. */
  private readonly early: string[] = [];
  private print: (text: string) => void = (text) => this.early.push(text);
  private onEnd: (() => void) | null = null;
  private isOver = false;
  private xid: number;

  constructor(call: Call, bridge: BridgeControl, settings: ConnectionSettings, xid: number) {
    this.daemon = daemonOptions(call);
    this.stamps = has(call.options, "timestamp");
    this.bridge = bridge;
    this.words = settings.words;
    this.xid = xid;
    const say = (text: string): void => this.say(text);
    this.connection = new Connection(settings, say, () => {
      this.isOver = true;
      this.onEnd?.();
    });
    bridge.controllers.connect(this.connection);
  }

  begin(print: (text: string) => void, end: () => void): void {
    this.print = print;
    this.onEnd = end;
    for (const text of this.early.splice(0)) print(text);
    if (this.isOver) end();
  }

  command(name: string): string {
    // What was said before has been printed when this is answered.
    if (name === "ofctl/sync") return "";
    if (name !== "ofctl/barrier") throw new VerbError(`"${name}" is not a valid command`);
    this.say(`${messageHead("OFPT_BARRIER_REPLY", this.words.version, this.xid++)}\n`);
    return "";
  }

  close(): void {
    this.bridge.controllers.disconnect(this.connection);
  }

  private say(text: string): void {
    this.print(this.stamps ? timestamp() + text : text);
  }
}

function monitor(call: Call): void {
  const bridge = bridgeOf(call);
  const { options } = call;
  const hearsInvalidTtl = call.args.includes("invalid_ttl");
  const version = chooseVersion(call, hearsInvalidTtl);
  const format = packetInFormat(call);
  const names = namesShown(call, bridge);
  const words = { version, isVerbose: has(options, "more"), ...names };
  const { missBytes, resumes, watches: all, shown, xid } = readArguments(call, bridge, words);
  if (missBytes > 0 && !bridge.deliversPackets) {
    call.err("ovs-ofctl: packet-ins of this switch are counted, and not handed to anybody\n");
  }
  const settings = { words, format, missBytes, resumes, hearsInvalidTtl, watches: all };
  call.out(shown);
  call.session = new MonitorSession(call, bridge, settings, xid);
}

export const MONITOR_VERBS: readonly Verb[] = [
  {
    name: "monitor",
    min: 1,
    max: 3,
    usage: "SWITCH [MISSLEN] [invalid_ttl] [watch:[...]]",
    run: monitor,
  },
];
