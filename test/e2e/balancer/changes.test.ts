// Services and servers of a running balancer that come and go by ovs-appctl, with real sockets on
// both ends: who is asked next, that connections go on, and that what is refused changes nothing.
import { describe, expect, it } from "vitest";
import { NEEDS_ROOT, needsRoot } from "../../host/linux-support.js";
import { has } from "../program.js";
import { begin, beside, CLIENT, fetch, testFolder } from "./topology.js";

const cannot = NEEDS_ROOT || !has("ip") || !has("curl");
const needs = NEEDS_ROOT ? needsRoot : cannot ? " (needs ip and curl)" : "";

const folder = testFolder();

/** Nobody listens there: who is sent to it is refused at once. */
const NOBODY = "10.1.0.11:9999";

describe.skipIf(cannot)(`a balancer that is changed while it runs${needs}`, () => {
  it("a new service answers until it is deleted", async () => {
    const { tool } = await begin(folder.path);
    const servers = "servers: [{ address: 10.1.0.11, port: 8080 }]";
    const service = `{ name: api, address: 10.0.0.83, port: 80, ${servers} }`;
    expect(tool("ovs-appctl", "balancer/add-service", service)).toBe("");
    expect(fetch("10.0.1.7", 40_000, "http://10.0.0.83/")).toBe("hello ::ffff:10.1.0.1");
    expect(tool("ovs-appctl", "balancer/show")).toContain("api: tcp 10.0.0.83:80 fullnat");
    expect(tool("ovs-appctl", "balancer/del-service", "api")).toBe("");
    expect(tool("ovs-appctl", "balancer/show")).not.toContain("api");
    expect(fetch("10.0.1.7", 40_001, "http://10.0.0.80/")).toBe("hello ::ffff:10.1.0.1");
  });

  it("a server of weight 0 gets no new connections; one that left keeps those it had", async () => {
    const { tool } = await begin(folder.path);
    const client = beside("clients", process.execPath, "-e", CLIENT);
    await client.says("connected");
    const ask = (port: number) => () => fetch("10.0.1.7", port, "http://10.0.0.80/");
    tool("ovs-appctl", "balancer/add-server", "web", "{ address: 10.1.0.11, port: 9999 }");
    tool("ovs-appctl", "balancer/set-weight", "web", "10.1.0.11:8080", "0");
    expect(ask(40_001)).toThrow(/connect to 10.0.0.80|reset/);
    tool("ovs-appctl", "balancer/set-weight", "web", "10.1.0.11:8080", "1");
    tool("ovs-appctl", "balancer/del-server", "web", NOBODY);
    for (const port of [40_002, 40_003]) expect(ask(port)()).toBe("hello ::ffff:10.1.0.1");
    tool("ovs-appctl", "balancer/add-server", "web", "{ address: 10.1.0.11, port: 9999 }");
    tool("ovs-appctl", "balancer/del-server", "web", "10.1.0.11:8080");
    expect(ask(40_004)).toThrow(/connect to 10.0.0.80|reset/);
    client.child.stdin!.write("go");
    await client.says("200 OK");
  });

  it("what is refused says why, and changes nothing", async () => {
    const { tool } = await begin(folder.path);
    const services = (): unknown => {
      const shown = JSON.parse(tool("ovs-appctl", "balancer/show", "--json")) as object;
      return (shown as { services: unknown }).services;
    };
    const shown = services();
    for (const [verb, words, sentence] of REFUSED) {
      expect(() => tool("ovs-appctl", `balancer/${verb}`, ...words), verb).toThrow(sentence);
      expect(services()).toEqual(shown);
    }
  });
});

const REFUSED = [
  ["del-service", ["nobody"], "nobody"],
  ["set-weight", ["web", "10.1.0.11:8080", "257"], 'weight "257": expected a whole number'],
  ["del-server", ["web", NOBODY], `service web has no server "${NOBODY}"`],
  ["add-server", ["web", "{ address: 10.1.0.11, port: 8080 }"], "already"],
  ["add-server", ["web", "{ address: 10.9.9.9, port: 8080 }"], '"10.9.9.9"'],
  ["add-service", ["{ name: web, address: 10.0.0.84 }"], "port: missing"],
  ["add-service", ["{ name: web"], "Flow map must end with a }"],
] as const;
