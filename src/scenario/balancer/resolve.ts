// The balancer of a scenario in the form its workers use: addresses as words, MAC and MTU of each
// server's device filled in. Pure; any thread.
import { isIP } from "node:net";
import type { AddressWords, BalancerConfig, VirtualService } from "../../balancer/types.js";
import { addressValue } from "../check/addresses.js";
import type { ScenarioPort } from "../types.js";
import type { BalancerText } from "./schema.js";

/** A scenario's balancer, resolved. */
export interface ScenarioBalancer {
  /** Number of its port. */
  readonly port: number;
  readonly config: BalancerConfig;
  /** What the user wrote; what changes while the switch runs is checked with it. */
  readonly text: BalancerText;
  /** Where the servers are: numbers of the ports that have the addresses, by service and server. */
  readonly serverPorts: readonly (readonly number[])[];
}

/** The port that has an address; undefined if none has. */
export function portOfAddress<P extends { readonly addresses: readonly string[] }>(
  address: string,
  ports: readonly P[],
): P | undefined {
  const family = isIP(address);
  if (family !== 4 && family !== 6) return undefined;
  const value = addressValue(address, family);
  return ports.find(({ addresses }) =>
    addresses.some((cidr) => {
      const own = cidr.split("/")[0]!;
      return isIP(own) === family && addressValue(own, family) === value;
    }),
  );
}

/** Four words of an address, v4-mapped if it is IPv4. */
export function wordsOf(address: string): AddressWords {
  const isV4 = isIP(address) === 4;
  const value = addressValue(address, isV4 ? 4 : 6) | (isV4 ? 0xffff_0000_0000n : 0n);
  return [96n, 64n, 32n, 0n].map((shift) => Number((value >> shift) & 0xffff_ffffn));
}

function macNumbers(mac: string): number[] {
  return mac.split(":").map((part) => Number.parseInt(part, 16));
}

/** @param ports resolved; those of servers have MAC addresses (`fixedMac`). */
export function resolveBalancer(
  text: BalancerText,
  ports: readonly ScenarioPort[],
  seed: number,
): ScenarioBalancer {
  const [firstPort, lastPort] = text.local.ports;
  const addresses = text.local.addresses.map((address) => ({
    family: isIP(address) as 4 | 6,
    words: wordsOf(address),
  }));
  const portOf = (address: string): ScenarioPort => portOfAddress(address, ports)!;
  return {
    port: ports.find(({ name }) => name === text.port)!.number,
    text,
    config: {
      mac: macNumbers(text.mac),
      services: text.services.map((service) => resolveService(service, portOf)),
      local: { addresses, firstPort, lastPort },
      connectionsMax: text.connectionsMax,
      seed,
    },
    serverPorts: text.services.map(({ servers }) =>
      servers.map(({ address }) => portOf(address).number),
    ),
  };
}

/** @param portOf the port that has an address; it has a MAC address. */
export function resolveService(
  service: BalancerText["services"][number],
  portOf: (address: string) => Pick<ScenarioPort, "mac" | "mtu">,
): VirtualService {
  const { name, port, protocol, mode, scheduler } = service;
  const toa = mode === "fullnat" ? (service.toa ?? "dpvs") : "off";
  const servers = service.servers.map((server) => {
    const { mac, mtu } = portOf(server.address);
    return {
      address: wordsOf(server.address),
      port: server.port ?? port,
      weight: server.weight,
      mac: macNumbers(mac!),
      mtu,
    };
  });
  const family = isIP(service.address) as 4 | 6;
  const address = wordsOf(service.address);
  return { name, family, address, port, protocol, mode, scheduler, toa, servers };
}

/**
 * The MAC address that a server's port gets when the scenario does not say: the balancer must know
 * it before the device is there, and it must stay when the device is plugged in again.
 */
export function fixedMac(port: number, taken: ReadonlySet<string>): string {
  const low = port.toString(16).padStart(4, "0");
  for (let high = 0; ; high++) {
    const mac = `02:73:72:${high.toString(16).padStart(2, "0")}:${low.slice(0, 2)}:${low.slice(2)}`;
    if (!taken.has(mac)) return mac;
  }
}
