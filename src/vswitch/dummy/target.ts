// A dummy switch with its database: what the tools speak to. Main thread.
import { Database } from "../database/database.js";
import type { Target } from "../verbs/call.js";
import { follow, writeBack } from "./follow.js";
import { type DummyOptions, DummySwitch } from "./switch.js";

export interface DummyTarget extends Target {
  readonly control: DummySwitch;
}

export function dummyTarget(options: DummyOptions = {}): DummyTarget {
  const control = new DummySwitch(options);
  const database = new Database();
  return {
    control,
    database,
    refresh: () => writeBack(control, database),
    commit: async (draft) => {
      database.commit(draft);
      return follow(control, database);
    },
  };
}
