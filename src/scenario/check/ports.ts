// What must hold between namespaces, ports and addresses. The schema has seen each value alone;
// here they are held against each other. Pure; any thread.
import type { ScenarioText } from "../schema.js";
import { didYouMean } from "../text/did-you-mean.js";
import type { Problems } from "../text/problems.js";
import { KINDS_ABOVE_LOWER, KINDS_IN_NAMESPACE } from "../types.js";
import { type Cidr, hostProblem, inSubnet, overlap, parseCidr } from "./addresses.js";

type PortText = ScenarioText["ports"][number];

/** An IPv6 device needs this MTU (RFC 8200, section 5). */
const IPV6_MTU_MIN = 1280;

export function checkPorts(
  text: Pick<ScenarioText, "namespaces" | "ports" | "defaults">,
  problems: Problems,
): void {
  checkUnique(text.namespaces, "namespace", (index) => ["namespaces", index], problems);
  const names = text.ports.map((port) => port.name);
  checkUnique(names, "port", (index) => ["ports", index, "name"], problems);
  const numbers = text.ports.map((port) => port.number);
  checkUnique(numbers, "port number", (index) => ["ports", index, "number"], problems);
  const macs = text.ports.map((port) => port.mac?.toLowerCase());
  checkUnique(macs, "MAC address", (index) => ["ports", index, "mac"], problems);
  const places = text.ports.map((port) =>
    port.namespace === undefined ? undefined : `${port.device} in ${port.namespace}`,
  );
  checkUnique(places, "device", (index) => ["ports", index, "device"], problems);
  text.ports.forEach((port, index) => {
    checkNamespace(port, index, text, problems);
    checkLower(port, index, text.ports, problems);
    checkMac(port, index, problems);
    checkGateways(port, index, problems);
  });
  checkAddresses(text, problems);
}

function checkUnique(
  values: readonly (string | number | undefined)[],
  what: string,
  pathOf: (index: number) => (string | number)[],
  problems: Problems,
): void {
  const seen = new Map<string | number, number>();
  values.forEach((value, index) => {
    if (value === undefined) return;
    const first = seen.get(value);
    if (first === undefined) {
      seen.set(value, index);
      return;
    }
    const { line } = problems.placeOf(pathOf(first));
    problems.add(pathOf(index), `${what} "${value}" is taken (line ${line})`);
  });
}

function checkNamespace(
  port: PortText,
  index: number,
  text: Pick<ScenarioText, "namespaces">,
  problems: Problems,
): void {
  const path = ["ports", index] as const;
  if (!KINDS_IN_NAMESPACE.includes(port.kind)) {
    if (port.namespace !== undefined) {
      problems.add([...path, "namespace"], `a ${port.kind} port has no peer in a namespace`);
    }
    if (port.addresses.length > 0) {
      problems.add([...path, "addresses"], `a ${port.kind} port has no peer to give addresses to`);
    }
    return;
  }
  if (port.namespace === undefined) {
    problems.add(path, `a ${port.kind} port needs "namespace", where its peer lives`);
  } else {
    checkNamespaceName(port.namespace, text.namespaces, [...path, "namespace"], problems);
  }
}

/** Adds a problem when `name` is not one of the namespaces. */
export function checkNamespaceName(
  name: string,
  namespaces: readonly string[],
  path: readonly (string | number)[],
  problems: Problems,
): boolean {
  if (namespaces.includes(name)) return true;
  const known = `the namespaces are ${namespaces.join(", ")}`;
  const hint = didYouMean(name, namespaces) || `; ${known}`;
  problems.add(path, `no namespace "${name}"${hint}`);
  return false;
}

