// Numbers and words for people: the same spelling in the terminal and in the pages. Pure.

/** 1234567 as "1,234,567"; fractions are rounded away. */
export function grouped(value: number): string {
  if (!Number.isFinite(value)) return "?";
  const digits = String(Math.abs(Math.round(value)));
  const text = digits.replace(/\B(?=(\d{3})+$)/g, ",");
  return Math.round(value) < 0 ? `-${text}` : text;
}

/** Three significant digits at most, no exponent: 0.0123, 4.56, 78.9, 1,235. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "?";
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return grouped(value);
  const decimals = size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
  return trimZeros(value.toFixed(decimals));
}

/** Microseconds, as microseconds, however many: "52.4 µs", "12,345 µs". */
export function microseconds(value: number): string {
  return `${short(value)} µs`;
}

/** A length of time given in milliseconds, in the unit that reads best. */
export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size === 0) return "0 ms";
  if (size < 1) return microseconds(ms * 1000);
  if (size < 1000) return `${short(ms)} ms`;
  return `${short(ms / 1000)} s`;
}

/** A moment of a run: "3.205417 s", to the microsecond, because windows are that short. */
export function moment(ms: number): string {
  return `${(ms / 1000).toFixed(6)} s`;
}

/** "1 frame", "2 frames". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** Bytes with a binary unit. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  let size = value;
  while (size >= 1024 && index < units.length - 1) {
    size /= 1024;
    index++;
  }
  return `${index === 0 ? grouped(size) : short(size)} ${units[index]}`;
}

/** A trigger as the scenario writes it, in one line: `inFlight: 3000`. */
export function trigger(at: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(at).map(([key, value]) => `${key}: ${JSON.stringify(value) ?? "-"}`);
  return parts.length === 0 ? "at once" : parts.join(", ");
}

/** Sum of the values of a record of counts. */
export function total(counts: Readonly<Record<string, number>>): number {
  let sum = 0;
  for (const value of Object.values(counts)) sum += value;
  return sum;
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
