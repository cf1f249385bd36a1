// A port as ovs-ofctl prints it (ofputil_phy_port_format of lib/ofp-port.c of Open vSwitch 3.1).
// Main thread.
import type { OpenFlowVersion } from "../../../ofctl/protocols.js";
import { formatPort } from "../../../ofctl/text/ports.js";
import { PORT_CONFIG, type PortView } from "../../control.js";

/** OpenFlow has room for so much of a port's name (OFP_MAX_PORT_NAME_LEN). */
const PORT_NAME_MAX = 15;

/** The name of a port in OpenFlow. */
export const openFlowName = ({ name }: PortView): string => name.slice(0, PORT_NAME_MAX);

/** Names of the bits of a port's configuration, in the order in which they are printed. */
const CONFIG_NAMES: readonly (readonly [number, string])[] = [
  [PORT_CONFIG.down, "PORT_DOWN"],
  [PORT_CONFIG.noStp, "NO_STP"],
  [PORT_CONFIG.noReceive, "NO_RECV"],
  [PORT_CONFIG.noReceiveStp, "NO_RECV_STP"],
  [PORT_CONFIG.noFlood, "NO_FLOOD"],
  [PORT_CONFIG.noForward, "NO_FWD"],
  [PORT_CONFIG.noPacketIn, "NO_PACKET_IN"],
];

/** Bits that OpenFlow 1.1 and later have no names for. */
const OLD_BITS = PORT_CONFIG.noStp | PORT_CONFIG.noReceiveStp | PORT_CONFIG.noFlood;

/** The bits of a port's configuration that a version can say. */
export function sayableBits(bits: number, version: OpenFlowVersion): number {
  return version === 10 ? bits : bits & ~OLD_BITS;
}

/** Four lines, with a space in front. */
export function describePort(port: PortView, version: OpenFlowVersion): string {
  const shown = sayableBits(port.config, version);
  const config = CONFIG_NAMES.filter(([bit]) => (shown & bit) !== 0);
  const state = !port.linkUp ? "LINK_DOWN" : version === 10 ? "0" : "LIVE";
  return [
    ` ${formatPort(port.number)}(${openFlowName(port)}): addr:${port.mac}`,
    `     config:     ${config.map(([, name]) => name).join(" ") || "0"}`,
    `     state:      ${state}`,
    "     speed: 0 Mbps now, 0 Mbps max",
    "",
  ].join("\n");
}