function checkLower(
  port: PortText,
  index: number,
  ports: readonly PortText[],
  problems: Problems,
): void {
  const path = ["ports", index] as const;
  if (!KINDS_ABOVE_LOWER.includes(port.kind)) {
    if (port.lower !== undefined) {
      problems.add([...path, "lower"], `a ${port.kind} port stands on no other port`);
    }
    return;
  }
  if (port.lower === undefined) {
    problems.add(path, `a ${port.kind} port needs "lower", the name of the port below`);
    return;
  }
  const at = [...path, "lower"];
  const lower = ports.find((other) => other.name === port.lower);
  if (lower === undefined) {
    const names = ports.map((other) => other.name).filter((name) => name !== port.name);
    problems.add(at, `no port "${port.lower}"${didYouMean(port.lower, names)}`);
  } else if (standsOn(lower, port, ports)) {
    problems.add(at, `"${port.name}" would stand on itself`);
  } else if (ports.some((other, at2) => at2 < index && other.lower === port.lower)) {
    problems.add(at, `"${port.lower}" already carries another port`);
  }
}

function standsOn(upper: PortText, port: PortText, ports: readonly PortText[]): boolean {
  let current: PortText | undefined = upper;
  for (let depth = 0; depth <= ports.length && current !== undefined; depth++) {
    if (current.name === port.name) return true;
    const below: string | undefined = current.lower;
    current = ports.find((other) => other.name === below);
  }
  return current !== undefined;
}

function checkMac(port: PortText, index: number, problems: Problems): void {
  if (port.mac === undefined) return;
  const first = Number.parseInt(port.mac.slice(0, 2), 16);
  const path = ["ports", index, "mac"];
  if ((first & 1) !== 0) problems.add(path, `"${port.mac}" is a group address, not a station's`);
  if (/^00(:00){5}$/.test(port.mac)) problems.add(path, "all zeros is no address");
}

function checkGateways(port: PortText, index: number, problems: Problems): void {
  const near = port.addresses.map(parseCidr).filter((cidr) => typeof cidr !== "string");
  port.gateways.forEach((gateway, place) => {
    if (near.some((cidr) => inSubnet(cidr, gateway))) return;
    const path = ["ports", index, "gateways", place];
    problems.add(path, `"${gateway}" is in no subnet of port "${port.name}"`);
  });
}

interface Placed extends Cidr {
  readonly port: PortText;
  readonly path: readonly (string | number)[];
}

function checkAddresses(text: Pick<ScenarioText, "ports" | "defaults">, problems: Problems): void {
  const placed: Placed[] = [];
  text.ports.forEach((port, index) => {
    port.addresses.forEach((address, place) => {
      const path = ["ports", index, "addresses", place];
      const cidr = parseCidr(address);
      if (typeof cidr === "string") {
        problems.add(path, cidr);
        return;
      }
      const wrong = hostProblem(cidr);
      if (wrong !== null) problems.add(path, `"${address}" is ${wrong}`);
      const mtu = port.mtu ?? text.defaults.mtu;
      if (cidr.family === 6 && mtu < IPV6_MTU_MIN) {
        problems.add(path, `IPv6 needs an MTU of at least ${IPV6_MTU_MIN}; this port has ${mtu}`);
      }
      const clash = placed.find((other) => clashes(other, cidr, port));
      if (clash !== undefined) problems.add(path, clashSentence(clash, cidr, problems));
      placed.push({ ...cidr, port, path });
    });
  });
}

/** One address twice, or two devices of one namespace in overlapping subnets. */
function clashes(other: Placed, cidr: Cidr, port: PortText): boolean {
  if (other.family === cidr.family && other.value === cidr.value) return true;
  return other.port !== port && other.port.namespace === port.namespace && overlap(other, cidr);
}

function clashSentence(other: Placed, cidr: Cidr, problems: Problems): string {
  const { line } = problems.placeOf(other.path);
  const theirs = `${other.address}/${other.prefix} of port "${other.port.name}" (line ${line})`;
  return other.value === cidr.value
    ? `"${cidr.address}" is taken by ${theirs}`
    : `the subnet of "${cidr.address}/${cidr.prefix}" overlaps ${theirs} in the same namespace`;
}
