// The flow formats of Open vSwitch 3.1: which OpenFlow version, with which match syntax, a flow can
// be sent in (include/openvswitch/ofp-protocol.h). A set of them is a number with a bit for each.
// A text narrows the set while it is read; the sender picks one of what is left. Any thread.

/** OpenFlow versions: 10 is 1.0, 13 is 1.3. Dumps differ in what a version has words for. */
export type OpenFlowVersion = 10 | 11 | 12 | 13 | 14 | 15;

/** Flow formats, a bit each, in the order in which Open vSwitch prefers them. */
export const FORMAT = {
  openFlow10: 1,
  /** With a table number in flow mods, as an extension. */
  openFlow10Tables: 2,
  nxm: 4,
  nxmTables: 8,
  openFlow11: 16,
  oxm12: 32,
  oxm13: 64,
  oxm14: 128,
  oxm15: 256,
} as const;

const OXM = FORMAT.oxm12 | FORMAT.oxm13 | FORMAT.oxm14 | FORMAT.oxm15;
const NXM = FORMAT.nxm | FORMAT.nxmTables;
const STANDARD10 = FORMAT.openFlow10 | FORMAT.openFlow10Tables;

/** Sets that fields, properties and actions restrict a flow to. */
export const FORMATS = {
  any: STANDARD10 | NXM | FORMAT.openFlow11 | OXM,
  openFlow10: STANDARD10 | NXM,
  openFlow11Up: FORMAT.openFlow11 | OXM,
  openFlow12Up: OXM,
  openFlow13Up: FORMAT.oxm13 | FORMAT.oxm14 | FORMAT.oxm15,
  openFlow15Up: FORMAT.oxm15,
  /** Everything with tables: all but the two formats that cannot name one. */
  tables: FORMAT.openFlow10Tables | FORMAT.nxmTables | FORMAT.openFlow11 | OXM,
  nxmAndOxm: NXM | OXM,
  nxmAndOpenFlow11Up: NXM | FORMAT.openFlow11 | OXM,
} as const;

const NAMES: readonly (readonly [number, string])[] = [
  [FORMAT.openFlow10, "OpenFlow10-table_id"],
  [FORMAT.openFlow10Tables, "OpenFlow10+table_id"],
  [FORMAT.nxm, "NXM-table_id"],
  [FORMAT.nxmTables, "NXM+table_id"],
  [FORMAT.openFlow11, "OpenFlow11"],
  [FORMAT.oxm12, "OXM-OpenFlow12"],
  [FORMAT.oxm13, "OXM-OpenFlow13"],
  [FORMAT.oxm14, "OXM-OpenFlow14"],
  [FORMAT.oxm15, "OXM-OpenFlow15"],
];

const ABBREVIATIONS: readonly (readonly [number, string])[] = [
  [FORMATS.any, "any"],
  [STANDARD10, "OpenFlow10"],
  [NXM, "NXM"],
  [OXM, "OXM"],
];

/** A set of flow formats as Open vSwitch prints it: `NXM,OXM,OpenFlow11`, `any`, `none`. */
export function formatsToString(formats: number): string {
  if (formats === 0) return "none";
  const names: string[] = [];
  let rest = formats;
  for (const [bits, name] of [...ABBREVIATIONS, ...NAMES]) {
    if (rest === 0 || (rest & bits) !== bits) continue;
    names.push(name);
    rest &= ~bits;
  }
  return names.join(",");
}

/** Reads `any`, a name or an abbreviation, as in `ovs-ofctl --flow-format`; null for others. */
export function formatsFromString(text: string): number | null {
  const name = text.toLowerCase();
  const row = [...ABBREVIATIONS, ...NAMES].find(([, known]) => known.toLowerCase() === name);
  return row?.[0] ?? null;
}

/** The formats of a set of OpenFlow versions, as `ovs-ofctl -O` allows them. */
export function formatsOfVersions(versions: readonly OpenFlowVersion[]): number {
  const byVersion: Record<OpenFlowVersion, number> = {
    10: FORMATS.openFlow10,
    11: FORMAT.openFlow11,
    12: FORMAT.oxm12,
    13: FORMAT.oxm13,
    14: FORMAT.oxm14,
    15: FORMAT.oxm15,
  };
  return versions.reduce((formats, version) => formats | byVersion[version], 0);
}

/** The version that a single format belongs to. */
export function versionOfFormat(format: number): OpenFlowVersion {
  if (format <= FORMAT.nxmTables) return 10;
  return (11 + Math.log2(format / FORMAT.openFlow11)) as OpenFlowVersion;
}

/** The format that is chosen from a set: the first, in order of preference; 0 of an empty set. */
export function chooseFormat(formats: number): number {
  return formats & -formats;
}
