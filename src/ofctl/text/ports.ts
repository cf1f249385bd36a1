// Numbers of ports and tables and their names in ofctl text (lib/ofp-port.c, ofp-table.c and
// namemap.c, Open vSwitch 3.1).
import { OFPP } from "../../flow/types.js";
import { parseUnsigned } from "./scan.js";

/** Port numbers by name: the interfaces of the switch that the text is for. */
export interface PortMap extends ReadonlyMap<string, number> {
  /** Numbers of its tables by name; absent: none has a name. */
  readonly tables?: ReadonlyMap<string, number>;
}

const RESERVED: readonly (readonly [string, number])[] = [
  ["IN_PORT", OFPP.inPort],
  ["TABLE", OFPP.table],
  ["NORMAL", OFPP.normal],
  ["FLOOD", OFPP.flood],
  ["ALL", OFPP.all],
  ["CONTROLLER", OFPP.controller],
  ["LOCAL", OFPP.local],
  ["NONE", OFPP.none],
  ["ANY", OFPP.none],
  ["UNSET", OFPP.unset],
];

const BY_NAME = new Map(RESERVED);
// Of NONE and ANY, the later is printed.
const BY_NUMBER = new Map(RESERVED.map(([name, port]) => [port, name]));

/** The number of a reserved port, by its name in any case. */
export function reservedPort(text: string): number | null {
  return BY_NAME.get(text.toUpperCase()) ?? null;
}

/** Reads a port: a number, a reserved name, or the name of an interface (quoted or not). */
export function parsePort(text: string, ports: PortMap): number | null {
  if (/^\s*[0-9]+$/.test(text)) {
    const number = Number(text);
    if (number <= 0xffff) return number;
    // The 32-bit form of reserved ports (OpenFlow 1.1 and later).
    return number >= 0xffffff00 && number <= 0xffffffff ? number & 0xffff : null;
  }
  const quoted = /^"(.*)"$/.exec(text);
  const byName = ports.get(quoted === null ? text : quoted[1]!);
  return byName ?? (quoted === null ? reservedPort(text) : null);
}

/** True when an action may send to this port. */
export function isOutputPort(port: number): boolean {
  if (port < OFPP.max) return true;
  return port >= OFPP.inPort && port !== OFPP.none;
}

/** Prints a port: its number, a reserved name, or the interface's name when `names` has one. */
export function formatPort(port: number, names?: ReadonlyMap<number, string>): string {
  const name = names?.get(port);
  if (name !== undefined) return formatName(name);
  return BY_NUMBER.get(port) ?? String(port);
}

/** Names with anything but letters and digits are quoted as in JSON. */
function formatName(name: string): string {
  return /^[A-Za-z][A-Za-z0-9]*$/.test(name) ? name : JSON.stringify(name);
}

/**
 * Reads a table: a number, 0 to 255 (255 means "any" where that makes sense), or a name, quoted or
 * not.
 */
export function parseTable(text: string, { tables }: PortMap): number | null {
  const number = parseUnsigned(text.trimStart(), 255);
  return number ?? tables?.get(unquoted(text)) ?? null;
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

/** Prints a table: its number, or its name when `names` has one. */
export function formatTable(table: number, names?: ReadonlyMap<number, string>): string {
  const name = names?.get(table);
  return name === undefined ? String(table) : formatName(name);
}
