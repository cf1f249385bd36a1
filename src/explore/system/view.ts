// A device as a user's guard sees it while schedules are explored: each property that the guard
// reads becomes a step, through the same function of `src/path` that production reads it with.
import { PacketpathError } from "../../base/errors.js";
import type { Prepared } from "./prepared.js";
import { type SystemRuntime, UnaskedRead } from "./runtime.js";

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

interface KernelWithGuard {
  readonly guard: { readonly user: ((dev: object, skb: object) => unknown) | null };
}
type Read = (k: object, dev: number, name: string) => unknown;

/** What `path/device-view.ts` exports, as the explorer has it. */
export function viewModule(
  runtime: SystemRuntime,
  { sites, guardFile }: Prepared,
  guards: () => Record<string, unknown>,
) {
  const invalid = (message: string, fix: string): PacketpathError => {
    const site = sites[runtime.site];
    const isInGuard = site !== undefined && site.file === guardFile;
    const { line, column } = isInGuard ? site : { line: undefined, column: undefined };
    const place = line === undefined ? { file: guardFile! } : { file: guardFile!, line, column };
    return new PacketpathError("PROGRAM_INVALID", message, { place, fix });
  };
  const set = (_target: object, key: string | symbol): never => {
    throw invalid(`the guard sets "${String(key)}"`, "A guard looks, and changes nothing.");
  };
  const view = (k: object, dev: number): object => {
    const properties = DEVICE_PROPERTIES.map((name) => {
      const read = () => (guards().deviceProperty as Read)(k, dev, name);
      return [name, { get: () => runtime.reading(name, read()), enumerable: false }] as const;
    });
    const bare = Object.assign(Object.create(null) as object, { dev });
    return new Proxy(Object.defineProperties(bare, Object.fromEntries(properties)), {
      get(target, key): unknown {
        // A misspelt property is undefined, and a guard that lets nothing out would look right.
        if (typeof key === "string" && !(key in target)) {
          const fix = `A device has ${DEVICE_PROPERTIES.join(", ")}.`;
          throw invalid(`the guard asks for "${key}"`, fix);
        }
        return Reflect.get(target, key);
      },
      set,
      getPrototypeOf: () => null,
    });
  };
  // Nothing of this world is reached by it: its own properties are numbers.
  const own = (target: object, key: string | symbol): unknown => {
    return Object.hasOwn(target, key) ? Reflect.get(target, key) : undefined;
  };
  const skbView = (skb: object): object => {
    return new Proxy(skb, { get: own, set, getPrototypeOf: () => null });
  };
  function* userGuardAllows(k: KernelWithGuard, dev: number, skb: object): Generator {
    try {
      const seen = skbView(skb);
      const allowed: unknown = yield* runtime.call(0, k.guard.user!(view(k, dev), seen));
      runtime.mustHaveAsked();
      runtime.kept?.look();
      return allowed;
    } catch (error) {
      if (!(error instanceof UnaskedRead)) throw error;
      const name = error.message;
      const message = `the guard reads "${name}" in a way that cannot be followed`;
      throw invalid(message, `Write dev.${name}, where it is needed.`);
    }
  }
  return { userGuardAllows };
}
