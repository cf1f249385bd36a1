// Port mirroring (Open vSwitch 3.1, ofproto-dpif-mirror.c and mirror_packet in
// ofproto-dpif-xlate.c; ovs-vswitchd.conf.db(5), Mirror): copies of packets that come from, or go
// to, selected ports or VLANs, sent to a port or into a VLAN. Kept in the port table's shared
// memory. The control thread writes; the translation of each worker reads.
import { MIRRORS_MAX, VLAN_SET_WORDS, type PortTable } from "../ports.js";

/** A mirror as configured. */
export interface Mirror {
  readonly name: string;
  /** All packets of all ports, whatever `sources` and `destinations` say. */
  readonly selectAll: boolean;
  /** Ports whose packets are copied as they come in. */
  readonly sources: readonly number[];
  /** Ports whose packets are copied as they go out. */
  readonly destinations: readonly number[];
  /** Only packets of these VLANs; empty: of all. */
  readonly vlans: readonly number[];
  /** The copies go to this port, which then takes no other traffic; null: see `outputVlan`. */
  readonly outputPort: number | null;
  /** The copies are flooded in this VLAN (RSPAN). */
  readonly outputVlan: number | null;
  /** Copies are cut to so many bytes, 14 to 65535; 0: whole. */
  readonly snapLength: number;
}

/** Words of a mirror. */
const AT = { used: 0, outPort: 1, outVlan: 2, snapLength: 3, hasVlans: 4, same: 5, vlans: 8 };

/** One mirror, as the translation sees it. */
export interface MirrorView {
  /** 0: none. */
  readonly outPort: number;
  readonly outVlan: number;
  readonly snapLength: number;
  readonly hasVlans: boolean;
  /** Bits of all mirrors with the same output: a packet is copied once for all of them. */
  readonly same: number;
}

/**
 * Replaces all mirrors of a switch. Control thread only. A mirror without an output is kept out,
 * as Open vSwitch does; one that selects nothing still has its output port for itself.
 * @param mirrors at most MIRRORS_MAX.
 */
export function setMirrors(ports: PortTable, mirrors: readonly Mirror[]): void {
  for (let i = 0; i < MIRRORS_MAX; i++) ports.mirrorWords(i).fill(0);
  const used = mirrors.slice(0, MIRRORS_MAX).filter(hasOutput);
  used.forEach((mirror, i) => {
    const words = ports.mirrorWords(i);
    words[AT.outPort] = mirror.outputPort ?? 0;
    words[AT.outVlan] = mirror.outputVlan ?? -1;
    words[AT.snapLength] = mirror.snapLength;
    words[AT.hasVlans] = mirror.vlans.length > 0 ? 1 : 0;
    words[AT.same] = bitsOf(used, (other) => sameOutput(mirror, other));
    for (const id of mirror.vlans) words[AT.vlans + (id >> 5)]! |= 1 << (id & 31);
    words[AT.used] = 1;
  });
  const named = used.flatMap((mirror) => [
    ...mirror.sources,
    ...mirror.destinations,
    ...(mirror.outputPort === null ? [] : [mirror.outputPort]),
  ]);
  for (const number of new Set([...ports.numbers(), ...named])) {
    const set = (index: 0 | 1 | 2, isIn: (mirror: Mirror) => boolean): void => {
      const bits = bitsOf(used, isIn);
      if (bits !== ports.mirrorBits(number, index)) ports.setMirrorBits(number, index, bits);
    };
    set(0, (mirror) => mirror.sources.includes(number));
    set(1, (mirror) => mirror.destinations.includes(number));
    set(2, (mirror) => mirror.outputPort === number);
  }
  const all = bitsOf(used, (mirror) => mirror.selectAll);
  ports.mirrorWords(0)[AT.same + 1] = all;
  ports.mirrorWords(0)[AT.same + 2] = used.length;
  ports.changed();
}

/** Whether the switch has mirrors at all. */
export function hasMirrors(ports: PortTable): boolean {
  return ports.mirrorWords(0)[AT.same + 2] !== 0;
}

/** Mirrors (bit i: mirror i) that copy what comes from a port. */
export function sourceMirrors(ports: PortTable, port: number): number {
  return ports.mirrorBits(port, 0) | ports.mirrorWords(0)[AT.same + 1]!;
}

/** Mirrors that copy what goes to a port. */
export function destinationMirrors(ports: PortTable, port: number): number {
  return ports.mirrorBits(port, 1) | ports.mirrorWords(0)[AT.same + 1]!;
}

/** True for the output port of a mirror: it takes no traffic but the mirror's. */
export function isMirrorOutput(ports: PortTable, port: number): boolean {
  return ports.mirrorBits(port, 2) !== 0;
}

export function mirrorAt(ports: PortTable, index: number): MirrorView {
  const words = ports.mirrorWords(index);
  return {
    outPort: words[AT.outPort]!,
    outVlan: words[AT.outVlan]!,
    snapLength: words[AT.snapLength]!,
    hasVlans: words[AT.hasVlans] === 1,
    same: words[AT.same]!,
  };
}

export function mirrorHasVlan(ports: PortTable, index: number, vlan: number): boolean {
  const words = ports.mirrorWords(index);
  return vlan < VLAN_SET_WORDS * 32 && (words[AT.vlans + (vlan >> 5)]! & (1 << (vlan & 31))) !== 0;
}

const hasOutput = ({ outputPort, outputVlan }: Mirror): boolean =>
  (outputPort ?? outputVlan) !== null;

function sameOutput(a: Mirror, b: Mirror): boolean {
  return a.outputPort === b.outputPort && (a.outputPort !== null || a.outputVlan === b.outputVlan);
}

function bitsOf(mirrors: readonly Mirror[], isIn: (mirror: Mirror) => boolean): number {
  return mirrors.reduce((bits, mirror, i) => bits | (isIn(mirror) ? 1 << i : 0), 0);
}
