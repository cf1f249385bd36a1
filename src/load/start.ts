// The loads of a run, whichever backend carries them. Main thread. Linux code (koffi, sockets) is
// never loaded for the memory backend, nor the memory stack for linux: both are imported lazily.
import type { BackendDescriptor } from "../host/types.js";
import type { LoadHandle, LoadNamespace, Loads } from "./types.js";

/**
 * @param namespaces those that carry load, with their devices and addresses; the memory backend
 *   runs a host stack in each, linux has one and looks at none of it.
 */
export async function openLoads(
  descriptor: BackendDescriptor,
  namespaces: readonly LoadNamespace[],
): Promise<Loads> {
  if (descriptor.kind === "memory") {
    const { openMemoryHosts } = await import("./memory/hosts.js");
    return openMemoryHosts(descriptor, namespaces);
  }
  return openLinuxLoads(descriptor);
}

async function openLinuxLoads(descriptor: BackendDescriptor): Promise<Loads> {
  // The thread pool lives in the namespace of the thread that uses it first: settle it here,
  // before any load thread has entered one.
  const { settleThreadPool } = await import("../host/netns.js");
  await settleThreadPool();
  const { startFlood, startHttp, startPing } = await import("./linux.js");
  const open = new Set<LoadHandle<unknown>>();
  const keep = <Result>(handle: LoadHandle<Result>): LoadHandle<Result> => {
    open.add(handle);
    const forget = (): void => void open.delete(handle);
    handle.done.then(forget, forget);
    return handle;
  };
  return {
    startHttp: (spec) => keep(startHttp(descriptor, spec)),
    startFlood: (spec) => keep(startFlood(descriptor, spec)),
    startPing: (spec) => keep(startPing(descriptor, spec)),
    devicesChanged: () => undefined,
    close: async () => {
      const handles = [...open];
      for (const handle of handles) handle.stop();
      // Whoever holds a handle has its error already.
      await Promise.allSettled(handles.map((handle) => handle.done));
    },
  };
}
