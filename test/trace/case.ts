// The shape of a case whose traces are compared with those of Open vSwitch 3.1, and the packets
// that most cases send.

export interface TraceCase {
  readonly name: string;
  readonly flows: readonly string[];
  readonly groups?: readonly string[];
  /** OpenFlow version by which flows are added; default 10. */
  readonly version?: 10 | 15;
  /** Port settings, in the words of ovs-vsctl: column=value by port name. */
  readonly ports?: Readonly<Record<string, readonly string[]>>;
  /** Mirrors, in the words of ovs-vsctl's `create Mirror`; ports by name. */
  readonly mirrors?: readonly MirrorCase[];
  /** Bridge settings: other-config, flood-vlans. */
  readonly bridge?: readonly string[];
  /** Arguments of mod-port, after the bridge. */
  readonly modPort?: readonly (readonly [port: string, change: string])[];
  /** Arguments of ofproto/trace. */
  readonly traces: readonly (readonly string[])[];
}

export interface MirrorCase {
  readonly name: string;
  readonly selectAll?: boolean;
  readonly sources?: readonly string[];
  readonly destinations?: readonly string[];
  readonly vlans?: readonly number[];
  readonly outputPort?: string;
  readonly outputVlan?: number;
  readonly snapLength?: number;
}

export const on = (...flows: readonly string[]): string[][] => flows.map((flow) => ["br0", flow]);

export const MACS = "dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:02";
const IPV4 = "nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64";
export const TCP = `in_port=1,tcp,${MACS},${IPV4},tcp_src=1000,tcp_dst=80`;
export const UDP = `in_port=1,udp,${MACS},${IPV4},udp_src=53,udp_dst=5353`;
export const UDP6 =
  `in_port=1,udp6,${MACS},ipv6_src=fd00::1,ipv6_dst=fd00::2,` + "nw_ttl=64,udp_src=53,udp_dst=5";
export const ARP =
  "in_port=1,arp,dl_src=50:54:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff," +
  "arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2";
export const ICMP = `in_port=1,icmp,${MACS},${IPV4},icmp_type=8,icmp_code=0`;
export const TAGGED = `in_port=1,dl_vlan=5,dl_vlan_pcp=3,${MACS},ip,nw_ttl=64`;

/** Two frames that teach NORMAL where the two hosts are. */
export const LEARN = [
  ["br0", `in_port=1,${MACS}`, "-generate"],
  ["br0", "in_port=2,dl_src=50:54:00:00:00:02,dl_dst=50:54:00:00:00:01", "-generate"],
];
