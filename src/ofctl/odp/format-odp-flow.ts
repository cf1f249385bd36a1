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

/**
 * One flow of the datapath, without statistics and actions.
 * @param key of a packet that belongs to the flow; bits outside the mask are shown where the field
 *   is matched in part, as Open vSwitch shows them.
 * @param port how the datapath calls the input port.
 */
export function formatOdpFlow(key: Uint32Array, mask: Uint32Array, port: string): string {
  const metadata = METADATA_ATTRIBUTES.flatMap((each) =>
    each.name === "recirc_id" ? [`recirc_id(${hex(key[WORD.recircId]!)})`] : text(each, key, mask),
  );
  const ethernet = text(ETHERNET, key, mask);
  const inner = formatTagged(key, mask, 0);
  return [...metadata, `in_port(${port})`, "packet_type(ns=0,id=0)", ...ethernet, ...inner].join(
    ",",
  );
}

/** The Ethernet type and what is behind it; a tag puts the rest into `encap(...)`. */
function formatTagged(key: Uint32Array, mask: Uint32Array, depth: number): string[] {
  const tag = tagWord(key, depth);
  if ((tag & VLAN_PRESENT) === 0 || depth === 2) {
    const type = key[WORD.typeVlan]! >>> 16;
    const typeText = type === DL_TYPE_NONE ? [] : [`eth_type(${type4(type)})`];
    return [...typeText, ...headerAttributes(key).flatMap((each) => text(each, key, mask))];
  }
  const tci = formatTci(tag & 0xffff, tagWord(mask, depth) & 0xffff);
  const inner = formatTagged(key, mask, depth + 1).join(",");
  return [`eth_type(${type4(tag >>> 16)})`, ...tci, `encap(${inner})`];
}

function tagWord(key: Uint32Array, depth: number): number {
  if (depth === 1) return key[WORD.innerVlan]!;
  return ((key[WORD.outerTpid]! & 0xffff0000) | (key[WORD.typeVlan]! & 0xffff)) >>> 0;
}

function formatTci(tci: number, mask: number): string[] {
  const vid = mask & 0xfff;
  const pcp = mask >>> 13;
  const parts = [
    vid === 0 ? "" : `vid=${tci & 0xfff}${vid === 0xfff ? "" : `/${hex(vid)}`}`,
    pcp === 0 ? "" : `pcp=${tci >>> 13}${pcp === 7 ? "" : `/${hex(pcp)}`}`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? [] : [`vlan(${parts.join(",")})`];
}

function type4(type: number): string {
  return `0x${type.toString(16).padStart(4, "0")}`;
}

/** The attribute with the fields that are looked at; nothing if none is. */
function text(attribute: OdpAttribute, key: Uint32Array, mask: Uint32Array): string[] {
  const parts = attribute.fields.flatMap((each) => {
    const shown = fieldText(each, key, mask);
    return shown === "" ? [] : [each.name === "" ? shown : `${each.name}=${shown}`];
  });
  return parts.length === 0 ? [] : [`${attribute.name}(${parts.join(",")})`];
}

/** `value[/mask]`, or nothing when the field is not looked at. */
export function fieldText(part: OdpField, key: Uint32Array, mask: Uint32Array): string {
  const words = new Uint32Array(part.field.words);
  getFieldWords(mask, part.field, words);
  const bits = numberOf(words);
  if (bits === 0n) return "";
  getFieldWords(key, part.field, words);
  const value = numberOf(words);
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
