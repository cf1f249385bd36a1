// The process of an HTTP server of a load: enters the namespace, runs the server's thread, and says
// how many requests it held at once. Started by server-process.ts only; nothing else may import it.
import { once } from "node:events";
import { openSync } from "node:fs";
import { workerEntry } from "../../base/entry.js";
import {
  enterNamespaceOfParent,
  failureMessage,
  sendToParent,
} from "../../host/witness/namespaced-child.js";
import { checkDescriptors, connectionsMax } from "../limits.js";
import { RoleGroup } from "../threads.js";
import { type HttpLoadSpec, LOAD_COUNTER } from "../types.js";
import type { ServerChildMessage } from "./server-process.js";

const SERVER = workerEntry("../http-server-thread.js", import.meta.url);

const say = (message: ServerChildMessage): Promise<void> => sendToParent(message);

async function serve(spec: HttpLoadSpec): Promise<void> {
  checkDescriptors(connectionsMax(spec), 1);
  // No device is touched here, so there is nothing to share with the parent's backend.
  const group = new RoleGroup({ kind: "linux", shared: new SharedArrayBuffer(0) });
  const own = { ...spec.server, handle: openSync("/proc/thread-self/ns/net", "r") };
  const server = group.start<null, HttpLoadSpec>("http-server", SERVER, own, spec);
  await server.ready;
  const stopped = once(process, "message");
  await say({ kind: "ready" });
  await stopped;
  server.stop();
  await server.result;
  await say({ kind: "done", maxHeld: group.counters[LOAD_COUNTER.maxHeld]! });
}

try {
  enterNamespaceOfParent();
  const [spec] = (await once(process, "message")) as [HttpLoadSpec];
  await serve(spec);
} catch (error) {
  await sendToParent(failureMessage(error));
}
process.exit();
