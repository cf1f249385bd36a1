// The dummy switch: bridges and ports in memory, one thread, no root, a clock that can be stopped.
// What `ovs-vswitchd --enable-dummy` is to Open vSwitch: the place to try flow tables, and where
// test scripts written for it run. Main thread of `packetpath switch`, or any test.
import { Conntrack } from "../../datapath/conntrack/conntrack.js";
import { PacketpathError } from "../../base/errors.js";
import { OFPP } from "../../flow/types.js";
import { SwitchClock } from "../clock.js";
import type { BridgeControl, SwitchControl } from "../control.js";
import { expire } from "../expiry.js";
import type { Megaflow } from "../../flow/odp.js";
import { datapathNames } from "../../trace/trace.js";
import { SwitchLog } from "../log/log.js";
import { megaflowText, ufidOf } from "../log/megaflow-text.js";
import { DummyBridge, type FrameWatcher, NO_DATAPATH_PORT } from "./bridge.js";
import { Backplane } from "./wiring.js";

/** Datapath number of the first port of a bridge's own name (dpif_netdev choose_port: "br"). */
const BRIDGE_NUMBERS_FROM = 100;

/** Connections at a time. */
const CONNECTIONS = 16_384;

export interface DummyOptions {
  /** Called when a user says `ovs-appctl exit`. */
  readonly onExit?: () => void;
  /** For ovs-vswitchd.log; without it nothing is logged. */
  readonly logFolder?: string;
  /** Told of what its user should know and the tools of Open vSwitch do not print. */
  readonly onNote?: (text: string) => void;
}

export class DummySwitch implements SwitchControl {
  readonly kind = "dummy";
  readonly clock = new SwitchClock();
  readonly log: SwitchLog;
  /** Sees every frame that leaves through a port of any bridge. */
  onTransmit: FrameWatcher | null = null;
  /** One for all bridges, as they share a datapath. */
  private readonly conntrack = Conntrack.create(CONNECTIONS);
  private readonly backplane = new Backplane();
  private readonly byName = new Map<string, DummyBridge>();
  private readonly onExit: () => void;
  private readonly onNote: (text: string) => void;
  private readonly noted = new Set<string>();
  /** Addresses are given out once, in order, as netdev-dummy does; 0 is the datapath's own. */
  private nextMac = 1;

  constructor(options: DummyOptions = {}) {
    this.onNote = options.onNote ?? (() => undefined);
    this.log = new SwitchLog(options.logFolder);
    this.onExit = options.onExit ?? (() => undefined);
  }

  bridges(): readonly DummyBridge[] {
    return [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  bridge(name: string): DummyBridge | null {
    return this.byName.get(name) ?? null;
  }

  /** Makes a bridge with its own port, LOCAL, and no flows. */
  addBridge(name: string, options: { datapathId?: string; mac?: string } = {}): DummyBridge {
    const own = this.newMac();
    const { conntrack } = this;
    const mac = options.mac ?? own;
    const datapathId = options.datapathId ?? `0000${mac.replaceAll(":", "")}`;
    const { backplane, clock } = this;
    const bridge = new DummyBridge({
      ...{ name, datapathId, clock, conntrack, pool: backplane.pool },
      wiring: backplane.wiringOf(name),
      portAt: (number) => backplane.portAt(number),
      controllersOf: (pipeline) => backplane.controllersOf(pipeline),
      installed: (megaflow) => this.logMegaflow(name, megaflow),
    });
    backplane.join(bridge);
    bridge.onTransmit = (port, frame) => this.onTransmit?.(port, frame);
    this.byName.set(name, bridge);
    const datapathNumber = this.chooseNumber(name);
    const addedMs = clock.nowMs();
    bridge.addPort({ name, number: OFPP.local, datapathNumber, type: "internal", mac, addedMs });
    return bridge;
  }

  deleteBridge(name: string): void {
    const bridge = this.byName.get(name);
    if (bridge === undefined) return;
    this.backplane.leave(bridge);
    bridge.close();
    this.byName.delete(name);
  }

  /** @param request the OpenFlow number wanted; 0, or one that is taken: any that is free. */
  addPort(
    bridge: DummyBridge,
    port: { name: string; type: string; request: number; peer: string | null },
  ): number {
    const taken = new Set(bridge.ports().map((one) => one.number));
    let number = port.request;
    if (number === 0 || taken.has(number)) for (number = 1; taken.has(number); number++);
    if (number >= OFPP.max) {
      throw new PacketpathError("USAGE", `port ${port.name}: the bridge has no free port number`);
    }
    const { name, type, peer } = port;
    const isPatch = type === "patch";
    const datapathNumber = isPatch ? NO_DATAPATH_PORT : this.chooseNumber(name);
    const cable = isPatch ? { peer: peer ?? "" } : {};
    const more = { mac: this.newMac(), addedMs: this.clock.nowMs(), ...cable };
    bridge.addPort({ name, number, datapathNumber, type, ...more });
    return number;
  }

  /** Takes a port away, and the addresses behind it from all bridges (bundle_flush_macs). */
  removePort(bridge: DummyBridge, number: number): void {
    const now = Math.floor(this.clock.nowMs() / 1000);
    for (const { port, mac, vlan } of bridge.macs.entries(now)) {
      if (port !== number) continue;
      const digits = mac.replaceAll(":", "");
      const [high, low] = [digits.slice(0, 8), digits.slice(8)].map((part) => parseInt(part, 16));
      for (const { macs } of this.byName.values()) macs.remove(high!, low!, vlan);
    }
    bridge.removePort(number);
  }

  receive(bridge: BridgeControl, port: number, frame: Uint8Array): void {
    (bridge as DummyBridge).receive(port, frame);
  }

  async run(): Promise<void> {
    for (const bridge of this.byName.values()) await expire(bridge, this.clock);
  }

  exit(): void {
    this.onExit();
  }

  /** Says once, to the log and to who runs the switch, what the tools do not say. */
  note(texts: readonly string[]): void {
    for (const text of texts) {
      if (this.noted.has(text)) continue;
      this.noted.add(text);
      this.log.write("bridge", "info", text);
      this.onNote(text);
    }
  }

  private logMegaflow(bridgeName: string, megaflow: Megaflow): void {
    const bridge = this.byName.get(bridgeName);
    if (bridge === undefined || !this.log.hears("dpif_netdev", "dbg")) return;
    const names = datapathNames(bridge, this.bridges(), false);
    const words = { ports: bridge.ports(), byName: false, all: false, names };
    const { match, actions } = megaflowText(megaflow, words);
    const ufid = ufidOf(megaflow);
    const ids = `ufid:${ufid} mega_ufid:${ufid}`;
    this.log.write("dpif_netdev", "dbg", `flow_add: ${ids} ${match}, actions:${actions}`);
  }

  private newMac(): string {
    const number = this.nextMac++;
    const bytes = [0xaa, 0x55, 0xaa, 0x55, number >>> 8, number & 0xff];
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  /**
   * The datapath number of a port: the first number in its name (100 more for a bridge's) if it is
   * free, else the first free one (lib/dpif-netdev.c choose_port).
   */
  private chooseNumber(name: string): number {
    const taken = new Set(
      this.bridges().flatMap((bridge) => bridge.ports().map((port) => port.datapathNumber)),
    );
    const digits = /[0-9]+/.exec(name);
    if (digits !== null) {
      const from = name.startsWith("br") ? BRIDGE_NUMBERS_FROM : 0;
      const number = from + Number(digits[0]);
      if (number > 0 && number < 0xffff && !taken.has(number)) return number;
    }
    let number = 1;
    while (taken.has(number)) number++;
    return number;
  }
}
