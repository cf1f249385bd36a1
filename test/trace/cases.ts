// Flow tables and packets whose traces are compared, letter by letter, with what Open vSwitch 3.1
// prints. Each case covers an action or a rule of the layout. The recorded answers lie in
// recorded.json; test/trace/recorded.test.ts says how they are made again.

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

const on = (...flows: readonly string[]): string[][] => flows.map((flow) => ["br0", flow]);

const MACS = "dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:02";
const TCP = `in_port=1,tcp,${MACS},nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tcp_src=1000,tcp_dst=80`;
const UDP = `in_port=1,udp,${MACS},nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,udp_src=53,udp_dst=5353`;
const UDP6 = `in_port=1,udp6,${MACS},ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=64,udp_src=53,udp_dst=5`;
const ARP = `in_port=1,arp,dl_src=50:54:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2`;
const ICMP = `in_port=1,icmp,${MACS},nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,icmp_type=8,icmp_code=0`;
const TAGGED = `in_port=1,dl_vlan=5,dl_vlan_pcp=3,${MACS},ip,nw_ttl=64`;

/** Two frames that teach NORMAL where the two hosts are. */
const LEARN = [
  ["br0", `in_port=1,${MACS}`, "-generate"],
  ["br0", "in_port=2,dl_src=50:54:00:00:00:02,dl_dst=50:54:00:00:00:01", "-generate"],
];

