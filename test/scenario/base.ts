// The scenario that the parser's tests start from: each test breaks or changes one thing in it.
import { parseScenario } from "../../src/scenario/parse.js";
import { PacketpathError } from "../../src/base/errors.js";

export const BASE = `name: base
guard: none
expect: { default: SAFE, none: LOCKUP }
workers: 2
defaults: { queues: 4 }
namespaces: [client, server]
ports:
  - { name: client, namespace: client, addresses: [10.0.0.1/24] }
  - { name: server, namespace: server, addresses: [10.0.0.2/24] }
flows: |
  priority=100,ip,nw_dst=10.0.0.2 actions=output:server
  priority=0 actions=NORMAL
load:
  http: { from: client, to: server, requests: 10 }
faults:
  - { kind: link-delete, target: server, at: { inFlight: 10 } }
`;

/** The base with the first `find` replaced; a text that does not occur is a mistake in a test. */
export function changed(find: string, replacement: string): string {
  if (!BASE.includes(find)) throw new Error(`the base scenario has no "${find}"`);
  return BASE.replace(find, () => replacement);
}

/** The errors of a text, in order; empty when it is right. */
export function errorsOf(text: string, set: readonly string[] = []): PacketpathError[] {
  try {
    parseScenario(text, "x.yaml", { set });
    return [];
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    return [error, ...error.others];
  }
}
