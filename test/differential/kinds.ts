// What a switch can be set up with beside flows: the kinds of cases that the fuzzer makes. A kind
// adds command lines, changes flows and groups so that they meet what the lines set up, and says
// what teaches the switch before packets are compared.
import type { Random } from "../../src/base/random.js";
import type { Version } from "./actions.js";
import { frameText, oddFrameText } from "./frames.js";
import { BRIDGE, PEER_BRIDGE, PORTS } from "./ovs.js";
import { packetText, randomPacket } from "./packets.js";

/** In the order in which they are drawn. */
export const KINDS = [
  "vlan",
  "mirrors",
  "learned",
  "select",
  "meters",
  "fragments",
  "vlan-limit",
  "patch",
  "frames",
] as const;
export type Kind = (typeof KINDS)[number];

/** The parts of a case that kinds change. */
export interface Parts {
  readonly version: Version;
  flows: string[];
  groups: string[];
  /** Command lines of the tools, done on a fresh bridge. */
  setup: string[];
  /**
   * Arguments of `ofproto/trace` behind the bridge, traced with side effects one by one; or command
   * lines of ovs-ofctl.
   */
  taught: string[];
  /** Flows of the bridge at the other end of a patch cable. */
  peerFlows: string[];
}

/** Commands on what was learned, done between packets that teach. */
const CHANGES = [
  `del-flows ${BRIDGE} table=9`,
  `del-flows ${BRIDGE} table=9,eth_src=02:00:00:00:00:01`,
  `del-flows ${BRIDGE} table=9,out_port=1`,
  `del-flows ${BRIDGE} cookie=0x5/-1`,
  `del-flows ${BRIDGE} table=0,ip`,
  `del-flows ${BRIDGE} table=1`,
  `mod-flows ${BRIDGE} table=9,actions=output:2`,
  `mod-flows ${BRIDGE} table=9,ip,cookie=0x7,actions=resubmit(,3)`,
  `-OOpenFlow13 mod-flows ${BRIDGE} table=9,cookie=0x1/0x1,actions=drop`,
  `-OOpenFlow15 mod-flows ${BRIDGE} table=0,arp,actions=learn(table=9,eth_src),output:3`,
  `--strict del-flows ${BRIDGE} table=0,priority=0`,
];
const VLANS = [1, 2, 100];
const port = (random: Random): string => `p${1 + random.below(PORTS)}`;
const some = (random: Random, all: readonly number[]): string =>
  all.filter(() => random.below(2) === 0).join(",") || String(all[0]);

