// The two protocol tables of the cap package, as data: EtherTypes (IEEE) and IP protocol numbers
// (IANA). Read by index.js, on any thread; never written after load.

const ETHER_TYPES = {
  IPV4: 0x0800,
  "X.75": 0x0801,
  CHAOSNET: 0x0804,
  "X.25": 0x0805,
  ARP: 0x0806,
  "ARP-RELAY": 0x0808,
  TRILL: 0x22f3,
  "L2-IS-IS": 0x22f4,
  "ARP-REVERSE": 0x8035,
  APPLETALK: 0x809b,
  "APPLETALK-AARP": 0x80f3,
  VLAN: 0x8100,
  SNMP: 0x814c,
  XTP: 0x817d,
  IPV6: 0x86dd,
  "TCPIP-COMPRESS": 0x876b,
  PPP: 0x880b,
  GSMP: 0x880c,
  "PPPOE-DISCOVER": 0x8863,
  "PPPOE-SESSION": 0x8864,
  LOOPBACK: 0x9000,
};

// Place in the list = protocol number. An empty text is a number without a name; "|" separates two
// names of one number, the later of which names the number.
const IP_PROTOCOLS = [
  "HOPOPT",
  "ICMP",
  "IGMP",
  "GGP",
  "IPV4",
  "ST",
  "TCP",
  "CBT", // 0
  "EGP",
  "IGP",
  "BBN-RCC-MON",
  "NVP-II",
  "PUP",
  "ARGUS",
  "EMCON",
  "XNET", // 8
  "CHAOS",
  "UDP",
  "MUX",
  "DCN-MEAS",
  "HMP",
  "PRM",
  "XNS-IDP",
  "TRUNK-1", // 16
  "TRUNK-2",
  "LEAF-1",
  "LEAF-2",
  "RDP",
  "IRTP",
  "ISO-TP4",
  "NETBLT",
  "MFE-NSP", // 24
  "MERIT-INP",
  "DCCP",
  "3PC",
  "IDPR",
  "XTP",
  "DDP",
  "IDPR-CMTP",
  "TP++", // 32
  "IL",
  "IPV6",
  "SDRP",
  "IPV6-ROUTE",
  "IPV6-FRAG",
  "IDRP",
  "RSVP",
  "GRE", // 40
  "DSR",
  "BNA",
  "ESP",
  "AH",
  "I-NLSP",
  "SWIPE",
  "NARP",
  "MOBILE", // 48
  "TLSP",
  "SKIP",
  "ICMPV6",
  "IPV6-NONXT",
  "IPV6-OPTS",
  "",
  "CFTP",
  "", // 56
  "SAT-EXPAK",
  "KRYPTOLAN",
  "RVD",
  "IPPC",
  "",
  "SAT-MON",
  "VISA",
  "IPCV", // 64
  "CPNX",
  "CPHB",
  "WSN",
  "PVP",
  "BR-SAT-MON",
  "SUN-ND",
  "WB-MON",
  "WB-EXPAK", // 72
  "ISO-IP",
  "VMTP",
  "SECURE-VMTP",
  "VINES",
  "TTP|IPTM",
  "NSFNET-IGP",
  "DGP",
  "TCF", // 80
  "EIGRP",
  "OSPFIGP",
  "SPRITE-RPC",
  "LARP",
  "MTP",
  "AX.25",
  "IPIP",
  "MICP", // 88
  "SCC-SP",
  "ETHERIP",
  "ENCAP",
  "",
  "GMTP",
  "IFMP",
  "PNNI",
  "PIM", // 96
  "ARIS",
  "SCPS",
  "QNX",
  "A/N",
  "IPCOMP",
  "SNP",
  "COMPAQ-PEER",
  "IPX-IN-IP", // 104
  "VRRP",
  "PGM",
  "",
  "L2TP",
  "DDX",
  "IATP",
  "STP",
  "SRP", // 112
  "UTI",
  "SMP",
  "SM",
  "PTP",
  "ISIS",
  "FIRE",
  "CRTP",
  "CRUDP", // 120
  "SSCOPMCE",
  "IPLT",
  "SPS",
  "PIPE",
  "SCTP",
  "FC",
  "RSVP-E2E-IGNORE",
  "MOBILITY HEADER", // 128
  "UDPLITE",
  "MPLS-IN-IP",
  "MANET",
  "HIP",
  "SHIM6",
  "WESP",
  "ROHC", // 136
];

/** Both directions in one object, as cap has it: name -> number and number -> name. */
function bothWays(pairs) {
  const table = {};
  for (const [name, number] of pairs) table[name] = number;
  for (const [name, number] of pairs) table[number] = name;
  return table;
}

export const PROTOCOL = {
  ETHERNET: bothWays(Object.entries(ETHER_TYPES)),
  IP: bothWays(
    IP_PROTOCOLS.flatMap((names, number) =>
      names === "" ? [] : names.split("|").map((name) => [name, number]),
    ),
  ),
};
