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

/**
 * How a field-setting action was written; dumps print it back in that form. "mod" is for the
 * actions that are older than set_field; set_tunnel64 is set_tunnel for a number of 64 bits.
 * "masked" is a set_field that says its mask even where that is the whole field.
 */
export type SetFieldSpelling = "set_field" | "masked" | "load" | "mod" | "set_tunnel64";

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
      /** Handed back with the packet-in; absent: none. */
      readonly userdata?: Uint8Array;
      /** The pipeline halts until the controller resumes it; here: it ends. */
      readonly pause?: boolean;
      /** Packet-ins are limited by this meter. */
      readonly meter?: number;
    }
  /** One bit that says whether the frame (without its checksum) has more than `bytes` bytes. */
  | { readonly type: "check-packet-larger"; readonly bytes: number; readonly target: SubField }
  /** The same as no actions at all, which is what the parser makes of `drop`. */
  | { readonly type: "drop" }
  /**
   * `port` null: the packet's own in_port; `table` null: the current one. With `ct` the lookup sees
   * the connection's original 5-tuple in the place of the packet's.
   */
  | {
      readonly type: "resubmit";
      readonly port: number | null;
      readonly table: number | null;
      readonly ct?: boolean;
    }
  | { readonly type: "goto-table"; readonly table: number }
  /**
   * Sets the bits of `mask` in a field to those of `value`; both have the field's number of words,
   * lowest bits in the last. A packet that lacks the field (see its prerequisite) passes unchanged.
   * With the spelling "mod": tcp_src and tcp_dst stand for the ports of TCP, UDP and SCTP alike;
   * dl_vlan and dl_vlan_pcp (mod_vlan_vid, mod_vlan_pcp) push a tag onto a frame that has none,
   * vlan_vid and vlan_pcp (set_vlan_vid, set_vlan_pcp) leave such a frame alone.
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
  /** `asPop`: it came in the words of OpenFlow 1.1 or later, as pop_vlan. */
  | { readonly type: "pop-vlan"; readonly asPop?: boolean }
  | { readonly type: "dec-ttl"; readonly controllerIds: readonly number[] }
  /** Does nothing; `bytes` are the user's. */
  | { readonly type: "note"; readonly bytes: Uint8Array }
  /** The priority of the queue for the outputs that follow, or for one output. */
  | { readonly type: "set-queue"; readonly queue: number }
  | { readonly type: "pop-queue" }
  | { readonly type: "enqueue"; readonly port: number; readonly queue: number }
  /** The stack of a translation: 64 KiB (OVS ofproto-dpif-xlate.c, MAX_STACK). */
  | { readonly type: "push"; readonly source: SubField }
  | { readonly type: "pop"; readonly target: SubField }
  | { readonly type: "group"; readonly group: number }
  /** An instruction: comes first, whatever its place in the text. */
  | { readonly type: "meter"; readonly meter: number }
  | Learn
  /** Shortens the flow's time-outs once a FIN or RST was seen; seconds, 0: leaves it. */
  | {
      readonly type: "fin-timeout";
      readonly idleTimeout: number;
      readonly hardTimeout: number;
    }
  /** This flow is one clause of a conjunctive match. `clause` counts from 1, to `clauses`. */
  | {
      readonly type: "conjunction";
      readonly id: number;
      readonly clause: number;
      readonly clauses: number;
    }
  /** What follows is done when the packet has gone round. For tests, as in Open vSwitch. */
  | { readonly type: "debug-recirc" }
  /** Ends the whole pipeline, including the callers of this list. */
  | { readonly type: "exit" }
  /** On a copy: what the list changes is undone afterwards. */
  | { readonly type: "clone"; readonly actions: readonly Action[] }
  | Conntrack
  /** Only inside `ct(...)`. */
  | Nat
  | { readonly type: "ct-clear" }
  /** Instructions on the action set, which is executed at the end of the pipeline. */
  | { readonly type: "write-actions"; readonly actions: readonly Action[] }
  | { readonly type: "clear-actions" }
  /** `mask` all ones: not printed. */
  | { readonly type: "write-metadata"; readonly value: bigint; readonly mask: bigint };

