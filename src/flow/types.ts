// The shape of what a user writes and what the switch keeps: match, action, flow, group, meter.
// Plain data, no Node API, shared by ofctl (text), classifier, pipeline (slow path) and datapath.
import type { FieldId } from "./fields.js";

/**
 * Values and masks of header and metadata fields, in the layout of `key.ts`. A bit that is 0 in
 * `mask` is 0 in `value`, always: the classifier compares words without looking further.
 */
export interface Match {
  readonly value: Uint32Array;
  readonly mask: Uint32Array;
}

/** A contiguous part of a field: `NXM_NX_REG0[0..15]`. */
export interface SubField {
  readonly field: FieldId;
  /** Lowest bit, from 0. */
  readonly offset: number;
  /** Number of bits, at least 1. */
  readonly width: number;
}

/** Reserved OpenFlow port numbers, 16-bit form. */
export const OFPP = {
  unset: 0xfff7,
  inPort: 0xfff8,
  table: 0xfff9,
  normal: 0xfffa,
  flood: 0xfffb,
  all: 0xfffc,
  controller: 0xfffd,
  local: 0xfffe,
  none: 0xffff,
} as const;

/** One OpenFlow action or instruction. `field` values are big-endian words as in the key. */
export type Action =
  | { readonly type: "output"; readonly port: number }
  | { readonly type: "output-field"; readonly source: SubField }
  | { readonly type: "output-truncated"; readonly port: number; readonly maxBytes: number }
  | { readonly type: "controller"; readonly maxBytes: number; readonly reason: string;
      readonly id: number }
  | { readonly type: "drop" }
  | { readonly type: "resubmit"; readonly port: number | null; readonly table: number | null }
  | { readonly type: "goto-table"; readonly table: number }
  | { readonly type: "set-field"; readonly field: FieldId; readonly value: Uint32Array;
      readonly mask: Uint32Array; readonly spelling: SetFieldSpelling }
  | { readonly type: "move"; readonly source: SubField; readonly target: SubField }
  | { readonly type: "push-vlan"; readonly ethertype: number }
  | { readonly type: "pop-vlan" }
  | { readonly type: "dec-ttl" };

/** How a set-field was written, because dumps print it back in that form. */
export type SetFieldSpelling = "set_field" | "load" | "mod";

/** One flow of a flow table. */
export interface Flow {
  readonly table: number;
  /** 0 to 65535; default 32768. */
  readonly priority: number;
  readonly match: Match;
  readonly actions: readonly Action[];
  readonly cookie: bigint;
  /** Seconds without a packet; 0 = never. */
  readonly idleTimeout: number;
  /** Seconds since it was added; 0 = never. */
  readonly hardTimeout: number;
}
