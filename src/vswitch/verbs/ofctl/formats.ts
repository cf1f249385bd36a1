// Which OpenFlow versions and flow formats a command line of ovs-ofctl allows (`-O`, `-F`), and
// which it then speaks (utilities/ovs-ofctl.c, lib/ofp-version-opt.c of Open vSwitch 3.1).
// Main thread.
import {
  FORMAT,
  FORMATS,
  formatsFromString,
  formatsOfVersions,
  formatsToString,
  type OpenFlowVersion,
  versionOfFormat,
} from "../../../ofctl/protocols.js";
import { type Call, VerbError } from "../call.js";
import { has, valueOf } from "../options.js";

const VERSIONS: readonly (readonly [OpenFlowVersion, string])[] = [
  [10, "OpenFlow10"],
  [11, "OpenFlow11"],
  [12, "OpenFlow12"],
  [13, "OpenFlow13"],
  [14, "OpenFlow14"],
  [15, "OpenFlow15"],
];

/** The version of a name: `OpenFlow13`; null: none has it. */
export function versionNamed(name: string): OpenFlowVersion | null {
  const found = VERSIONS.find(([, known]) => known.toLowerCase() === name.toLowerCase());
  return found?.[0] ?? null;
}

/** The versions that are allowed; those without bundles are not if a bundle is asked for. */
function allowedVersions(call: Call): readonly OpenFlowVersion[] {
  const versions = namedVersions(call);
  if (!has(call.options, "bundle") && call.options.args[0] !== "bundle") return versions;
  const able = versions.filter((version) => version >= 13);
  return able.length === 0 ? [14] : able;
}

/** The versions that the command line names; OpenFlow 1.0 if it names none. */
function namedVersions(call: Call): readonly OpenFlowVersion[] {
  const text = valueOf(call.options, "protocols");
  if (text === null) return [10];
  const names = text.split(/[,\s]+/).filter((name) => name !== "");
  return names.map((name) => {
    const version = versionNamed(name);
    if (version === null) throw new VerbError(`Unknown OpenFlow version: "${name}"`);
    return version;
  });
}

/** The flow formats that are allowed. */
export function allowedFormats(call: Call): number {
  const versions = allowedVersions(call);
  const text = valueOf(call.options, "flow-format");
  const possible = formatsOfVersions(versions);
  if (text === null) return possible;
  const wanted = text.split(",").reduce((formats, name) => {
    const format = formatsFromString(name.trim());
    if (format === null) throw new VerbError(`${name}: unknown flow protocol`);
    return formats | format;
  }, 0);
  if ((possible & wanted) !== 0) return possible & wanted;
  const names = VERSIONS.filter(([version]) => versions.includes(version)).map(([, name]) => name);
  throw new VerbError(
    `None of the enabled OpenFlow versions (${names.join(", ")}) supports any of the enabled ` +
      `flow formats (${formatsToString(wanted)}).  (Use -O to enable additional OpenFlow ` +
      "versions or -F to enable additional flow formats.)",
  );
}

/** The allowed formats that can say something. @throws VerbError when there is none. */
function usableFormats(call: Call, formats: number): number {
  const allowed = allowedFormats(call);
  if ((formats & allowed) !== 0) return formats & allowed;
  throw new VerbError(
    `none of the usable flow formats (${formatsToString(formats)}) is among the allowed flow ` +
      `formats (${formatsToString(allowed)})`,
  );
}

/** The version of a connection that can say something: the greatest that may and can. */
export function versionFor(call: Call, formats: number): OpenFlowVersion {
  const usable = usableFormats(call, formats);
  const possible = VERSIONS.map(([version]) => version).filter((version) => {
    return (formatsOfVersions([version]) & usable) !== 0;
  });
  return Math.max(...possible) as OpenFlowVersion;
}

/** The version that is spoken when nothing else restricts it. */
export function versionOf(call: Call): OpenFlowVersion {
  return versionFor(call, FORMATS.any);
}

/** The format that is sent: of those usable, the one that Open vSwitch prefers. */
export function chosenFormat(call: Call, formats: number): number {
  const usable = usableFormats(call, formats);
  return usable & -usable;
}

/** Whether dumps over OpenFlow 1.0 are asked for in Nicira's words. */
export function speaksNxm(call: Call): boolean {
  return (allowedFormats(call) & FORMATS.openFlow10 & FORMATS.nxmAndOxm) !== 0;
}

/** Whether a format is one of Nicira's extended match of OpenFlow 1.0. */
export function isNxm(format: number): boolean {
  return versionOfFormat(format) === 10 && (format & FORMATS.openFlow10 & ~3) !== 0;
}

/** Whether a format of OpenFlow 1.0 names tables, as an extension. */
export function hasTables(format: number): boolean {
  return (format & (FORMAT.openFlow10Tables | FORMAT.nxmTables)) !== 0;
}