const MAKE: Readonly<Record<Kind, (random: Random, parts: Parts) => void>> = {
  vlan: (random, parts) => {
    for (let n = 1; n <= PORTS; n++) {
      if (random.below(3) > 0) parts.setup.push(`ovs-vsctl set Port p${n} ${vlanOf(random)}`);
    }
    if (random.below(4) === 0) {
      parts.setup.push(`ovs-vsctl set Bridge ${BRIDGE} flood_vlans=${some(random, VLANS)}`);
    }
    if (random.below(4) === 0) {
      parts.setup.push(`ovs-vsctl set Bridge ${BRIDGE} other-config:forward-bpdu=true`);
    }
    switchMore(random, parts);
  },
  mirrors: (random, parts) => {
    // Copies into a VLAN go out in the order of a hash table, and which of them another mirror
    // sees first depends on it: such a mirror is alone.
    // Of two to one port, it decides whether the copy is cut.
    const isPort = random.below(3) > 0;
    const count = isPort ? 1 + random.below(2) : 1;
    for (let n = count; n > 0; n--) {
      parts.setup.push(mirror(random, `m${n}`, { isPort, mayCut: isPort && count === 1 }));
    }
    switchMore(random, parts);
  },
  learned: (random, parts) => {
    for (let n = 3 + random.below(8); n > 0; n--) {
      const frame = random.below(3) === 0;
      parts.taught.push(
        frame ? frameText(random) : `${packetText(randomPacket(random))} -generate`,
      );
      if (random.below(4) === 0) parts.taught.push(`ovs-ofctl ${random.pick(CHANGES)}`);
    }
    switchMore(random, parts);
  },
  select: (random, parts) => {
    if (parts.version === 10) return;
    parts.groups = parts.groups.map((group) => selecting(random, group));
  },
  meters: (random, parts) => {
    if (parts.version === 10) return;
    for (const id of [1, 7]) {
      const rate = `${random.pick(["kbps", "pktps", "kbps,burst"])},band=type=drop,rate=100`;
      const line = `ovs-ofctl -OOpenFlow15 add-meter ${BRIDGE} meter=${id},${rate}`;
      parts.setup.push(rate.includes("burst") ? `${line},burst_size=200` : line);
    }
    parts.flows = parts.flows.map((flow) => {
      const isMetered = random.below(3) === 0 && !/=(drop|conj)/.test(flow);
      const limited = flow.replaceAll(
        "controller(",
        () => `controller(meter_id=${random.pick([1, 7])},`,
      );
      return isMetered
        ? limited.replace(" actions=", ` actions=meter:${random.pick([1, 7])},`)
        : limited;
    });
  },
  fragments: (random, parts) => {
    const mode = random.pick(["drop", "nx-match", "normal"]);
    parts.setup.push(`ovs-ofctl set-frags ${BRIDGE} ${mode}`);
  },
  "vlan-limit": (random, parts) => {
    parts.setup.push(`ovs-vsctl set Open_vSwitch . other-config:vlan-limit=${random.below(3)}`);
    for (let n = 3 + random.below(4); n > 0; n--) parts.taught.push(frameText(random));
  },
  frames: (random, parts) => {
    for (let n = 10; n > 0; n--) parts.taught.push(oddFrameText(random));
  },
  patch: (random, parts) => {
    const cable = (name: string, peer: string): string =>
      `set Interface ${name} type=patch options:peer=${peer}`;
    const peerPort = (name: string, number: number): string =>
      `add-port ${PEER_BRIDGE} ${name} -- set Interface ${name} ofport_request=${number}`;
    parts.setup.push(
      [
        `ovs-vsctl add-br ${PEER_BRIDGE}`,
        `set Bridge ${PEER_BRIDGE} datapath-type=dummy fail-mode=secure`,
        ...[`${peerPort("q11", 1)} type=dummy`, `${peerPort("q12", 2)} type=dummy`],
        ...[peerPort("q15", 5), cable("q15", `p${PORTS}`), cable(`p${PORTS}`, "q15")],
      ].join(" -- "),
    );
    if (random.below(3) === 0) parts.setup.push(`ovs-vsctl set Port q11 ${vlanOf(random)}`);
    const actions = ["normal", "in_port", "flood", "output:1", "mod_vlan_vid:2,normal", "output:5"];
    for (let n = random.below(3); n >= 0; n--) {
      const match = random.pick(["", "in_port=5,", "arp,", "ip,", "dl_vlan=1,"]);
      const first = random.pick(["", "mod_dl_src:02:00:00:00:00:09,", "resubmit(,1),"]);
      parts.peerFlows.push(`${match}priority=${n} actions=${first}${random.pick(actions)}`);
    }
    switchMore(random, parts);
  },
};

/** Draws kinds among these, most often one or two, and makes the parts what they say. */
export function addKinds(random: Random, parts: Parts, kinds: readonly Kind[]): Kind[] {
  const count = kinds.length === 0 ? 0 : random.pick([0, 1, 1, 2, 2, 3]);
  const drawn = new Set(Array.from({ length: count }, () => random.pick(kinds)));
  const chosen = KINDS.filter((kind) => drawn.has(kind));
  for (const kind of chosen) MAKE[kind](random, parts);
  return chosen;
}

