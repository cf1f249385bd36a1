// A connection of `ovs-ofctl monitor`: which of the things that happen to a bridge it is told, and
// in which words (ofconn_receives_async_msg of ofproto/connmgr.c of Open vSwitch 3.1). Main thread.
import type { PacketInReason } from "../../../../flow/odp.js";
import type { PortView } from "../../../control.js";
import type { Controller, FlowEvent, PacketIn, RemovedFlow } from "../../../controllers.js";
import { describePort } from "../port-text.js";
import { messageHead } from "../refusals.js";
import {
  type FlowUpdate,
  formatFlowRemoved,
  formatPacketIn,
  formatResume,
  formatUpdates,
  type PacketInFormat,
  type Words,
} from "./messages.js";
import { isTold, type Watch } from "./watch.js";

export interface ConnectionSettings {
  readonly words: Words;
  readonly format: PacketInFormat;
  /**
   * `miss_send_len`: such connections are told of packets, ports and flows that go only if they
   * have asked for some bytes of each.
   */
  readonly missBytes: number;
  readonly hearsInvalidTtl: boolean;
  /** Packets that have paused are let go on at once. */
  readonly resumes: boolean;
  readonly watches: readonly Watch[];
}

export class Connection implements Controller {
  readonly wantsMisses: boolean;
  private readonly settings: ConnectionSettings;
  private readonly send: (text: string) => void;
  private readonly onEnd: () => void;
  private updates: FlowUpdate[] = [];

  /**
   * @param send takes each message, as it is printed.
   * @param onEnd called when the bridge is gone.
   */
  constructor(settings: ConnectionSettings, send: (text: string) => void, onEnd: () => void) {
    this.settings = settings;
    this.send = send;
    this.onEnd = onEnd;
    // Later versions say it with a flow.
    this.wantsMisses = settings.words.version < 13;
  }

  onPacketIn(packetIn: PacketIn): void {
    const { missBytes, format, words } = this.settings;
    if (missBytes === 0 || packetIn.controllerId !== 0 || !this.hears(packetIn.reason)) return;
    this.send(formatPacketIn(packetIn, format, words));
    const { resume } = packetIn;
    // Other formats do not carry what is needed for it.
    if (resume === null || !this.settings.resumes || format !== "nxt_packet_in2") return;
    this.send(`send: ${formatResume(packetIn, words)}`);
    // Later: a packet may pause for ever, and others are to have their turn.
    setImmediate(resume);
  }

  /** The reasons that a connection is told of by default (ofputil_async_cfg_default). */
  private hears(reason: PacketInReason): boolean {
    if (reason === "invalid_ttl") return this.settings.hearsInvalidTtl;
    return reason !== "implicit_miss" || this.settings.words.version < 13;
  }

  onFlow(event: FlowEvent): void {
    const told = this.settings.watches.filter((watch) => isTold(watch, event));
    if (told.length === 0) return;
    const showsActions = told.some(({ without }) => !without.has("!actions"));
    const { flow, reason } = event;
    this.updates.push({ event: event.event, flow, reason, showsActions });
  }

  onFlowsChanged(): void {
    if (this.updates.length === 0) return;
    this.send(formatUpdates(this.updates, 0, this.settings.words));
    this.updates = [];
  }

  onRemoved(flow: RemovedFlow): void {
    const { missBytes, words } = this.settings;
    const { version } = words;
    const isKnown = flow.reason !== "eviction" || version >= 14;
    const isOld = flow.reason === "group_delete" && version < 13;
    if (missBytes > 0 && isKnown && !isOld) this.send(formatFlowRemoved(flow, words));
  }

  onPort(what: "ADD" | "DEL" | "MOD", port: PortView): void {
    const { missBytes, words } = this.settings;
    if (missBytes === 0) return;
    const head = messageHead("OFPT_PORT_STATUS", words.version, 0);
    this.send(`${head} ${what}:${describePort(port, words.version)}`);
  }

  onClosed(): void {
    this.onEnd();
  }
}
