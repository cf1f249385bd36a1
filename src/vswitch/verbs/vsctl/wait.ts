// wait-until of ovs-vsctl: the line is performed again, whenever something has changed, until the
// conditions hold (lib/db-ctl-base.c of Open vSwitch 3.1). Main thread.
import { NotYet } from "../call.js";
import { has } from "../options.js";
import { fulfills } from "./conditions.js";
import type { Command, Transaction, VsctlVerb } from "./transaction.js";

function waitUntil(t: Transaction, { args, options }: Command): void {
  const [tableName, record, ...conditions] = args as [string, string, ...string[]];
  const row = t.find(t.tableOf(tableName), record);
  if (row === null && has(options, "if-exists")) return;
  if (row === null || !conditions.every((text) => fulfills(t, row, text))) throw new NotYet();
}

export const WAIT_VERBS: readonly VsctlVerb[] = [
  {
    name: "wait-until",
    min: 2,
    max: Infinity,
    usage: "TABLE RECORD [CONDITION]...",
    run: waitUntil,
  },
];
