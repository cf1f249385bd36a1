// Which OpenFlow versions a command line of ovs-ofctl allows (`-O`), and which one is spoken: the
// greatest of them, as two ends that agree on one. Main thread.
import { type Call, VerbError } from "../call.js";
import { valueOf } from "../options.js";

/** As in replies: 10 is OpenFlow 1.0. */
export type Version = 10 | 11 | 12 | 13 | 14 | 15;

const NAMES: readonly (readonly [Version, string])[] = [
  [10, "OpenFlow10"],
  [11, "OpenFlow11"],
  [12, "OpenFlow12"],
  [13, "OpenFlow13"],
  [14, "OpenFlow14"],
  [15, "OpenFlow15"],
];

/** The versions that are allowed; OpenFlow 1.0 if nobody says. */
export function allowedVersions(call: Call): readonly Version[] {
  const text = valueOf(call.options, "protocols");
  if (text === null) return [10];
  const names = text.split(/[,\s]+/).filter((name) => name !== "");
  const versions = names.flatMap((name) => NAMES.find(([, known]) => known === name)?.[0] ?? []);
  // As lib/ofp-version-opt.c has it: what is not known allows nothing.
  if (versions.length === 0) throw new VerbError("no OpenFlow version is allowed");
  return versions;
}

/** The version that is spoken. */
export function versionOf(call: Call): Version {
  return Math.max(...allowedVersions(call)) as Version;
}