/** What a learned flow matches or does, one part of `learn(...)` (OVS ofpact_learn_spec). */
export type LearnPart =
  /** The learned flow matches this in `target`. */
  | { readonly type: "match"; readonly target: SubField; readonly from: LearnSource }
  /** The learned flow loads this into `target`. */
  | { readonly type: "load"; readonly target: SubField; readonly from: LearnSource }
  /** The learned flow outputs to the port that the packet has in `source` now. */
  | { readonly type: "output"; readonly source: SubField };

/** A constant (big-endian words, lowest bits in the last), or a part of the packet at hand. */
export type LearnSource =
  | { readonly type: "value"; readonly value: Uint32Array }
  | { readonly type: "field"; readonly source: SubField };

/** Adds or changes a flow as a strict mod-flows would, made from the packet at hand. */
export interface Learn {
  readonly type: "learn";
  readonly table: number;
  readonly priority: number;
  readonly cookie: bigint;
  /** Seconds; 0: never. */
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly finIdleTimeout: number;
  readonly finHardTimeout: number;
  readonly flags: readonly FlowFlag[];
  /** Most flows with this cookie in the table; 0: no limit. */
  readonly limit: number;
  /** One bit that says whether the flow was learned, or null. */
  readonly resultDst: SubField | null;
  /** Learned flows die with the flow that learned them. */
  readonly deleteLearned: boolean;
  readonly parts: readonly LearnPart[];
}

/** Sends the packet through the connection tracker (ovs-actions(7), "ct"). */
export interface Conntrack {
  readonly type: "ct";
  readonly commit: boolean;
  readonly force: boolean;
  /** A number, or the sub-field that holds it. */
  readonly zone: number | SubField;
  /** Where a copy of the packet goes on with its connection's state; null: nowhere. */
  readonly table: number | null;
  /** Helper: `ftp` or `tftp` as an IANA port number; 0: none. */
  readonly alg: number;
  /** `nat(...)`, and the set-field and move actions of `exec(...)`, in this order. */
  readonly actions: readonly Action[];
}

/** Address translation inside `ct` (ovs-actions(7), "nat"). */
export interface Nat {
  readonly type: "nat";
  /** null: as the connection's first packet was translated. */
  readonly direction: "src" | "dst" | null;
  readonly range: {
    /** 4 or 16 bytes each; `last` null: one address. */
    readonly first: Uint8Array;
    readonly last: Uint8Array | null;
    /** 0: not given. */
    readonly firstPort: number;
    readonly lastPort: number;
  } | null;
  readonly persistent: boolean;
  readonly hash: boolean;
  readonly random: boolean;
}

/** A bucket of a group. */
export interface Bucket {
  /** Unique within the group. */
  readonly id: number;
  /** Share of the packets of a select group; 0: none. */
  readonly weight: number;
  /** Live while this port is; null: not watched. */
  readonly watchPort: number | null;
  /** Live while this group has a live bucket; null: not watched. */
  readonly watchGroup: number | null;
  readonly actions: readonly Action[];
}

/** A group of a group table (ovs-ofctl(8), "Group Syntax"). */
export interface Group {
  /** 0 to 0xffffff00. */
  readonly id: number;
  readonly type: "all" | "select" | "indirect" | "ff";
  readonly buckets: readonly Bucket[];
  /** "" is the default: dp_hash. */
  readonly selectionMethod: "" | "hash" | "dp_hash";
  readonly selectionParam: bigint;
  /** Fields of selection method `hash`; value words are masks. */
  readonly fields: readonly { readonly field: FieldId; readonly mask: Uint32Array }[];
}

/** A band of a meter: what exceeds `rate` is dropped. */
export interface MeterBand {
  readonly type: "drop";
  /** kilobits or packets per second. */
  readonly rate: number;
  /** kilobits or packets; 0: as much as a second's rate. */
  readonly burst: number;
}

/** A meter of a meter table (ovs-ofctl(8), "Meter Syntax"). */
export interface Meter {
  /** 1 to 0xffff0000. */
  readonly id: number;
  readonly unit: "kbps" | "pktps";
  readonly hasBurst: boolean;
  readonly hasStats: boolean;
  readonly bands: readonly MeterBand[];
}

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
