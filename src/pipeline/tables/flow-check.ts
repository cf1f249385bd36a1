// What flows may not say: no group that is not there (Open vSwitch 3.1, ofproto_check_ofpacts), no
// helper of the connection tracker. Looked at before a batch of changes is applied, in the order of
// the batch. Pure function; any thread.
import { PacketpathError } from "../../base/errors.js";
import type { Action, Flow } from "../../flow/types.js";
import type { FlowChange } from "../flow-tables.js";
import type { GroupTable } from "./group-table.js";

const FTP = 21;

/** @throws PacketpathError FLOW_INVALID with the name of OpenFlow's error, OFPBAC_BAD_OUT_GROUP. */
export function checkFlows(groups: GroupTable, changes: readonly FlowChange[]): void {
  const added = new Set<number>();
  const deleted = new Set<number>();
  let allDeleted = false;
  const exists = (id: number): boolean =>
    added.has(id) || (!allDeleted && !deleted.has(id) && groups.get(id) !== null);
  const check = (flow: Flow): void => {
    checkHelpers(flow.actions);
    for (const id of groupsIn(flow.actions)) {
      if (exists(id)) continue;
      const text = `OFPBAC_BAD_OUT_GROUP: there is no group ${id}`;
      throw new PacketpathError("FLOW_INVALID", text);
    }
  };
  for (const change of changes) {
    if (change.type === "add" || change.type === "modify" || change.type === "learn") {
      check(change.flow);
    } else if (change.type === "replace") change.flows.forEach(check);
    else if (change.type === "set-group") added.add(change.group.id);
    else if (change.type === "delete-group" && change.group === null) {
      allDeleted = true;
      added.clear();
    } else if (change.type === "delete-group" && change.group !== null) {
      deleted.add(change.group);
      added.delete(change.group);
    }
  }
}

/** The tracker has no helpers, so related connections of FTP and TFTP would be taken for new. */
function checkHelpers(actions: readonly Action[]): void {
  for (const action of actions) {
    if (action.type === "ct" && action.alg !== 0) {
      const name = action.alg === FTP ? "ftp" : "tftp";
      throw new PacketpathError(
        "FLOW_INVALID",
        `ct(alg=${name}): this switch has no helper for it`,
      );
    }
    if (action.type === "write-actions" || action.type === "clone") checkHelpers(action.actions);
  }
}

/** Groups that a list sends to, whatever it is nested in. */
function groupsIn(actions: readonly Action[]): number[] {
  return actions.flatMap((action) => {
    if (action.type === "group") return [action.group];
    const nested = action.type === "write-actions" || action.type === "clone";
    return nested ? groupsIn(action.actions) : [];
  });
}
