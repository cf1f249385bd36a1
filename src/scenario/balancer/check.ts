// What must hold between a balancer's services, its own addresses and the scenario's ports. Pure;
// any thread.
import { isIP } from "node:net";
import { addressValue } from "../check/addresses.js";
import { didYouMean } from "../text/did-you-mean.js";
import type { Path, Problems } from "../text/problems.js";
import type { BalancerText } from "./schema.js";
import { portOfAddress } from "./resolve.js";

/** What is looked at of a scenario: its text, or what became of it. */
interface Text {
  readonly balancer?: BalancerText | undefined;
  readonly ports: readonly {
    readonly name: string;
    readonly kind: string;
    readonly addresses: readonly string[];
    readonly mac?: string | null | undefined;
  }[];
}
type ServiceText = BalancerText["services"][number];

export function checkBalancer(text: Text, problems: Problems): void {
  const { balancer, ports } = text;
  ports.forEach((port, index) => {
    if (port.kind !== "balancer") return;
    if (balancer === undefined) {
      problems.add(["ports", index], 'a balancer port needs the section "balancer"');
    } else if (port.name !== balancer.port) {
      problems.add(["ports", index], `the balancer's port is "${balancer.port}"; it has only one`);
    }
  });
  if (balancer === undefined) return;
  checkPort(balancer, text, problems);
  checkMac(balancer, text, problems);
  checkOwnAddresses(balancer, text, problems);
  checkServices(balancer, text, problems);
}

/** The part that a change of services can break. */
export function checkServices(balancer: BalancerText, text: Text, problems: Problems): void {
  balancer.services.forEach((service, index) => {
    checkService(service, ["balancer", "services", index], { ...text, balancer }, problems);
  });
  checkUniqueServices(balancer.services, problems);
  checkDialects(balancer.services, text, problems);
}

/** What reads the options at a server's port reads one dialect. */
function checkDialects(services: readonly ServiceText[], text: Text, problems: Problems): void {
  const dialects = new Map<string, string>();
  services.forEach(({ mode, toa = "dpvs", servers }, index) => {
    if (mode !== "fullnat" || toa === "off") return;
    for (const { address } of servers) {
      const name = portOfAddress(address, text.ports)?.name;
      if (name === undefined) continue;
      const first: string = dialects.get(name) ?? toa;
      dialects.set(name, first);
      if (first === toa) continue;
      const path = ["balancer", "services", index, "toa"];
      return problems.add(
        path,
        `port "${name}" reads ${first}, for another service of its servers`,
      );
    }
  });
}

function checkPort(balancer: BalancerText, { ports }: Text, problems: Problems): void {
  const port = ports.find(({ name }) => name === balancer.port);
  if (port === undefined) {
    const names = ports.map(({ name }) => name);
    const hint = didYouMean(balancer.port, names);
    problems.add(["balancer", "port"], `no port "${balancer.port}"${hint}`);
  } else if (port.kind !== "balancer") {
    problems.add(["balancer", "port"], `port "${port.name}" is a ${port.kind}, not a balancer`);
  }
}

function checkMac(balancer: BalancerText, { ports }: Text, problems: Problems): void {
  const { mac } = balancer;
  const at = ["balancer", "mac"];
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0) {
    problems.add(at, `"${mac}" is a group address, not a station's`);
  }
  const taken = ports.find((port) => port.mac?.toLowerCase() === mac.toLowerCase());
  if (taken !== undefined) problems.add(at, `"${mac}" is taken by port "${taken.name}"`);
}

function checkOwnAddresses(balancer: BalancerText, { ports }: Text, problems: Problems): void {
  const { addresses, ports: range } = balancer.local;
  const seen = new Set<string>();
  addresses.forEach((address, index) => {
    const at = ["balancer", "local", "addresses", index];
    if (!checkAddress(address, at, problems)) return;
    const key = keyOf(address);
    if (seen.has(key)) problems.add(at, `"${address}" is given twice`);
    seen.add(key);
    const owner = portOfAddress(address, ports);
    if (owner !== undefined) problems.add(at, `"${address}" is taken by port "${owner.name}"`);
    if (balancer.services.some((service) => keyOf(service.address) === key)) {
      problems.add(at, `"${address}" is the address of a service`);
    }
  });
  if (range[0] > range[1]) {
    problems.add(["balancer", "local", "ports"], `${range[0]} is above ${range[1]}: no port`);
  }
}

function checkService(service: ServiceText, path: Path, text: Text, problems: Problems): void {
  const at = [...path, "address"];
  if (!checkAddress(service.address, at, problems)) return;
  const owner = portOfAddress(service.address, text.ports);
  if (owner !== undefined) {
    problems.add(at, `"${service.address}" is taken by port "${owner.name}"`);
  }
  const { mode, toa } = service;
  if (mode === "fullnat") checkPool(service, path, text.balancer!, problems);
  else if (toa !== undefined && toa !== "off") {
    const why = `servers of a ${mode} service see the client's address anyhow`;
    problems.add([...path, "toa"], why);
  }
  service.servers.forEach((server, index) => {
    checkServer(service, server, [...path, "servers", index], text, problems);
  });
}

function checkPool(
  service: ServiceText,
  path: Path,
  balancer: BalancerText,
  problems: Problems,
): void {
  const family = isIP(service.address);
  if (balancer.local.addresses.some((address) => isIP(address) === family)) return;
  const need = `a fullnat service of IPv${family} needs an IPv${family} address in balancer.local`;
  problems.add([...path, "mode"], need);
}

function checkServer(
  service: ServiceText,
  server: ServiceText["servers"][number],
  path: Path,
  text: Text,
  problems: Problems,
): void {
  const at = [...path, "address"];
  if (!checkAddress(server.address, at, problems)) return;
  if (isIP(server.address) !== isIP(service.address)) {
    const other = `"${service.address}" and "${server.address}" are of different IP versions`;
    problems.add(at, `${other}, between which the balancer does not translate`);
    return;
  }
  if (portOfAddress(server.address, text.ports) === undefined) {
    problems.add(at, `no port of the scenario has the address "${server.address}"`);
  }
  if (service.mode === "dr" && server.port !== undefined && server.port !== service.port) {
    problems.add(
      [...path, "port"],
      `a dr service does not change ports; its own is ${service.port}`,
    );
  }
}

function checkUniqueServices(services: readonly ServiceText[], problems: Problems): void {
  const seen = new Map<string, string>();
  services.forEach((service, index) => {
    const path = ["balancer", "services", index];
    if (services.findIndex(({ name }) => name === service.name) < index) {
      problems.add([...path, "name"], `service "${service.name}" is taken`);
    }
    if (isIP(service.address) === 0) return;
    const key = `${service.protocol} ${keyOf(service.address)} ${service.port}`;
    const first = seen.get(key);
    if (first !== undefined) problems.add(path, `service "${first}" has this address and port`);
    else seen.set(key, service.name);
  });
}

function checkAddress(address: string, path: Path, problems: Problems): boolean {
  if (isIP(address) !== 0 && !address.includes("%")) return true;
  problems.add(path, `"${address}" is not an IPv4 or IPv6 address`);
  return false;
}

function keyOf(address: string): string {
  const family = isIP(address);
  return family === 4 || family === 6 ? `${family} ${addressValue(address, family)}` : address;
}
