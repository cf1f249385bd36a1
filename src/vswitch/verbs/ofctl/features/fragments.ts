// How a bridge handles fragments of IP packets, in the words of ovs-ofctl set-frags. Main thread.
import { SWITCH_FLAG } from "../../../../pipeline/ports.js";

/** @param flags bits of SWITCH_FLAG. */
export function fragmentMode(flags: number): string {
  if ((flags & SWITCH_FLAG.dropFragments) !== 0) return "drop";
  return (flags & SWITCH_FLAG.matchFragments) !== 0 ? "nx-match" : "normal";
}
