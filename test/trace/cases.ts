// Flow tables and packets whose traces are compared, letter by letter, with what Open vSwitch 3.1
// prints: tables, actions, matches. Each case covers an action or a rule of the layout. The
// recorded answers lie in recorded.json; test/trace/recorded.test.ts says how they are made again.
import { on, TCP, UDP, UDP6, ARP, ICMP, TAGGED, type TraceCase } from "./case.js";
import { SWITCHING } from "./cases-switching.js";

const WALK: readonly TraceCase[] = [
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
      "udp actions=mod_dl_src:1:2:3:4:5:6,mod_dl_dst:6:5:4:3:2:1,mod_nw_src:1.2.3.4," +
        "mod_nw_dst:4.3.2.1,2",
      "icmp actions=mod_nw_tos:48,mod_nw_ecn:2,mod_nw_ttl:9,2",
      "ipv6 actions=mod_nw_tos:4,set_field:5->ipv6_label,2",
    ],
    traces: on(TCP, UDP, ICMP, UDP6),
  },
  {
    name: "IPv6 addresses are set",
    version: 15,
    flows: [
      "udp6 actions=set_field:fe80::9->ipv6_dst,set_field:::1->ipv6_src," +
        "set_field:0x12345->ipv6_label,2",
      "tcp actions=set_field:0.0.0.9/0.0.0.255->ip_dst," +
        "set_field:0a:00:00:00:00:00/ff:00:00:00:00:00->eth_src,2",
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
      "priority=40000,in_port=1,dl_vlan=5 actions=pop_vlan,2,push_vlan:0x8100," +
        "set_field:4103->vlan_vid,3",
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
      "tcp actions=load:5->NXM_NX_REG0[],load:1->NXM_NX_REG1[4..7]," +
        "load:3->OXM_OF_METADATA[],resubmit(,1)",
      "table=1,reg0=5 actions=push:NXM_NX_REG0[],pop:NXM_NX_REG2[]," +
        "move:NXM_NX_REG1[0..7]->NXM_NX_REG3[8..15],2",
      "udp actions=pop:NXM_NX_REG0[],2",
      "icmp actions=push:NXM_OF_IP_SRC[],pop:NXM_OF_IP_DST[],push:NXM_OF_IN_PORT[]," +
        "pop:NXM_NX_REG0[0..15],2",
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
      "udp actions=learn(table=1,hard_timeout=60,eth_type=0x800,nw_proto=17," +
        "udp_dst=udp_src,load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]),3",
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
];

/** All cases, in the order in which they are recorded. */
export const CASES: readonly TraceCase[] = [...WALK, ...SWITCHING];