function vlanOf(random: Random): string {
  const tag = `tag=${random.pick(VLANS)}`;
  const trunks = random.below(2) === 0 ? ` trunks=${some(random, [1, 0, 2, 100])}` : "";
  const priority = ["never", "if-nonzero", "always", "true"];
  const more = random.below(3) > 0 ? "" : ` other-config:priority-tags=${random.pick(priority)}`;
  const guarded = random.below(6) === 0 ? " protected=true" : "";
  switch (random.below(5)) {
    case 0:
      return `vlan_mode=access ${tag}${more}${guarded}`;
    case 1:
      return `vlan_mode=trunk${trunks}${more}${guarded}`;
    case 2:
      return `vlan_mode=native-tagged ${tag}${trunks}${more}${guarded}`;
    case 3:
      return `vlan_mode=native-untagged ${tag}${trunks}${more}${guarded}`;
    default: {
      const customers = random.below(2) === 0 ? ` cvlans=${some(random, [1, 0, 2, 100])}` : "";
      const type = random.pick(["", " other-config:qinq-ethtype=802.1q"]);
      return `vlan_mode=dot1q-tunnel ${tag}${customers}${type}${guarded}`;
    }
  }
}

function mirror(
  random: Random,
  name: string,
  { isPort, mayCut }: { isPort: boolean; mayCut: boolean },
): string {
  const ids = new Map<string, string>();
  const ref = (): string => {
    const one = port(random);
    ids.set(one, `@${name}${one}`);
    return ids.get(one)!;
  };
  const columns: string[] = [];
  if (random.below(5) === 0) columns.push("select-all=true");
  if (random.below(2) === 0) columns.push(`select-src-port=${ref()}`);
  if (random.below(2) === 0) columns.push(`select-dst-port=${ref()}`);
  if (random.below(3) === 0) columns.push(`select-vlan=${some(random, [1, 0, 2, 100])}`);
  const output = isPort ? `output-port=${ref()}` : `output-vlan=${random.pick([1, 9])}`;
  // Of copies into a VLAN, Open vSwitch cuts those that its hash table has first.
  if (mayCut && random.below(4) === 0) columns.push(`snaplen=${random.pick([14, 64])}`);
  const commands = [
    ...[...ids].map(([one, id]) => `--id=${id} get Port ${one}`),
    `--id=@${name} create Mirror name=${name} ${[...columns, output].join(" ")}`,
    `add Bridge ${BRIDGE} mirrors @${name}`,
  ];
  return `ovs-vsctl ${commands.join(" -- ")}`;
}

/** A select group in which one bucket at most is alive: the others are not chosen by a hash. */
function selecting(random: Random, group: string): string {
  const [head, ...buckets] = group.split(",bucket=");
  const actions = buckets.map((bucket) => bucket.replace(/^watch_port:\d+,/, ""));
  const method = random.pick([
    "",
    ",selection_method=dp_hash",
    ",selection_method=hash,fields(ip_src)",
    ",selection_method=hash,fields(eth_dst,ip_dst)",
  ]);
  const alive = random.below(actions.length);
  const all = actions.map((bucket, i) => {
    if (i === alive) return `,bucket=${random.pick(["", "weight:5,", "watch_port:1,"])}${bucket}`;
    return `,bucket=${random.pick(["weight:0,", "watch_port:9,"])}${bucket}`;
  });
  const id = /^group_id=\d+/.exec(head!)![0];
  return `${id},type=select${method}${all.join("")}`;
}

/** Flows that make the bridge switch: of what random flows do, half is NORMAL. */
function switchMore(random: Random, parts: Parts): void {
  parts.flows = parts.flows.map((flow) => {
    const isPlain = !/conj|ct_/.test(flow) && random.below(2) === 0;
    return isPlain ? flow.replace(/ actions=.*/, " actions=normal") : flow;
  });
  const all = "table=0,priority=0 actions=normal";
  if (!parts.flows.includes(all)) parts.flows.push(all);
}
