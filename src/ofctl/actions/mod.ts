// The actions that set one header field each and are older than set_field: mod_*, set_vlan_*,
// set_tunnel, push_vlan (lib/ofp-actions.c of Open vSwitch 3.1). Slow path; any thread.
import { fieldFullMask, fieldOf, type FieldId } from "../../flow/fields.js";
import { VLAN_PRESENT } from "../../flow/key.js";
import type { Action, SetFieldSpelling } from "../../flow/types.js";
import { FORMATS } from "../protocols.js";
import { leadingMac, parseIpv4 } from "../text/addresses.js";
import { numberArgument, uint64Argument } from "../text/numbers.js";
import { FlowTextError, wordsOf, type Pair } from "../text/scan.js";
import type { ActionContext, ActionParser } from "./context.js";

/** A whole field set to a number. */
export function setWhole(
  id: FieldId,
  value: bigint,
  spelling: SetFieldSpelling = "mod",
): Extract<Action, { type: "set-field" }> {
  const field = fieldOf(id);
  return {
    type: "set-field",
    field: id,
    value: wordsOf(value, field.words),
    mask: fieldFullMask(field),
    spelling,
  };
}

interface NumberMod {
  readonly field: FieldId;
  /** What Open vSwitch calls the value in its errors. */
  readonly what: string;
  readonly max: number;
  /** Bits that must be 0, and the sentence when they are not. */
  readonly forbidden: number;
  readonly refusal: string;
  /** Added to the value. */
  readonly present?: number;
}

const VID = { what: "VLAN VID", max: 0xffff, forbidden: 0xf000, refusal: "not a valid VLAN VID" };
const PCP = { what: "VLAN PCP", max: 0xff, forbidden: 0xf8, refusal: "not a valid VLAN PCP" };
const ANY = { forbidden: 0, refusal: "" };

/**
 * mod_vlan_* push a tag onto a frame that has none (fields dl_vlan and dl_vlan_pcp); set_vlan_*
 * leave such a frame alone (fields vlan_vid and vlan_pcp).
 */
const NUMBER_MODS: Readonly<Record<string, NumberMod>> = {
  mod_vlan_vid: { field: "dl_vlan", ...VID },
  mod_vlan_pcp: { field: "dl_vlan_pcp", ...PCP },
  set_vlan_vid: { field: "vlan_vid", ...VID, present: VLAN_PRESENT },
  set_vlan_pcp: { field: "vlan_pcp", ...PCP },
  mod_nw_tos: {
    field: "nw_tos",
    what: "TOS",
    max: 0xff,
    forbidden: 3,
    refusal: "not a valid TOS",
  },
  mod_nw_ecn: {
    field: "nw_ecn",
    what: "ECN",
    max: 0xff,
    forbidden: 0xfc,
    refusal: "not a valid ECN",
  },
  mod_nw_ttl: { field: "nw_ttl", what: "TTL", max: 0xff, ...ANY },
  set_nw_ttl: { field: "nw_ttl", what: "TTL", max: 0xff, ...ANY },
  mod_tp_src: { field: "tcp_src", what: "source port", max: 0xffff, ...ANY },
  mod_tp_dst: { field: "tcp_dst", what: "destination port", max: 0xffff, ...ANY },
};

const numberMod =
  (mod: NumberMod): ActionParser =>
  (pair) => {
    const value = numberArgument(pair, mod.what, mod.max);
    if ((value & mod.forbidden) !== 0) {
      throw new FlowTextError(`${pair.value}: ${mod.refusal}`, pair.valueAt);
    }
    return setWhole(mod.field, BigInt(value | (mod.present ?? 0)));
  };

const macMod =
  (field: FieldId): ActionParser =>
  (pair) => {
    // What follows the address is not looked at (str_to_mac).
    const mac = leadingMac(pair.value);
    if (mac === null) throw new FlowTextError(`invalid mac address ${pair.value}`, pair.valueAt);
    return setWhole(field, mac.value);
  };

const addressMod =
  (field: FieldId): ActionParser =>
  (pair) => {
    // Read by inet_pton(3), which is stricter than what reads addresses elsewhere (lookup_ip).
    const isStrict = pair.value
      .split(".")
      .every((part) => /^(0|[1-9]\d*)$/.test(part) && Number(part) < 256);
    const address = isStrict ? parseIpv4(pair.value) : null;
    if (address !== null) return setWhole(field, address);
    throw new FlowTextError(`${pair.value}: could not convert to IP address`, pair.valueAt);
  };

const tunnelMod =
  (spelling: SetFieldSpelling): ActionParser =>
  (pair) =>
    setWhole("tun_id", uint64Argument(pair.value, pair.valueAt), spelling);

function parsePushVlan(pair: Pair, context: ActionContext): Action {
  context.formats &= FORMATS.openFlow11Up;
  const ethertype = numberArgument(pair, "ethertype", 0xffff);
  if (ethertype !== 0x8100 && ethertype !== 0x88a8) {
    throw new FlowTextError(`${pair.value}: not a valid VLAN ethertype`, pair.valueAt);
  }
  return { type: "push-vlan", ethertype };
}

const popVlan: ActionParser = () => ({ type: "pop-vlan" });

/** Parsers by the action's name. */
export const MOD_PARSERS: Readonly<Record<string, ActionParser>> = {
  ...Object.fromEntries(
    Object.entries(NUMBER_MODS).map(([name, mod]) => [name, numberMod(mod)] as const),
  ),
  mod_dl_src: macMod("eth_src"),
  mod_dl_dst: macMod("eth_dst"),
  mod_nw_src: addressMod("ip_src"),
  mod_nw_dst: addressMod("ip_dst"),
  set_tunnel: tunnelMod("mod"),
  set_tunnel64: tunnelMod("set_tunnel64"),
  push_vlan: parsePushVlan,
  strip_vlan: popVlan,
  pop_vlan: popVlan,
};