export const CASES: readonly TraceCase[] = [
  {
    name: "tables that match and tables that do not",
    flows: [
      "priority=7,tcp,tcp_dst=80 actions=drop",
      "cookie=0x5,udp actions=resubmit(,3)",
      "table=3,priority=0 actions=drop",
    ],
    traces: on(TCP, UDP, ARP, ICMP),
  },
  {
    name: "outputs",
    flows: [
      "tcp actions=output:2,3",
      "udp actions=output:1,in_port,all",
      "icmp actions=flood,local",
      "arp actions=output:9,2",
      "ipv6 actions=load:2->NXM_NX_REG0[],output:NXM_NX_REG0[0..15],output:NXM_NX_REG1[]",
    ],
    traces: on(TCP, UDP, ICMP, ARP, UDP6),
  },
  {
    name: "outputs cut short",
    flows: ["tcp actions=output(port=2,max_len=64),3", "udp actions=output(port=1,max_len=64),2"],
    traces: on(TCP, UDP),
  },
  {
    name: "resubmit: tails are not indented further",
    flows: [
      "tcp actions=resubmit(,1)",
      "table=1 actions=resubmit(,2)",
      "table=2 actions=2",
      "udp actions=resubmit(,1),resubmit(,2),3",
      "icmp actions=resubmit:2,resubmit(3,1),4",
      "in_port=2,icmp actions=5",
      "arp actions=resubmit(,77)",
    ],
    traces: on(TCP, UDP, ICMP, ARP),
  },
  {
    name: "resubmit without end",
    flows: [
      "tcp actions=resubmit(,0)",
      "udp actions=2,resubmit(,1)",
      "table=1 actions=resubmit(,0)",
    ],
    traces: on(TCP, UDP),
  },
  {
    name: "Ethernet and IP fields are set",
    flows: [
      "tcp actions=mod_dl_src:1:2:3:4:5:6,2",
      "udp actions=mod_dl_src:1:2:3:4:5:6,mod_dl_dst:6:5:4:3:2:1,mod_nw_src:1.2.3.4,mod_nw_dst:4.3.2.1,2",
      "icmp actions=mod_nw_tos:48,mod_nw_ecn:2,mod_nw_ttl:9,2",
      "ipv6 actions=mod_nw_tos:4,set_field:5->ipv6_label,2",
    ],
    traces: on(TCP, UDP, ICMP, UDP6),
  },
  {
    name: "IPv6 addresses are set",
    version: 15,
    flows: [
      "udp6 actions=set_field:fe80::9->ipv6_dst,set_field:::1->ipv6_src,set_field:0x12345->ipv6_label,2",
      "tcp actions=set_field:0.0.0.9/0.0.0.255->ip_dst,set_field:0a:00:00:00:00:00/ff:00:00:00:00:00->eth_src,2",
    ],
    traces: on(UDP6, TCP),
  },
  {
    name: "ports are set",
    flows: [
      "tcp actions=mod_tp_src:7,2",
      "udp actions=mod_tp_src:7,mod_tp_dst:9,2,mod_tp_dst:10,3",
      "icmp actions=load:3->NXM_OF_ICMP_TYPE[],2",
    ],
    traces: on(TCP, UDP, ICMP),
  },
  {
    name: "ARP fields are set",
    flows: [
      "arp actions=load:2->NXM_OF_ARP_OP[],move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]," +
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],load:0x0a000009->NXM_OF_ARP_SPA[],in_port",
    ],
    traces: on(ARP),
  },
  {
    name: "a set to the same value leaves no action",
    flows: ["tcp actions=mod_dl_src:50:54:00:00:00:01,mod_nw_ttl:64,mod_tp_dst:80,2"],
    traces: on(TCP),
  },
  {
    name: "dec_ttl",
    flows: ["ip actions=dec_ttl,2", "ipv6 actions=dec_ttl(1,2),2", "arp actions=dec_ttl,2"],
    traces: on(TCP, UDP6, ARP, TCP.replace("nw_ttl=64", "nw_ttl=1")),
  },
  {
    name: "dec_ttl ends the list but not its caller",
    flows: ["tcp actions=resubmit(,1),3", "table=1,tcp actions=dec_ttl,2"],
    traces: on(TCP.replace("nw_ttl=64", "nw_ttl=1")),
  },
  {
    name: "VLAN tags come and go",
    version: 15,
    flows: [
      "in_port=1,tcp actions=push_vlan:0x8100,set_field:4101->vlan_vid,2,pop_vlan,3",
      "in_port=1,udp actions=2,push_vlan:0x88a8,2",
      "priority=40000,in_port=1,dl_vlan=5 actions=pop_vlan,2,push_vlan:0x8100,set_field:4103->vlan_vid,3",
      "in_port=1,arp actions=push_vlan:0x8100,2,push_vlan:0x88a8,3",
      "in_port=1,icmp actions=push_vlan:0x8100,set_field:4105->vlan_vid,set_field:1->vlan_pcp,2",
    ],
    traces: on(TCP, UDP, TAGGED, ARP, ICMP),
  },
  {
    name: "VLAN ids of OpenFlow 1.0",
    flows: [
      "in_port=1,tcp actions=mod_vlan_vid:5,2,strip_vlan,3",
      "in_port=1,udp actions=mod_vlan_pcp:3,2",
      "priority=40000,in_port=1,dl_vlan=5 actions=strip_vlan,2,mod_vlan_vid:7,3",
    ],
    traces: on(TCP, UDP, TAGGED),
  },
  {
    name: "VLAN matches",
    flows: [
      "priority=5,dl_vlan=5 actions=2",
      "priority=4,vlan_tci=0x1000/0x1000 actions=3",
      "priority=3,dl_vlan=0xffff,ip actions=4",
      "priority=2,dl_vlan_pcp=3 actions=5",
    ],
    traces: on(TAGGED, TAGGED.replace("dl_vlan=5", "dl_vlan=6"), TCP, ARP),
  },
  {
    name: "two tags",
    flows: ["in_port=1 actions=strip_vlan,2", "in_port=2 actions=strip_vlan,strip_vlan,3"],
    traces: [
      [
        "br0",
        "in_port=1",
        "50540000000250540000000188a8200581000006080045000014000000004011000000000000000000",
      ],
      ["br0", "in_port=2", "50540000000250540000000181002005810000060806"],
    ],
  },
  {
    name: "registers, metadata, the stack",
    flows: [
      "tcp actions=load:5->NXM_NX_REG0[],load:1->NXM_NX_REG1[4..7],load:3->OXM_OF_METADATA[],resubmit(,1)",
      "table=1,reg0=5 actions=push:NXM_NX_REG0[],pop:NXM_NX_REG2[],move:NXM_NX_REG1[0..7]->NXM_NX_REG3[8..15],2",
      "udp actions=pop:NXM_NX_REG0[],2",
      "icmp actions=push:NXM_OF_IP_SRC[],pop:NXM_OF_IP_DST[],push:NXM_OF_IN_PORT[],pop:NXM_NX_REG0[0..15],2",
    ],
    traces: on(TCP, UDP, ICMP, `${TCP},reg5=9,metadata=0x10`),
  },
  {
    name: "queues",
    flows: ["tcp actions=enqueue:2:1,3", "udp actions=set_queue:3,2,pop_queue,3"],
    traces: on(TCP, UDP),
  },
  {
    name: "to the controller",
    flows: [
      "tcp actions=CONTROLLER:65535",
      "udp,nw_src=10.0.0.1 actions=controller(max_len=100,id=7),2",
      "icmp actions=mod_nw_tos:8,controller(reason=no_match),2",
    ],
    traces: on(TCP, UDP, ICMP),
  },
  {
    name: "note, exit, clone",
    flows: [
      "tcp actions=note:11.22.33.44.55.66,2,exit,3",
      "udp actions=resubmit(,1),3",
      "table=1 actions=2,exit",
      "icmp actions=clone(mod_nw_ttl:3,2),3",
      "arp actions=clone(resubmit(,1)),3",
    ],
    traces: on(TCP, UDP, ICMP, ARP),
  },
  {
    name: "goto_table and the action set",
    version: 15,
    flows: [
      "tcp actions=write_actions(output:2,dec_ttl),goto_table:1",
      "udp actions=write_actions(set_field:9.9.9.9->ip_dst,output:3),goto_table:2",
      "table=1 actions=output:4,clear_actions",
      "table=2 actions=write_metadata:0x7/0xf,goto_table:3",
      "table=3,metadata=0x7/0xf actions=set_field:3->reg0",
      "icmp actions=write_actions(output:2,group:1),write_metadata:5",
    ],
    groups: ["group_id=1,type=all,bucket=output:3"],
    traces: on(TCP, UDP, ICMP),
  },
  {
    name: "groups: all and indirect",
    version: 15,
    groups: [
      "group_id=1,type=all,bucket=set_field:00:00:00:00:00:05->eth_src,output:2,bucket=output:3",
      "group_id=2,type=indirect,bucket=dec_ttl,output:4",
      "group_id=3,type=all",
    ],
    flows: ["tcp actions=group:1,output:5", "udp actions=group:2,output:5", "icmp actions=group:3"],
    traces: on(TCP, UDP, ICMP, ARP),
  },
  {
    name: "groups: fast failover",
    version: 15,
    groups: [
      "group_id=1,type=ff,bucket=watch_port:2,output:2,bucket=watch_port:3,output:3",
      "group_id=2,type=ff,bucket=watch_port:77,output:2,bucket=watch_port:3,output:3",
      "group_id=3,type=ff",
    ],
    flows: ["tcp actions=group:1", "udp actions=group:2", "icmp actions=group:3,output:5"],
    traces: on(TCP, UDP, ICMP),
  },
  {
    name: "groups: one in another",
    version: 15,
    groups: [
      "group_id=2,type=all,bucket=output:2,bucket=output:3",
      "group_id=1,type=all,bucket=group:2,bucket=set_field:1->reg0,resubmit(,1)",
    ],
    flows: ["tcp actions=group:1,output:5", "table=1,reg0=1 actions=output:4"],
    traces: on(TCP, UDP),
  },
  {
    name: "learn without side effects",
    flows: [
      "tcp actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),2",
      "udp actions=learn(table=1,hard_timeout=60,eth_type=0x800,nw_proto=17,udp_dst=udp_src,load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]),3",
    ],
    traces: on(TCP, UDP),
  },
  {
    name: "the connection tracker",
    flows: [
      "priority=9,tcp,ct_state=-trk actions=ct(table=1)",
      "table=1,ct_state=+trk+new,tcp actions=ct(commit),2",
      "table=1,ct_state=+trk+est,tcp actions=3",
      "udp actions=ct(commit,zone=5,exec(load:0x9->NXM_NX_CT_MARK[])),2",
      "icmp actions=ct(zone=7,table=1),ct_clear,3",
    ],
    traces: [
      ...on(TCP, UDP, ICMP),
      ["br0", TCP, "--ct-next", "trk,est"],
      ["br0", "--ct-next", "trk,est,rpl", TCP],
    ],
  },
  {
    name: "translated addresses",
    flows: [
      "tcp actions=ct(commit,table=1,nat(src=1.1.1.1-1.1.1.9:100-200))",
      "udp actions=ct(commit,table=1,nat(dst=2.2.2.2))",
      "icmp actions=ct(table=1,nat)",
      "udp6 actions=ct(commit,table=1,nat(src=fd00::9))",
      "table=1,priority=0 actions=2",
      "table=1,tcp,nw_src=1.1.1.1,tp_src=100 actions=3",
    ],
    traces: on(TCP, UDP, ICMP, UDP6),
  },
  {
    name: "conjunctive matches",
    flows: [
      "nw_src=10.0.0.1,ip actions=conjunction(1,1/2)",
      "nw_src=10.0.0.3,ip actions=conjunction(1,1/2)",
      "tcp,tcp_dst=80 actions=conjunction(1,2/2)",
      "conj_id=1,ip actions=2",
      "priority=1 actions=3",
    ],
    traces: on(TCP, UDP),
  },
  {
    name: "matches: addresses under masks, fragments, flags",
    flows: [
      "priority=9,ip,nw_src=10.0.0.0/8,nw_dst=10.0.0.0/255.0.0.255 actions=2",
      "priority=8,tcp,tcp_flags=+syn-ack actions=3",
      "priority=7,tcp,tcp_src=0x3e8/0xfff8 actions=4",
      "priority=6,ip,nw_frag=later actions=5",
      "priority=5,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=2",
      "priority=4,ipv6,ipv6_src=fd00::/16 actions=3",
      "priority=3,icmp,icmp_type=8 actions=4",
    ],
    traces: on(
      TCP,
      TCP.replace("nw_src=10.0.0.1", "nw_src=11.0.0.1"),
      TCP.replace("nw_src=10.0.0.1", "nw_src=11.0.0.1") + ",tcp_flags=syn",
      "in_port=1,ip,nw_frag=later,nw_proto=6,nw_src=11.0.0.1",
      ARP,
      UDP6,
      ICMP.replace("nw_dst=10.0.0.2", "nw_dst=9.0.0.2"),
    ),
  },
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
          "icmpv6(type=135,code=0),nd(target=fe80::2,sll=50:54:00:00:00:01,tll=00:00:00:00:00:00)",
      ],
      [
        "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x8100)," +
          "vlan(vid=5,pcp=2),encap(eth_type(0x0800),ipv4(src=10.0.0.1,proto=17,frag=no),udp(src=1,dst=2))",
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
