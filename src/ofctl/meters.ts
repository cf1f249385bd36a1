// Meter text in and out, as `ovs-ofctl add-meter`, mod-meter, del-meters and dump-meters of Open
// vSwitch 3.1 have it (lib/ofp-meter.c). Slow path; any thread.
import type { Meter, MeterBand } from "../flow/types.js";
import { formatReplyHeader } from "./dump-flows.js";
import type { OpenFlowVersion } from "./protocols.js";
import { uint32Argument } from "./text/numbers.js";
import { placed, type ParseOptions } from "./text/place.js";
import { FlowTextError } from "./text/scan.js";

export type MeterCommand = "add" | "modify" | "delete" | "query";

/** Meters that have names instead of numbers (OFPM13_SLOWPATH, CONTROLLER, ALL). */
const NAMED: Readonly<Record<string, number>> = {
  slowpath: 0xfffffffd,
  controller: 0xfffffffe,
  all: 0xffffffff,
};

export const METER_ALL = 0xffffffff;
/** Meters have numbers from 1 to this (OFPM13_MAX). */
const METER_MAX = 0xffff0000;

const FLAGS = ["kbps", "pktps", "burst", "stats"] as const;
type Flag = (typeof FLAGS)[number];

/** A command on a meter table. */
export interface MeterMod {
  readonly command: MeterCommand;
  /** METER_ALL for all. */
  readonly meter: number;
  /** In the order of FLAGS. */
  readonly flags: readonly Flag[];
  readonly bands: readonly MeterBand[];
}

interface Token {
  readonly text: string;
  readonly at: number;
}

/** Words, cut as strtok(3) does at any of `separators`. */
function nextToken(text: string, from: number, end: number, separators: string): Token | null {
  let at = from;
  while (at < end && separators.includes(text[at]!)) at++;
  if (at >= end) return null;
  let stop = at;
  while (stop < end && !separators.includes(text[stop]!)) stop++;
  return { text: text.slice(at, stop), at };
}

const WHITE = ", \t\r\n";

/** `name`s and, where `takesValue` says so, the value after each. */
function* words(
  text: string,
  from: number,
  end: number,
  takesValue: (name: string) => boolean,
): Generator<{ name: string; at: number; value: Token | null }> {
  let cursor = from;
  for (;;) {
    const name = nextToken(text, cursor, end, `=${WHITE}`);
    if (name === null) return;
    cursor = name.at + name.text.length + 1;
    if (!takesValue(name.text)) {
      yield { name: name.text, at: name.at, value: null };
      continue;
    }
    const value = nextToken(text, cursor, end, WHITE);
    if (value === null) throw new FlowTextError(`field ${name.text} missing value`, name.at);
    cursor = value.at + value.text.length + 1;
    yield { name: name.text, at: name.at, value };
  }
}

function parseNumber(value: Token): number {
  const named = Object.hasOwn(NAMED, value.text) ? NAMED[value.text] : undefined;
  if (named !== undefined) return named;
  const number = uint32Argument(value.text, value.at);
  if (number > 0 && number <= METER_MAX) return number;
  throw new FlowTextError("invalid value for meter", value.at);
}

interface BandDraft {
  rate: number;
  burst: number;
  readonly at: number;
}

function checkBand(band: BandDraft, flags: ReadonlySet<Flag>): void {
  const refuse = (message: string): never => {
    throw new FlowTextError(message, band.at);
  };
  if (band.rate === 0) refuse("band must have 'rate'");
  const hasBurst = flags.has("burst");
  if (hasBurst && band.burst === 0) {
    refuse("band must have 'burst_size' when 'burst' flag is set");
  }
  if (!hasBurst && band.burst !== 0) {
    refuse("band may have 'burst_size' only when 'burst' flag is set");
  }
}

function parseBands(text: string, from: number, flags: ReadonlySet<Flag>): MeterBand[] {
  const bands: BandDraft[] = [];
  for (const { name, at, value } of words(text, from, text.length, () => true)) {
    const argument = value!;
    const band = bands.at(-1);
    if (name === "type") {
      if (argument.text === "dscp_remark") {
        throw new FlowTextError("dscp_remark: this band is not supported here", argument.at);
      }
      if (argument.text !== "drop") {
        throw new FlowTextError(`field type unknown value ${argument.text}`, argument.at);
      }
      bands.push({ rate: 0, burst: 0, at });
    } else if (band === undefined) {
      throw new FlowTextError("band must start with the 'type' keyword", at);
    } else if (name === "rate") band.rate = uint32Argument(argument.text, argument.at);
    else if (name === "burst_size") band.burst = uint32Argument(argument.text, argument.at);
    else if (name === "prec_level") {
      throw new FlowTextError("Only 'dscp_remark' band may have 'prec_level'", at);
    } else throw new FlowTextError(`unknown keyword ${name}`, at);
  }
  if (bands.length === 0) throw new FlowTextError("meter must have bands", from);
  for (const band of bands) checkBand(band, flags);
  return bands.map(({ rate, burst }) => ({ type: "drop", rate, burst }));
}

