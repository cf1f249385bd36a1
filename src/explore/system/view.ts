// A device as a user's guard sees it while schedules are explored: each property that the guard
// reads becomes a step, through the same function of `src/path` that production reads it with.
import { PacketpathError } from "../../base/errors.js";
import type { SystemRuntime } from "./runtime.js";

/** Names of DeviceView (`src/path/device-view.ts`). */
export const DEVICE_PROPERTIES = [
  "running",
  "carrierOk",
  "up",
  "regState",
  "realNumTxQueues",
  "numTxQueues",
  "dismantle",
] as const;

/** A misspelt property is undefined, and a guard that lets nothing out would look right. */
function unknownProperty(key: string): PacketpathError {
  return new PacketpathError("PROGRAM_INVALID", `the guard asks for "${key}"`, {
    fix: `A device has ${DEVICE_PROPERTIES.join(", ")}.`,
  });
}

interface KernelWithGuard {
  readonly guard: { readonly user: ((dev: object, skb: object) => unknown) | null };
}
type Read = (k: object, dev: number, name: string) => unknown;

/** What `path/device-view.ts` exports, as the explorer has it. */
export function viewModule(runtime: SystemRuntime, guards: () => Record<string, unknown>) {
  const view = (k: object, dev: number): object => {
    const properties = DEVICE_PROPERTIES.map((name) => {
      const get = () => (guards().deviceProperty as Read)(k, dev, name);
      return [name, { get, enumerable: false }] as const;
    });
    return new Proxy(Object.defineProperties({ dev }, Object.fromEntries(properties)), {
      get(target, key): unknown {
        if (typeof key === "string" && !(key in target)) throw unknownProperty(key);
        return Reflect.get(target, key);
      },
    });
  };
  function* userGuardAllows(k: KernelWithGuard, dev: number, skb: object): Generator {
    return yield* runtime.call(0, k.guard.user!(view(k, dev), skb));
  }
  return { userGuardAllows };
}
