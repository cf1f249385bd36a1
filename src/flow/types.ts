// The shape of what a user writes and what the switch keeps: match, action, flow.
// Plain data, no Node API, shared by ofctl (text), classifier, pipeline (slow path) and datapath.
// Any thread. Actions are a closed union: a `switch` over `type` is checked for completeness by the
// compiler, so that a new kind cannot be forgotten anywhere.
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
  /** Ports of the switch are 1 to max - 1. */
  max: 0xff00,
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

/** How a field-setting action was written; dumps print it back in that form. */
export type SetFieldSpelling = "set_field" | "load" | "mod";

/** One OpenFlow action or instruction. */
export type Action =
  /** To a port, or to one of OFPP: in_port, table, normal, flood, all, local. */
  | { readonly type: "output"; readonly port: number }
  /** To the port whose number the sub-field holds. */
  | { readonly type: "output-field"; readonly source: SubField }
  /** To a port, cut to `maxBytes` (at least 14). */
  | { readonly type: "output-truncated"; readonly port: number; readonly maxBytes: number }
  /** To the controller: counted. `reason` as in text (`action`, `no_match`, `invalid_ttl` ...). */
  | {
      readonly type: "controller";
      readonly maxBytes: number;
      readonly reason: ControllerReason;
      readonly id: number;
    }
  /** The same as no actions at all, which is what the parser makes of `drop`. */
  | { readonly type: "drop" }
  /** null: the packet's own in_port; the current table. */
  | { readonly type: "resubmit"; readonly port: number | null; readonly table: number | null }
  | { readonly type: "goto-table"; readonly table: number }
  /**
   * Sets the bits of `mask` in a field to those of `value`; both have the field's number of words,
   * lowest bits in the last. A packet that lacks the field (see its prerequisite) passes unchanged.
   * With the spelling "mod": tcp_src and tcp_dst stand for the ports of TCP, UDP and SCTP alike;
   * dl_vlan and dl_vlan_pcp (mod_vlan_vid, mod_vlan_pcp) push a tag onto a frame that has none.
   */
  | {
      readonly type: "set-field";
      readonly field: FieldId;
      readonly value: Uint32Array;
      readonly mask: Uint32Array;
      readonly spelling: SetFieldSpelling;
    }
  | { readonly type: "move"; readonly source: SubField; readonly target: SubField }
  /** `ethertype` is 0x8100 or 0x88a8. */
  | { readonly type: "push-vlan"; readonly ethertype: number }
  | { readonly type: "pop-vlan" }
  | { readonly type: "dec-ttl"; readonly controllerIds: readonly number[] }
  /** Does nothing; `bytes` are the user's. */
  | { readonly type: "note"; readonly bytes: Uint8Array };

/** Why a packet went to the controller, as ofctl text spells it. */
export type ControllerReason =
  "no_match" | "action" | "invalid_ttl" | "action_set" | "group" | "packet_out";

export type ActionType = Action["type"];

/** Flow flags, as ofctl text spells them, in the order in which they are printed. */
export const FLOW_FLAGS = [
  "send_flow_rem",
  "check_overlap",
  "reset_counts",
  "no_packet_counts",
  "no_byte_counts",
] as const;

export type FlowFlag = (typeof FLOW_FLAGS)[number];

/** Priority of a flow that does not say one (OFP_DEFAULT_PRIORITY). */
export const DEFAULT_PRIORITY = 32768;

/** One flow of a flow table. */
export interface Flow {
  readonly table: number;
  /** 0 to 65535; default 32768. */
  readonly priority: number;
  readonly match: Match;
  /** Empty: the flow drops. */
  readonly actions: readonly Action[];
  readonly cookie: bigint;
  /** Seconds without a packet; 0 = never. */
  readonly idleTimeout: number;
  /** Seconds since it was added; 0 = never. */
  readonly hardTimeout: number;
  /** 0 to 65535; with eviction, smaller ones go first. */
  readonly importance: number;
  readonly flags: readonly FlowFlag[];
}
