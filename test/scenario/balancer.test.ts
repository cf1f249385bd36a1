// Load balancers in scenarios: what a right one becomes, and fifty ways to get one wrong, each with
// the place where it is told. The mark ¶ (taken out before parsing) stands where.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { expandRange, parseCidr } from "../../src/scenario/check/addresses.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { errorsOf } from "./base.js";

const BASE = `name: base
namespaces: [clients, web]
ports:
  - { name: clients, namespace: clients, addresses: [10.0.1.1-10.0.1.4/16, fd00::1/64] }
  - { name: web, namespace: web, addresses: [10.1.0.11/24, fd01::11/64] }
  - { name: lb, kind: balancer }
balancer:
  port: lb
  local: { addresses: [10.1.0.1], ports: [2000, 2999] }
  services:
    - { name: www, address: 10.0.0.80, port: 80, servers: [{ address: 10.1.0.11, port: 8080 }] }
load:
  http: { from: clients, to: www, requests: 10, sources: 4 }
`;

function changed(find: string, replacement: string): string {
  if (!BASE.includes(find)) throw new Error(`the base has no "${find}"`);
  return BASE.replace(find, () => replacement);
}

const LB = "{ name: lb, kind: balancer }";
const SERVER = "{ address: 10.1.0.11, port: 8080 }";
const SERVICE = `{ name: www, address: 10.0.0.80, port: 80, servers: [${SERVER}] }`;
const LOCAL = "{ addresses: [10.1.0.1], ports: [2000, 2999] }";
const service = (text: string): string =>
  `{ name: www, address: 10.0.0.80, port: 80, servers: [${SERVER}], ${text} }`;
const second = (text: string): string => `${SERVICE}\n    - ${text}`;
const both = (toa: string): string => second(`{ ${toa}, servers: [{ address: 10.1.0.11 }] }`);

type Row = readonly [find: string, replacement: string, message: string];

