// stub
import type { Machine, Vector } from "./machine.js";
import type { TokenMove } from "../text/token.js";
export function exploreTraces(_m: Machine, _b: unknown, _e: (s: Vector) => string): { traces: number; blocked: number; executions: number; bound: string | null; bad: { moves: TokenMove[]; end: Vector } | null } { throw new Error(); }
