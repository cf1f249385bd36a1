// What the parsers of actions share: the text around them, ports, and the flow formats left.
// Slow path; any thread.
import type { Action } from "../../flow/types.js";
import { FORMATS } from "../protocols.js";
import type { PortMap } from "../text/ports.js";
import { scanPairs, type Pair } from "../text/scan.js";

/** One list of actions being read. Nested lists share it. */
export interface ActionContext {
  /** What the indices of pairs point into. */
  readonly text: string;
  readonly ports: PortMap;
  /** Flow formats that can carry what was read so far: FORMAT bits; parsers take bits away. */
  formats: number;
  /** How many lists this one stands in. */
  depth: number;
}

/** Reads the value of one action. */
export type ActionParser = (pair: Pair, context: ActionContext) => Action;

/** Lists may nest this deep (MAX_OFPACT_PARSE_DEPTH). */
export const NESTING_MAX = 100;

export function newContext(text: string, ports: PortMap): ActionContext {
  return { text, ports, formats: FORMATS.any, depth: 0 };
}

/** The pairs inside a value: `a=1,b` of `x(a=1,b)`. */
export function innerPairs(pair: Pair, context: ActionContext): Pair[] {
  return scanPairs(context.text, pair.valueAt, pair.valueAt + pair.value.length);
}
