// The table of `bench peers`, and the ratios that its goals are about. Pure.
import { median } from "../../../base/median.js";
import type { Measure } from "./measures.js";

/** All figures of one data plane in one measurement, in the order of the rounds. */
export interface Series {
  readonly measure: string;
  readonly peer: string;
  readonly values: readonly number[];
  /** CPU seconds per round, of the data plane's own threads; null: inside the kernel. */
  readonly cpuSeconds: readonly (number | null)[];
  /** CPU seconds per round of the whole machine. */
  readonly machineSeconds: readonly number[];
  readonly bytes: readonly number[];
  readonly packets: readonly number[];
  readonly lost: readonly (number | null)[];
  /** TCP segments sent again that had arrived. */
  readonly inVain: readonly number[];
  /** Share of the machine's time that its host gave to others meanwhile, 0 to 1. */
  readonly stolen: readonly number[];
}

/** A machine that lacked more of its time than this did not show what a data plane can do. */
export const STOLEN_MAX = 0.03;

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Ratio {
  readonly measure: string;
  readonly against: string;
  readonly value: number;
  /** The least (measurements where more is better) or the most that is wanted. */
  readonly goal: number;
  readonly met: boolean;
}

/** packetpath's figure over that of `against`. */
const GOALS: readonly { measure: string; against: string; goal: number }[] = [
  { measure: "tcp-1", against: "ovs-tso", goal: 1.1 },
  { measure: "tcp-1-back", against: "ovs-tso", goal: 1.1 },
  { measure: "tcp-4", against: "ovs-tso", goal: 1.1 },
  { measure: "tcp-4-back", against: "ovs-tso", goal: 1.1 },
  { measure: "tcp-1", against: "c-tso", goal: 1 },
  { measure: "tcp-1-back", against: "c-tso", goal: 1 },
  { measure: "tcp-4", against: "c-tso", goal: 1 },
  { measure: "tcp-4-back", against: "c-tso", goal: 1 },
  { measure: "udp-64", against: "ovs-tso", goal: 1.2 },
  { measure: "ping-flood", against: "ovs", goal: 1.2 },
  { measure: "requests-3000", against: "bridge", goal: 1 },
  { measure: "wrk", against: "ovs-tso", goal: 1 },
];

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Each ratio is the median of the rounds' own ratios: the two figures of a round were taken one
 * shortly after the other, so that what the machine does meanwhile touches both.
 */
export function ratiosOf(series: readonly Series[], measures: readonly Measure[]): Ratio[] {
  const find = (measure: string, peer: string) =>
    series.find((one) => one.measure === measure && one.peer === peer);
  return GOALS.flatMap(({ measure, against, goal }) => {
    const own = find(measure, "packetpath");
    const other = find(measure, against);
    const kind = measures.find((one) => one.name === measure);
    if (own === undefined || other === undefined || kind === undefined) return [];
    const rounds = Math.min(own.values.length, other.values.length);
    if (rounds === 0) return [];
    const each = Array.from({ length: rounds }, (_, i) => own.values[i]! / other.values[i]!);
    const value = spreadOf(each).median;
    const met = kind.betterIs === "more" ? value >= goal : value <= goal;
    return [{ measure, against, value, goal, met }];
  });
}

/** CPU seconds of the data plane per gigabyte or per million packets carried, or null. */
export function costOf(one: Series): { perGigabyte: number | null; perMillion: number | null } {
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  if (one.cpuSeconds.some((seconds) => seconds === null)) {
    return { perGigabyte: null, perMillion: null };
  }
  const cpu = sum(one.cpuSeconds as readonly number[]);
  const [bytes, packets] = [sum(one.bytes), sum(one.packets)];
  return {
    perGigabyte: packets === 0 && bytes > 0 ? cpu / (bytes / 1e9) : null,
    perMillion: packets > 0 ? cpu / (packets / 1e6) : null,
  };
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);
}

/** One line per measurement and data plane, then the ratios. */
export function peersText(
  series: readonly Series[],
  measures: readonly Measure[],
  missing: readonly { readonly name: string; readonly lacks: string }[],
): string {
  const lines: string[] = [];
  for (const measure of measures) {
    const own = series.filter((one) => one.measure === measure.name && one.values.length > 0);
    if (own.length === 0) continue;
    lines.push(`${measure.name}: ${measure.what} (${measure.unit}, ${measure.betterIs} is better)`);
    for (const one of own) {
      const { median: middle, min, max } = spreadOf(one.values);
      const { perGigabyte, perMillion } = costOf(one);
      const lost = one.lost.reduce<number>((sum, count) => sum + (count ?? 0), 0);
      const inVain = one.inVain.reduce((sum, count) => sum + count, 0);
      const stolen = Math.max(...one.stolen);
      const notes = [
        `${figure(min)} to ${figure(max)}`,
        perGigabyte === null ? "" : `${perGigabyte.toFixed(2)} CPU s/GB`,
        perMillion === null ? "" : `${perMillion.toFixed(1)} CPU s/M packets`,
        lost === 0 ? "" : `${lost} lost or sent again`,
        inVain === 0 ? "" : `${inVain} sent again that had arrived`,
        stolen > STOLEN_MAX ? `up to ${Math.round(stolen * 100)} % of the machine was away` : "",
      ];
      const note = notes.filter((text) => text !== "").join(", ");
      lines.push(`  ${one.peer.padEnd(12)}${figure(middle).padStart(9)}  (${note})`);
    }
  }
  lines.push("packetpath against:");
  for (const { measure, against, value, goal, met } of ratiosOf(series, measures)) {
    const word = met ? "met" : "missed";
    const label = `${against} ${measure}`.padEnd(26);
    lines.push(`  ${label}${value.toFixed(2).padStart(6)}  goal ${goal.toFixed(1)}: ${word}`);
  }
  for (const { name, lacks } of missing) lines.push(`not compared: ${name}, for want of ${lacks}`);
  return `${lines.join("\n")}\n`;
}
