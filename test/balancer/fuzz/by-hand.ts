// The address options that a client demands, made and found by hand: nothing here is shared with
// the code under test.

const hexByte = (value: number): string => value.toString(16).padStart(2, "0");

/** The option that a client's address demands, by hand. */
export function toaOf(address: string, port: number, isV6: boolean): string {
  const portText = port.toString(16).padStart(4, "0");
  if (!isV6)
    return `fe08${portText}${address
      .split(".")
      .map((part) => hexByte(Number(part)))
      .join("")}`;
  const groups = address.split("::");
  const [head, tail] = groups.map((part) =>
    part
      .split(":")
      .map((one) => one.padStart(4, "0"))
      .join(""),
  );
  return `fd14${portText}${head!.padEnd(32 - tail!.length, "0")}${tail!}`;
}

/** The IPv4 option for UDP, by hand. */
export const uoaOf = (address: string, port: number): string =>
  `1f08${toaOf(address, port, false).slice(4)}`;

/** The first option of this kind in a list of hex digits, or null. */
export function firstOption(text: string, kind: number): string | null {
  const bytes = text.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? [];
  for (let at = 0; at < bytes.length && bytes[at] !== 0;) {
    const size = bytes[at] === 1 ? 1 : (bytes[at + 1] ?? 0);
    if (size === 0 || (size === 1 && bytes[at] !== 1) || at + size > bytes.length) return null;
    if (bytes[at] === kind) return text.slice(2 * at, 2 * (at + size));
    at += size;
  }
  return null;
}
