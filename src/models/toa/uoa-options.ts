// How UOA reads the options of an IP header (DPVS, kmod/uoa/uoa.c, uoa_parse_ipopt): every area of
// a few bytes out of those that mean something. As it stands here: repaired.
import { assert, choose, ld, program, st } from "packetpath/explore";

const parameters = {
  /** The end of the options ends reading, or only the switch that looks at the byte. */
  end: "ends-reading" as "ends-reading" | "ends-switch",
  /** Bytes of the area; 6 at most. */
  bytes: 4,
};

const END = 0;
const NOP = 1;
const UOA = 31;
/** What a byte may be: a code, or the length of an option without data. */
const BYTES = [END, NOP, UOA, 2];

interface Header {
  option: number[];
}

/** uoa_parse_ipopt. @returns where the option is that holds the address, or -1. */
function parse(option: number[]): number {
  let hasEnded = false;
  for (let at = 0; at < parameters.bytes;) {
    const code = ld(option[at]!);
    if (code === NOP) {
      at++;
      continue;
    }
    if (code === END && parameters.end === "ends-reading") return -1;
    hasEnded = hasEnded || code === END;
    if (parameters.bytes - at < 2) return -1;
    const length = ld(option[at + 1]!);
    if (length < 2 || length > parameters.bytes - at) return -1;
    if (code === UOA) {
      assert(!hasEnded, "an address is taken from behind the end of the options");
      return at;
    }
    at += length;
  }
  return -1;
}

export default program({
  name: "uoa-options",
  cells: { option: [0, 0, 0, 0, 0, 0] },
  threads: {
    receive({ option }: Header) {
      for (let i = 0; i < parameters.bytes; i++) st(option[i]!, BYTES[choose(BYTES.length)]!);
      parse(option);
    },
  },
});
