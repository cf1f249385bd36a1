// The load specs that the tests vary.
import type { HttpLoadSpec } from "../../src/load/types.js";
import { SERVER_ADDRESS, type TwoHosts } from "./two-hosts.js";

const NOWHERE = { name: "nowhere", handle: -1, path: null };

/** For what never runs. */
export const NOWHERE_SPEC: HttpLoadSpec = {
  client: NOWHERE,
  server: NOWHERE,
  serverAddress: SERVER_ADDRESS,
  serverPort: 8080,
  requests: 1,
  holdUntilInFlight: 0,
  concurrency: 0,
  timeoutMs: 30_000,
  bodyBytes: 100,
};

/** From the client to the server of a pair. */
export function httpSpec(hosts: TwoHosts, more: Partial<HttpLoadSpec>): HttpLoadSpec {
  return { ...NOWHERE_SPEC, client: hosts.client, server: hosts.server, ...more };
}

/** Sum of the failures of a result. */
export function failures(result: { failed: Readonly<Record<string, number>> }): number {
  return Object.values(result.failed).reduce((sum, count) => sum + count, 0);
}