const ROWS: readonly Row[] = [
  ["port: lb", "port: ¶lbb", 'no port "lbb" (did you mean "lb"?)'],
  ["port: lb", "port: ¶web", 'port "web" is a veth, not a balancer'],
  ["port: lb", "¶prot: lb", 'unknown key "prot"'],
  [
    LB,
    `${LB}\n  - ¶{ name: lb2, kind: balancer }`,
    'the balancer\'s port is "lb"; it has only one',
  ],
  [
    LB,
    "{ name: lb, kind: balancer, namespace: ¶web }",
    "a balancer port has no peer in a namespace",
  ],
  [LB, "{ name: lb, kind: balancer, addresses: ¶[10.9.0.1/24] }", "no peer to give addresses to"],
  ["port: lb", "port: lb\n  mac: ¶'03:00:00:00:00:01'", "is a group address"],
  ["port: lb", "port: lb\n  mac: ¶2", "expected a text"],
  ["port: lb", "port: lb\n  connectionsMax: ¶0", "expected at least 1, not 0"],
  ["port: lb", "port: lb\n  connectionsMax: ¶262145", "expected at most 262144"],
  [LOCAL, "{ addresses: [¶10.1.0.x] }", '"10.1.0.x" is not an IPv4 or IPv6 address'],
  [LOCAL, "{ addresses: [¶fe80::1%eth0] }", "is not an IPv4 or IPv6 address"],
  [LOCAL, "{ addresses: [10.1.0.1, ¶10.1.0.1] }", '"10.1.0.1" is given twice'],
  [LOCAL, "{ addresses: [¶10.1.0.11] }", 'taken by port "web"'],
  [LOCAL, "{ addresses: [¶10.0.0.80] }", "is the address of a service"],
  [LOCAL, "{ addresses: [10.1.0.1], ports: ¶[9, 8] }", "9 is above 8: no port"],
  [LOCAL, "{ addresses: [10.1.0.1], ports: [¶0, 8] }", "expected at least 1, not 0"],
  [LOCAL, "{ addresses: [10.1.0.1], ports: [1, ¶65536] }", "expected at most 65535"],
  [LOCAL, "{ addresses: [fd01::1] }", "needs an IPv4 address in balancer.local"],
  [`    - ${SERVICE}\n`, "", "services"],
  [SERVICE, "¶{ address: 10.0.0.80, port: 80, servers: [] }", "name: missing"],
  [SERVICE, `{ name: ¶a b, address: 10.0.0.80, port: 80, servers: [${SERVER}] }`, "1 to 32 of"],
  [SERVICE, "{ name: www, address: 10.0.0.80, port: 80, servers: ¶[] }", "at least 1 entries"],
  [SERVICE, `{ name: www, address: ¶10.0.0, port: 80, servers: [${SERVER}] }`, "is not an IPv4"],
  [SERVICE, `{ name: www, address: ¶10.1.0.11, port: 80, servers: [${SERVER}] }`, "taken by port"],
  [
    SERVICE,
    `{ name: www, address: 10.0.0.80, port: ¶0, servers: [${SERVER}] }`,
    "at least 1, not 0",
  ],
  [SERVICE, service("protocol: ¶sctp"), "expected one of tcp, udp"],
  [SERVICE, service("mode: ¶tunnel"), "expected one of fullnat, nat, dr"],
  [SERVICE, service("scheduler: ¶lc"), "expected one of rr, wrr, hash"],
  [SERVICE, service("toa: ¶on"), "expected one of off, dpvs, kind"],
  [SERVICE, service("mode: nat, toa: ¶dpvs"), "see the client's address anyhow"],
  [SERVICE, service("mode: dr, toa: ¶kind"), "see the client's address anyhow"],
  [SERVER, "{ address: ¶10.1.0.12 }", 'no port of the scenario has the address "10.1.0.12"'],
  [SERVER, "{ address: ¶fd01::11 }", "are of different IP versions"],
  [SERVER, "{ address: 10.1.0.11, port: ¶70000 }", "expected at most 65535"],
  [SERVER, "{ address: 10.1.0.11, weight: ¶257 }", "expected at most 256"],
  [SERVER, "{ address: 10.1.0.11, weight: ¶-1 }", "expected at least 0"],
  [SERVER, "{ address: 10.1.0.11, ¶mac: 1 }", 'unknown key "mac"'],
  [
    SERVICE,
    service("mode: dr").replace("port: 8080", "port: ¶8080"),
    "a dr service does not change",
  ],
  [SERVICE, both("name: ¶www, address: 10.0.0.81, port: 80"), 'service "www" is taken'],
  [SERVICE, second(`¶${SERVICE.replace("www", "two")}`), "has this address and port"],
  [
    SERVICE,
    second(`{ name: v6, address: 10.0.0.82, port: 1, toa: ¶kind, servers: [${SERVER}] }`),
    'port "web" reads dpvs',
  ],
  ["to: www", "to: ¶ww", 'no namespace "ww"'],
  ["to: www", "to: www, port: ¶81", "has its own port, 80"],
  ["to: www", "to: www, holdUntilInFlight: ¶5", "do not hold answers for one another"],
  ["from: clients", "from: ¶client", 'no namespace "client"'],
  ["10.0.0.80, port: 80", "10.3.0.80, port: 80", "is in no subnet of namespace"],
  ["sources: 4", "sources: ¶5", "has 4 addresses for this target"],
  ["sources: 4", "sources: ¶1025", "expected at most 1024"],
  ["10.0.1.1-10.0.1.4/16", "¶10.0.1.9-10.0.1.4/16", "is no range of addresses"],
  ["10.0.1.1-10.0.1.4/16", "¶10.0.1.1-10.0.9.4/16", "at most 1024"],
  ["10.0.1.1-10.0.1.4/16", "¶10.0.1.1-fd00::2/16", "is no range of addresses"],
  [
    "addresses: [10.1.0.11/24, fd01::11/64]",
    "addresses: [10.1.0.11/24, fd01::11/64], gateways: [¶10.2.0.1]",
    'is in no subnet of port "web"',
  ],
];

