// The bridge that a command of ovs-ofctl is about. Main thread.
import type { BridgeControl } from "../../control.js";
import type { Call } from "../call.js";

/** The bridge that the first argument names. */
export function bridgeOf(call: Call): BridgeControl {
  const name = call.args[0]!;
  return call.bridge(name, `${name} is not a bridge or a socket`);
}

/** Port numbers by name, for text that names ports. */
export function portMap(bridge: BridgeControl): Map<string, number> {
  return new Map(bridge.ports().map((port) => [port.name, port.number]));
}

/** Port names by number, for text with names. */
export function portNames(bridge: BridgeControl): Map<number, string> {
  return new Map(bridge.ports().map((port) => [port.number, port.name]));
}
