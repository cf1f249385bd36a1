// How a switch's refusal reaches the user of ovs-ofctl: OpenFlow's error, and the message that was
// refused (lib/ofp-errors.c, vconn_transact_noreply of Open vSwitch 3.1). Main thread.
import type { OpenFlowVersion } from "../../../ofctl/protocols.js";
import { type Call, VerbError } from "../call.js";

/** The header of a message: `OFPT_FLOW_MOD (OF1.3) (xid=0x6):`. */
export function messageHead(name: string, version: OpenFlowVersion, xid: number): string {
  const text = version === 10 ? "" : ` (OF${(version / 10).toFixed(1)})`;
  return `${name}${text} (xid=0x${xid.toString(16)}):`;
}

export interface RefusedMessage {
  /** OFPT_GROUP_MOD ... */
  readonly name: string;
  readonly version: OpenFlowVersion;
  readonly xid: number;
  /** What is printed of the message, from behind its header on. */
  readonly text: string;
}

/** Errors that OpenFlow 1.0 has no number for: it is only told that there was one. */
const SINCE_11 = ["OFPBAC_BAD_TAG", "OFPBAC_UNSUPPORTED_ORDER", "OFPBIC_BAD_TABLE_ID"];

/** @param error OFPGMFC_GROUP_EXISTS ... */
export function refusal(error: string, message: RefusedMessage): VerbError {
  const { name, version, xid, text } = message;
  const isUnsaid = version === 10 && SINCE_11.includes(error);
  const told = isUnsaid ? "NXBRC_UNENCODABLE_ERROR" : error;
  const whole =
    `${messageHead("OFPT_ERROR", version, xid)} ${told}\n` +
    `${messageHead(name, version, xid)}${text}\n`;
  return new VerbError(error, { whole });
}

/** The transaction id of the first message that ovs-ofctl sends after its greetings. */
export const FIRST_XID = 6;

/**
 * What is said of a bundle that was refused for one of its messages; then the command has failed.
 * @param index of the message, of `count`.
 */
export function bundleRefusal(
  call: Call,
  bridge: string,
  error: string,
  message: Omit<RefusedMessage, "xid">,
  place: { readonly index: number; readonly count: number },
): VerbError {
  const { name, version, text } = message;
  const head = messageHead(name, version, FIRST_XID + place.index);
  call.err(`Error ${error} for: ${head}${text}\n`);
  const control = version === 13 ? "ONFT_BUNDLE_CONTROL" : "OFPT_BUNDLE_CONTROL";
  const commit = messageHead(control, version, FIRST_XID + place.count + 2);
  call.err(`Error OFPBFC_MSG_FAILED for: ${commit}\n`);
  call.err(" bundle_id=0 type=COMMIT_REQUEST flags=atomic ordered\n");
  return new VerbError(`talking to unix:${bridge}.mgmt (Protocol error)`);
}
