// Datapath flows as Open vSwitch 3.1 prints them (lib/odp-util.c odp_flow_format), without what is
// not looked at: `recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(frag=no)`.
// Slow path; any thread.
import { fieldFullMask, getFieldWords } from "../../flow/fields.js";
import { VLAN_PRESENT, WORD } from "../../flow/key.js";
import { formatFlags, formatFragment, hex } from "../print/format-value.js";
import { formatIpv4, formatIpv6, formatMac } from "../text/addresses.js";
import { numberOf } from "../text/scan.js";
import { CT_STATE_NAMES, TCP_FLAG_NAMES } from "../text/values.js";
import {
  ETHERNET,
  headerAttributes,
  METADATA_ATTRIBUTES,
  type OdpAttribute,
  type OdpField,
} from "./odp-fields.js";

/** dl_type of frames without an Ethernet type: the datapath's flow has none either. */
const DL_TYPE_NONE = 0x05ff;

/** How a flow of the datapath is shown. */
export interface OdpFlowOptions {
  /** Fields that are not looked at are shown as well, with a mask of 0 (`dump-flows -m`). */
  readonly all?: boolean;
}

interface Shown {
  readonly key: Uint32Array;
  readonly mask: Uint32Array;
  readonly all: boolean;
}

/** Metadata that is shown even where nobody looks at it, if everything is. */
const ALWAYS = ["skb_priority", "skb_mark", "ct_state", "ct_zone", "ct_mark", "ct_label"];

/**
 * One flow of the datapath, without statistics and actions.
 * @param key of a packet that belongs to the flow; bits outside the mask are shown where the field
 *   is matched in part, as Open vSwitch shows them.
 * @param port how the datapath calls the input port.
 */
export function formatOdpFlow(
  key: Uint32Array,
  mask: Uint32Array,
  port: string,
  { all = false }: OdpFlowOptions = {},
): string {
  const shown = { key, mask, all };
  const metadata = METADATA_ATTRIBUTES.flatMap((each) => {
    if (each.name === "recirc_id") return [`recirc_id(${hex(key[WORD.recircId]!)})`];
    const always = ALWAYS.includes(each.name) || each.name === "dp_hash";
    return text(each, { ...shown, all: all && always });
  });
  const ethernet = text(ETHERNET, shown);
  const inner = formatTagged(shown, 0);
  return [...metadata, `in_port(${port})`, "packet_type(ns=0,id=0)", ...ethernet, ...inner].join(
    ",",
  );
}

/** The Ethernet type and what is behind it; a tag puts the rest into `encap(...)`. */
function formatTagged(shown: Shown, depth: number): string[] {
  const { key, mask } = shown;
  const tag = tagWord(key, depth);
  if ((tag & VLAN_PRESENT) === 0 || depth === 2) {
    const type = key[WORD.typeVlan]! >>> 16;
    const typeText = type === DL_TYPE_NONE ? [] : [`eth_type(${type4(type)})`];
    return [...typeText, ...headerAttributes(key).flatMap((each) => text(each, shown))];
  }
  const tci = formatTci(tag & 0xffff, tagWord(mask, depth) & 0xffff, shown.all);
  const inner = formatTagged(shown, depth + 1).join(",");
  return [`eth_type(${type4(tag >>> 16)})`, ...tci, `encap(${inner})`];
}

function tagWord(key: Uint32Array, depth: number): number {
  if (depth === 1) return key[WORD.innerVlan]!;
  return ((key[WORD.outerTpid]! & 0xffff0000) | (key[WORD.typeVlan]! & 0xffff)) >>> 0;
}

/** A part of a tag is shown if it, or the mask, is not 0 (format_vlan_tci). */
function formatTci(tci: number, mask: number, all: boolean): string[] {
  if (mask === 0 && !all) return [];
  const part = (name: string, shift: number, bits: number): string[] => {
    const [value, looked] = [(tci >>> shift) & bits, (mask >>> shift) & bits];
    if (value === 0 && looked === 0 && !all) return [];
    return [`${name}=${value}${looked === bits ? "" : `/0x${looked.toString(16)}`}`];
  };
  const parts = [...part("vid", 0, 0xfff), ...part("pcp", 13, 7)];
  return parts.length === 0 ? [] : [`vlan(${parts.join(",")})`];
}

function type4(type: number): string {
  return `0x${type.toString(16).padStart(4, "0")}`;
}

/** The attribute with the fields that are looked at; nothing if none is. */
function text(attribute: OdpAttribute, { key, mask, all }: Shown): string[] {
  const parts = attribute.fields.flatMap((each) => {
    const shown = fieldText(each, key, mask, all);
    return shown === "" ? [] : [each.name === "" ? shown : `${each.name}=${shown}`];
  });
  return parts.length === 0 ? [] : [`${attribute.name}(${parts.join(",")})`];
}

/** `value[/mask]`. @param all if the field is not looked at: `value/0` instead of nothing. */
export function fieldText(
  part: OdpField,
  key: Uint32Array,
  mask: Uint32Array,
  all = false,
): string {
  const words = new Uint32Array(part.field.words);
  getFieldWords(mask, part.field, words);
  const bits = numberOf(words);
  if (bits === 0n && !all) return "";
  getFieldWords(key, part.field, words);
  const value = numberOf(words);
  // A packet without TCP flags has none to show.
  if (bits === 0n && part.style === "flags" && value === 0n) return "";
  if (bits === 0n && (part.style === "flags" || part.style === "state")) return "0/0";
  if (part.style === "frag") return formatFragment(Number(value), Number(bits));
  if (part.style === "flags") {
    return formatFlags(Number(value), Number(bits), TCP_FLAG_NAMES, 0xfff);
  }
  if (part.style === "state") {
    return formatFlags(Number(value & bits), Number(bits), CT_STATE_NAMES, 0xffffffff);
  }
  const full = numberOf(part.field.id === "nw_tos" ? ALL_OF_TOS : fieldFullMask(part.field));
  return styled(part, value, false) + (bits === full ? "" : `/${styled(part, bits, true)}`);
}

const ALL_OF_TOS = Uint32Array.of(0xff);

function styled({ style }: OdpField, value: bigint, isMask: boolean): string {
  switch (style) {
    case "mac":
      return formatMac(value);
    case "ipv4":
      return formatIpv4(value);
    case "ipv6":
      return formatIpv6(value);
    case "decimal":
      return isMask ? hex(value) : String(value);
    default:
      return hex(value);
  }
}