describe("a balancer that is right", () => {
  it("becomes words and bytes, with MAC and MTU of each server's device", () => {
    const { balancer, load, ports } = parseScenario(BASE, "x.yaml");
    const mac = ports[1]!.mac!;
    expect(mac).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(balancer).toMatchObject({ port: 3, serverPorts: [[2]] });
    expect(balancer!.config).toMatchObject({
      local: { firstPort: 2000, lastPort: 2999 },
      services: [
        {
          ...{ name: "www", family: 4, port: 80, protocol: "tcp", mode: "fullnat", toa: "dpvs" },
          address: [0, 0, 0xffff, 0x0a000050],
          servers: [{ address: [0, 0, 0xffff, 0x0a01000b], port: 8080, weight: 1, mtu: 1500 }],
        },
      ],
    });
    const bytes = mac.split(":").map((part) => Number.parseInt(part, 16));
    expect(balancer!.config.services[0]!.servers[0]!.mac).toEqual(bytes);
    expect(load.http).toMatchObject({
      ...{ toAddress: "10.0.0.80", port: 80, isBalanced: true },
      servers: [{ namespace: "web", port: 8080 }],
      sourceAddresses: ["10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4"],
    });
  });

  it("is in scenarios/toa-fullnat.yaml, in both dialects and IP versions", () => {
    const path = fileURLToPath(new URL("../../scenarios/toa-fullnat.yaml", import.meta.url));
    const text = readFileSync(path, "utf8");
    const toa = [0, 1].map((i) => `balancer.services[${i}].toa=kind`);
    for (const set of [[], ["load.http.to=web6"], toa, [...toa, "load.http.to=web6"]]) {
      const { load } = parseScenario(text, "toa-fullnat.yaml", { set });
      expect(load.http!.sourceAddresses).toHaveLength(200);
    }
  });
});

describe("a balancer that is wrong", () => {
  it.each(ROWS)("%s -> %s", (find, replacement, message) => {
    const marked = changed(find, replacement);
    const errors = errorsOf(marked.replace("¶", ""));
    const said = errors.filter((one) => one.message.includes(message));
    expect(said, errors.map(String).join("\n")).not.toEqual([]);
    if (!marked.includes("¶")) return;
    const above = marked.slice(0, marked.indexOf("¶")).split("\n");
    const place = [above.length, above.at(-1)!.length + 1];
    expect(said.map((one) => [one.place?.line, one.place?.column])).toContainEqual(place);
  });

  it("a balancer port without the section, and the section without the port", () => {
    const text = BASE.replace(/balancer:\n(.*\n)*load:\n.*\n/, "");
    const [error] = errorsOf(text);
    expect(error!.message).toContain('a balancer port needs the section "balancer"');
    const [other] = errorsOf(changed(LB, "{ name: lb, kind: dummy }"));
    expect(other!.message).toContain('port "lb" is a dummy, not a balancer');
  });
});

describe("ranges of addresses", () => {
  it("count over byte borders, in both IP versions", () => {
    expect(expandRange("10.0.0.254-10.0.1.1/16")).toEqual([
      ...["10.0.0.254/16", "10.0.0.255/16", "10.0.1.0/16", "10.0.1.1/16"],
    ]);
    const ipv6 = expandRange("fd00::ffff-fd00::1:0/64").map(parseCidr);
    expect(ipv6).toMatchObject([
      { address: "fd00:0:0:0:0:0:0:ffff", prefix: 64 },
      { address: "fd00:0:0:0:0:0:1:0", prefix: 64 },
    ]);
    expect(expandRange("10.0.0.1/24")).toEqual(["10.0.0.1/24"]);
  });
});
