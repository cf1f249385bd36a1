// Flows of the datapath as Open vSwitch 3.1 writes them: in dumps and in the log
// (lib/odp-util.c, lib/dpif-netdev.c). Main thread.
import { keyHash, newKey, rehash, WORD } from "../../flow/key.js";
import type { Megaflow } from "../../flow/odp.js";
import { formatOdpActions, needsHelp, type OdpNames } from "../../ofctl/odp/format-odp-actions.js";
import { formatOdpFlow } from "../../ofctl/odp/format-odp-flow.js";
import { datapathMask } from "../../trace/megaflow-mask.js";
import type { PortView } from "../control.js";

/** All words of a key: megaflows of packets that did not come round keep the packet's only. */
export function wholeKey(words: Uint32Array): Uint32Array {
  const key = newKey();
  key.set(words);
  return key;
}

/** An id of a flow: the same as long as it matches the same. */
export function ufidOf({ key, mask }: Megaflow): string {
  const masked = wholeKey(key).map((word, i) => word & (mask[i] ?? 0));
  const hash = keyHash(masked, masked.length) ^ keyHash(wholeKey(mask), masked.length);
  const digits = [1, 2, 3, 4].map((basis) => rehash(hash, basis).toString(16).padStart(8, "0"));
  return digits.join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export interface MegaflowWords {
  /** Of the bridge where its packets come in. */
  readonly ports: readonly PortView[];
  readonly byName: boolean;
  /** Fields that are not looked at are shown, too. */
  readonly all: boolean;
  readonly names: OdpNames;
}

/** What it matches, and what it does. */
export function megaflowText(
  flow: Megaflow,
  { ports, byName, all, names }: MegaflowWords,
): { readonly match: string; readonly actions: string } {
  const key = wholeKey(flow.key);
  const mask = datapathMask(key, flow.mask);
  const number = key[WORD.inPort]!;
  const port = ports.find((one) => one.number === number);
  const portText = port === undefined ? number : byName ? port.name : port.datapathNumber;
  // What Open vSwitch's datapath has no action for, it hands back each time.
  const actions = needsHelp(flow.actions, key)
    ? "userspace(pid=0,slow_path(action))"
    : formatOdpActions(flow.actions, flow.operands, key, names);
  return { match: formatOdpFlow(key, mask, String(portText), { all }), actions };
}