function parseMeterText(text: string, command: MeterCommand): MeterMod {
  const hasBands = command === "add" || command === "modify";
  const bandAt = hasBands ? text.indexOf("band") : text.length;
  const equals = hasBands ? text.indexOf("=", bandAt) : text.length;
  if (bandAt < 0 || equals < 0) throw new FlowTextError("must specify bands", text.length);
  const flags = new Set<Flag>();
  let meter: number | null = null;
  const isFlag = (name: string): boolean => hasBands && FLAGS.some((flag) => flag === name);
  for (const { name, at, value } of words(text, 0, bandAt, (word) => !isFlag(word))) {
    if (value === null) flags.add(name as Flag);
    else if (name === "meter") meter = parseNumber(value);
    else throw new FlowTextError(`unknown keyword ${name}`, at);
  }
  if (meter === null) throw new FlowTextError("must specify 'meter'", 0);
  if (hasBands && flags.size === 0) {
    throw new FlowTextError("meter must specify either 'kbps' or 'pktps'", 0);
  }
  return {
    command,
    meter,
    flags: FLAGS.filter((flag) => flags.has(flag)),
    bands: hasBands ? parseBands(text, equals + 1, flags) : [],
  };
}

/**
 * Reads the argument of add-meter, mod-meter ("modify"), del-meters ("delete"), and of dump-meters
 * and meter-stats ("query").
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence.
 */
export function parseMeterMod(
  text: string,
  command: MeterCommand,
  options: ParseOptions = {},
): MeterMod {
  return placed(options, () => parseMeterText(text, command));
}

/**
 * What a switch finds wrong with a command when it gets it.
 * @returns the name of the OpenFlow error, or null.
 */
export function checkMeterMod(mod: MeterMod): string | null {
  if (mod.command !== "add" && mod.command !== "modify") return null;
  if (mod.meter === METER_ALL) return "OFPMMFC_INVALID_METER";
  const hasOneUnit = mod.flags.includes("kbps") !== mod.flags.includes("pktps");
  return hasOneUnit ? null : "OFPMMFC_BAD_FLAGS";
}

/** The meter that an add or a modify makes. The command must have passed checkMeterMod. */
export function meterOfMod(mod: MeterMod): Meter {
  return {
    id: mod.meter,
    unit: mod.flags.includes("kbps") ? "kbps" : "pktps",
    hasBurst: mod.flags.includes("burst"),
    hasStats: mod.flags.includes("stats"),
    bands: mod.bands,
  };
}

function formatNumber(meter: number): string {
  return Object.keys(NAMED).find((name) => NAMED[name] === meter) ?? String(meter);
}

function formatAny(id: number, flags: readonly string[], bands: readonly MeterBand[]): string {
  const lines = bands.map(
    ({ rate, burst }) => `\ntype=drop rate=${rate}${burst === 0 ? "" : ` burst_size=${burst}`}`,
  );
  const head = ["meter=" + formatNumber(id), ...flags, "bands="].join(" ");
  return head + lines.join("");
}

/** A meter as dump-meters prints it: a line, and one for each band. */
export function formatMeter(meter: Meter): string {
  const flags = [
    meter.unit,
    ...(meter.hasBurst ? ["burst"] : []),
    ...(meter.hasStats ? ["stats"] : []),
  ];
  return formatAny(meter.id, flags, meter.bands);
}

/** All of `dump-meters`, header line and final newline included. */
export function formatDumpMeters(
  meters: readonly Meter[],
  version: OpenFlowVersion = 13,
  transaction = 2,
): string {
  const header = formatReplyHeader("OFPST_METER_CONFIG", version, transaction);
  return `${header}\n${meters.map(formatMeter).join("\n\n")}${meters.length === 0 ? "" : "\n"}`;
}

/** A meter mod as ovs-ofctl prints the message when a switch refuses it, from the command on. */
export function formatMeterMod(mod: MeterMod): string {
  const command = { add: "ADD", modify: "MOD", delete: "DEL", query: "" }[mod.command];
  return `${command} ${formatAny(mod.meter, mod.flags, mod.bands)}`;
}
