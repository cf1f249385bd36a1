// What is left of a match when it has come through OpenFlow (lib/nx-match.c nx_put_raw of Open
// vSwitch 3.1). From 1.2 on a tag is not matched as 16 bits, but as its id, with the bit that says
// that there is one, and its priority. 1.1 has no ECN. Slow path; any thread.
import { fieldOf, getField, isFieldZero, setField, type FieldId } from "../../flow/fields.js";
import { NW_FRAG_LATER, VLAN_PRESENT, WORD } from "../../flow/key.js";
import { cloneMatch, getMatchField, prerequisiteHolds, setMatchField } from "../../flow/match.js";
import type { Match } from "../../flow/types.js";
import type { OpenFlowVersion } from "../protocols.js";

const ID_AND_PRESENT = 0x1fff;
const PRIORITY = 0xe000;

/** The tag's part of a match, as 1.2 sends it. */
interface Tag {
  readonly value: number;
  readonly mask: number;
  /** Whether the priority is sent, which needs a tag to be matched. */
  readonly hasPriority: boolean;
}

function tagOf(match: Match): Tag {
  const tci = fieldOf("vlan_tci");
  const [value, mask] = [getField(match.value, tci), getField(match.mask, tci)];
  // A priority is forgotten when nothing is said of the id and of there being a tag.
  const hasPriority = (value & ID_AND_PRESENT) !== 0 && (mask & PRIORITY) !== 0;
  if (!hasPriority)
    return { value: value & ID_AND_PRESENT, mask: mask & ID_AND_PRESENT, hasPriority };
  return { value, mask: mask | PRIORITY, hasPriority };
}

/**
 * Types and codes of ICMP are sent as bytes, but for 1.0 and 1.1, which send all 16 bits of their
 * place if they are matched exactly.
 */
function withIcmpBytes(match: Match, version: OpenFlowVersion): Match {
  const protocol =
    getField(match.mask, fieldOf("nw_proto")) === 0xff ? match.value[WORD.ip]! >>> 24 : -1;
  const type = getField(match.value, fieldOf("eth_type"));
  const isIcmp = (type === 0x0800 && protocol === 1) || (type === 0x86dd && protocol === 58);
  if (!isIcmp) return match;
  const result = cloneMatch(match);
  for (const id of ["tcp_src", "tcp_dst"] as const) {
    const { value, mask } = getMatchField(match, fieldOf(id));
    const isSentWhole = mask[0] === 0xffff && version < 12;
    if (mask[0] !== 0 && !isSentWhole) {
      setMatchField(result, fieldOf(id), Uint32Array.of(value[0]! & 0xff));
    }
  }
  return result;
}

/** Of a connection's ports nothing is sent, but with its protocol, and of protocol 0 nothing. */
function withoutTuple(match: Match): Match {
  const { value, mask } = match;
  const isMatched = mask[WORD.ctPorts] !== 0 || mask[WORD.ctNwProto] !== 0;
  if (!isMatched || (value[WORD.ctNwProto]! & 0xff) !== 0) return match;
  const result = cloneMatch(match);
  for (const words of [result.value, result.mask]) words[WORD.ctPorts] = words[WORD.ctNwProto] = 0;
  return result;
}

/** The match that a switch has after it was sent to it, or a client after it asked for it. */
export function receivedMatch(sent: Match, version: OpenFlowVersion): Match {
  const match = withoutTuple(withIcmpBytes(sent, version));
  const tci = fieldOf("vlan_tci");
  if (version === 11 && getField(match.mask, fieldOf("nw_ecn")) !== 0) {
    const result = cloneMatch(match);
    setMatchField(result, fieldOf("nw_ecn"), Uint32Array.of(0), Uint32Array.of(0));
    return result;
  }
  if (version < 12 || getField(match.mask, tci) === 0) return match;
  const { value, mask } = tagOf(match);
  const result = cloneMatch(match);
  setField(result.value, tci, value);
  setField(result.mask, tci, mask);
  return result;
}

/** What is wrong with a match on where a connection's first packet came from and went to. */
function misfitOfTuple(sent: Match): string | null {
  const match = withoutTuple(sent);
  const used = (ids: readonly FieldId[]): boolean =>
    ids.some((id) => !isFieldZero(match.mask, fieldOf(id)));
  const [isV4, isV6] = [used(["ct_nw_src", "ct_nw_dst"]), used(["ct_ipv6_src", "ct_ipv6_dst"])];
  if (!isV4 && !isV6 && !used(["ct_nw_proto"])) return null;
  if (!prerequisiteHolds(match, "ct")) return "OFPBMC_BAD_PREREQ";
  const fits =
    (!isV4 || prerequisiteHolds(match, "ipv4")) && (!isV6 || prerequisiteHolds(match, "ipv6"));
  return fits ? null : "OFPBAC_MATCH_INCONSISTENT";
}

/** Whether the protocol is one whose ports a fragment may lack. */
function hasPorts(match: Match): boolean {
  return [6, 17, 132].includes(match.value[WORD.ip]! >>> 24);
}

/**
 * What a switch finds wrong with a match when it gets it in the words of a version.
 * @returns the name of the OpenFlow error, or null.
 */
export function checkReceivedMatch(match: Match, version: OpenFlowVersion): string | null {
  // Later fragments have no ports.
  const isLater = (match.value[WORD.ip]! & match.mask[WORD.ip]! & NW_FRAG_LATER) !== 0;
  if (isLater && match.mask[WORD.ports] !== 0 && hasPorts(match)) return "OFPBMC_BAD_PREREQ";
  const misfit = misfitOfTuple(match);
  if (misfit !== null) return misfit;
  if (version < 12) return null;
  const { value, mask, hasPriority } = tagOf(match);
  const isTagged = (value & mask & VLAN_PRESENT) !== 0;
  return hasPriority && !isTagged ? "OFPBMC_BAD_PREREQ" : null;
}
