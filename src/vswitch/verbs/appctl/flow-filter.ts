// The `filter=` of dpctl/dump-flows: a flow in OpenFlow's words, all fields exact; flows of the
// datapath that say otherwise of any of them are left out (lib/dpctl.c dpctl_dump_flows of Open
// vSwitch 3.1). Main thread.
import {
  fieldByName,
  fieldFullMask,
  fieldOf,
  setFieldWords,
  type FieldId,
} from "../../../flow/fields.js";
import { newKey } from "../../../flow/key.js";
import { parseExactFlow, PROTOCOL_NUMBERS } from "../../../ofctl/exact-flow.js";
import { FlowTextError, scanPairs } from "../../../ofctl/text/scan.js";
import { Refusal } from "./refusal.js";

export interface FlowFilter {
  readonly key: Uint32Array;
  /** The fields that the text names. */
  readonly mask: Uint32Array;
}

function mark(mask: Uint32Array, id: FieldId): void {
  setFieldWords(mask, fieldOf(id), fieldFullMask(fieldOf(id)));
}

/**
 * Reads a filter.
 * @param ports numbers, as keys have them, by how the datapath calls ports: names and numbers.
 */
export function readFilter(text: string, ports: ReadonlyMap<string, number>): FlowFilter {
  let key: Uint32Array;
  try {
    key = parseExactFlow(text, ports);
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    throw new Refusal(`ovs-vswitchd: Failed to parse filter (${error.message})`);
  }
  const mask = newKey();
  for (const pair of scanPairs(text, 0, text.length)) {
    const protocol = PROTOCOL_NUMBERS.get(pair.key);
    if (protocol === undefined) mark(mask, fieldByName(pair.key)!.id);
    else {
      mark(mask, "eth_type");
      if (protocol >= 0) mark(mask, "nw_proto");
    }
  }
  return { key, mask };
}

/** Whether nothing that a flow of the datapath looks at is said otherwise by the filter. */
export function passes(filter: FlowFilter, key: Uint32Array, mask: Uint32Array): boolean {
  return filter.mask.every((bits, i) => {
    return ((filter.key[i]! ^ key[i]!) & bits & mask[i]!) === 0;
  });
}
