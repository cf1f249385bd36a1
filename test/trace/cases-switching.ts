// The other half of cases.ts: NORMAL, VLAN modes, mirrors, port settings, the texts of the
// datapath, refusals.
import { on, MACS, TCP, UDP, ARP, ICMP, LEARN, type TraceCase } from "./case.js";

export const SWITCHING: readonly TraceCase[] = [
  {
    name: "NORMAL: learning and flooding",
    flows: ["actions=NORMAL"],
    traces: [...on(TCP, ARP), ...LEARN, ...on(TCP, `in_port=2,${MACS}`, `in_port=3,${MACS}`)],
  },
  {
    name: "NORMAL: what is not forwarded",
    flows: ["actions=NORMAL"],
    traces: [
      ["br0", "in_port=1,dl_dst=01:80:c2:00:00:00"],
      ["br0", "in_port=1,dl_dst=01:00:0c:cc:cc:cd"],
      ["br0", "in_port=9"],
      ["br0", "in_port=1", "505400000002505400000001810020"],
      ["br0", `in_port=LOCAL,${MACS}`],
      ["br0", `in_port=CONTROLLER,${MACS}`],
    ],
  },
  {
    name: "NORMAL: BPDUs are forwarded if asked",
    bridge: ["other-config:forward-bpdu=true"],
    flows: ["actions=NORMAL"],
    traces: [["br0", "in_port=1,dl_dst=01:80:c2:00:00:00"]],
  },
  {
    name: "NORMAL: flood VLANs learn nothing",
    bridge: ["flood_vlans=5"],
    flows: ["actions=NORMAL"],
    traces: [
      ["br0", `in_port=1,dl_vlan=5,${MACS}`, "-generate"],
      ["br0", "in_port=1,dl_vlan=5"],
    ],
  },
  {
    name: "NORMAL: VLAN modes",
    flows: ["actions=NORMAL"],
    ports: {
      p1: ["tag=5"],
      p2: ["trunks=5,6"],
      p3: ["tag=5", "vlan_mode=native-untagged"],
      p4: ["tag=6", "vlan_mode=native-tagged"],
      p5: ["tag=7"],
    },
    traces: [
      ...on(`in_port=1,${MACS}`, `in_port=1,dl_vlan=5,${MACS}`),
      ...on(`in_port=1,dl_vlan=0,dl_vlan_pcp=3,${MACS}`),
      ...on(`in_port=2,${MACS}`, `in_port=2,dl_vlan=5,dl_vlan_pcp=3,${MACS}`),
      ...on(`in_port=2,dl_vlan=6,${MACS}`, `in_port=2,dl_vlan=7,${MACS}`),
      ...on(`in_port=3,${MACS}`, `in_port=3,dl_vlan=5,${MACS}`, `in_port=3,dl_vlan=7,${MACS}`),
      ...on(`in_port=4,${MACS}`, `in_port=4,dl_vlan=6,${MACS}`, `in_port=5,${MACS}`),
      ...on(`in_port=LOCAL,dl_vlan=5,${MACS}`),
      ...on(`in_port=LOCAL,${MACS}`, `in_port=LOCAL,dl_vlan=0,dl_vlan_pcp=3,${MACS}`),
    ],
  },
  {
    name: "NORMAL: priority tags",
    flows: ["actions=NORMAL"],
    ports: {
      p1: ["tag=5"],
      p2: ["tag=5", "other-config:priority-tags=true"],
      p3: ["tag=5", "other-config:priority-tags=always"],
      p4: ["tag=5", "other-config:priority-tags=if-nonzero"],
    },
    traces: on(`in_port=1,${MACS}`, `in_port=1,dl_vlan=0,dl_vlan_pcp=3,${MACS}`),
  },
  {
    name: "NORMAL: tunnels of customer VLANs",
    flows: ["actions=NORMAL"],
    ports: {
      p1: ["tag=100", "vlan_mode=dot1q-tunnel"],
      p2: ["tag=100", "vlan_mode=dot1q-tunnel", "cvlans=5,6"],
      p3: ["tag=100"],
      p4: ["trunks=100"],
    },
    traces: on(
      `in_port=1,${MACS}`,
      `in_port=1,dl_vlan=5,${MACS}`,
      `in_port=2,dl_vlan=5,${MACS}`,
      `in_port=2,dl_vlan=7,${MACS}`,
      `in_port=4,dl_vlan=100,${MACS}`,
    ),
  },
  {
    name: "protected ports",
    flows: ["tcp actions=NORMAL", "udp actions=2,3"],
    ports: { p1: ["protected=true"], p2: ["protected=true"] },
    traces: on(TCP, UDP),
  },
  {
    name: "ports that do not flood, forward, receive",
    flows: ["tcp actions=NORMAL", "udp actions=flood", "icmp actions=all,2,3"],
    modPort: [
      ["p2", "no-flood"],
      ["p3", "no-forward"],
      ["p4", "no-receive"],
    ],
    traces: on(TCP, UDP, ICMP, UDP.replace("in_port=1", "in_port=4")),
  },
  {
    name: "mirrors: all packets, to a port",
    flows: ["in_port=1 actions=output:2", "in_port=2 actions=drop", "in_port=3 actions=output:1"],
    mirrors: [{ name: "m0", selectAll: true, outputPort: "p3" }],
    traces: on(TCP, `in_port=2,${MACS}`, `in_port=3,${MACS}`, MACS),
  },
  {
    name: "mirrors: sources and destinations, cut",
    flows: ["in_port=1 actions=mod_vlan_vid:7,output:2", "in_port=2 actions=output:1,output:4"],
    mirrors: [
      { name: "m0", sources: ["p1"], outputPort: "p3" },
      { name: "m1", destinations: ["p1"], outputPort: "p5", snapLength: 100 },
    ],
    traces: on(`in_port=1,${MACS}`, `in_port=2,${MACS}`),
  },
  {
    name: "mirrors: of a VLAN",
    flows: ["actions=NORMAL"],
    ports: { p1: ["tag=5"], p2: ["tag=5"] },
    mirrors: [{ name: "m0", selectAll: true, vlans: [5], outputPort: "p3" }],
    traces: on(`in_port=1,${MACS}`, `in_port=4,dl_vlan=6,${MACS}`, `in_port=4,dl_vlan=5,${MACS}`),
  },
  {
    name: "mirrors: into a VLAN",
    flows: ["in_port=1 actions=output:2", "in_port=2 actions=NORMAL"],
    ports: { p4: ["tag=17"] },
    mirrors: [{ name: "m0", selectAll: true, outputVlan: 17 }],
    traces: on(`in_port=1,${MACS}`, `in_port=2,${MACS}`, `in_port=1,dl_dst=01:80:c2:00:00:00`),
  },
  {
    name: "ports by name",
    flows: ["in_port=1,tcp actions=output:2,IN_PORT,NORMAL", "in_port=1,udp actions=flood"],
    traces: [
      ["br0", "--names", TCP],
      ["br0", UDP.replace("in_port=1", "in_port=p1"), "--names"],
      ["--names", "in_port(p1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x1234)"],
    ],
  },
  {
    name: "flows of the datapath",
    flows: [
      "tcp actions=2",
      "arp actions=3",
      "icmp6 actions=4",
      "priority=40000,dl_vlan=5 actions=5",
    ],
    traces: [
      [
        "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0800)," +
          "ipv4(src=10.0.0.1,dst=10.0.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=9)",
      ],
      [
        "ovs-dummy",
        "in_port(2),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0806)," +
          "arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha=50:54:00:00:00:01,tha=00:00:00:00:00:00)",
      ],
      [
        "skb_priority(0),skb_mark(0x5),recirc_id(0),in_port(1)," +
          "eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x86dd)," +
          "ipv6(src=fe80::1,dst=fe80::2,label=0,proto=58,tclass=0,hlimit=255,frag=no)," +
          "icmpv6(type=135,code=0),nd(target=fe80::2,sll=50:54:00:00:00:01," +
          "tll=00:00:00:00:00:00)",
      ],
      [
        "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x8100)," +
          "vlan(vid=5,pcp=2),encap(eth_type(0x0800),ipv4(src=10.0.0.1,proto=17,frag=no)," +
          "udp(src=1,dst=2))",
      ],
      ["in_port(100)"],
    ],
  },
  {
    name: "refusals",
    flows: ["actions=drop"],
    traces: [
      [],
      ["in_port=1"],
      ["nope", "in_port(1)"],
      ["nope", "in_port=1"],
      ["br0", "in_port(1)"],
      ["in_port(9)"],
      ["in_port(px)"],
      ["in_port(1),garbage(5)"],
      ["recirc_id(0)"],
      ["br0", "in_port=1", "ffff"],
      ["br0", "in_port=1", "ffzz"],
      ["br0", "in_port=1", "a", "b"],
      ["br0", "--bogus", "in_port=1"],
      ["br0", "in_port=nope"],
      ["br0", "foo=1"],
      ["br0", "tcp,udp"],
      ["br0", "in_port=1,in_port=2"],
      ["br0", "nw_src=1.2.3.4"],
      ["br0", "tcp,tcp_flags=+syn"],
      ["br0", "ip,nw_frag=yes"],
      ["br0", "dl_src=1:2"],
      ["br0", "in_port=1", "-generate", "ffff"],
      ["--ct-next"],
      ["--ct-next", "foo", "br0", "in_port=1"],
      ["--ct-next", "new", "br0", "in_port=1"],
      ["--ct-next", "trk,new,est,rpl,inv", "br0", "in_port=1"],
      ["--l7", "xx", "br0", "in_port=1"],
      ["--l7-len", "70000", "br0", "in_port=1"],
    ],
  },
];
