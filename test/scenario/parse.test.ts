// What a right scenario becomes: defaults, numbers, addresses, and what `--set` changes.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PROFILES as PATH_PROFILES } from "../../src/path/profiles.js";
import { GUARD_NAMES } from "../../src/path/guards.js";
import { parseScenario } from "../../src/scenario/parse.js";
import { scenarioJsonSchema } from "../../src/scenario/schema.js";
import { expectedVerdict, GUARDS, PROFILES } from "../../src/scenario/types.js";
import { BASE, changed, errorsOf } from "./base.js";

const file = (name: string) => new URL(`../../scenarios/${name}`, import.meta.url);

describe("defaults", () => {
  it("a scenario of four lines is complete", () => {
    const text = "name: a\nnamespaces: [x]\nports:\n  - { name: p, namespace: x }\n";
    const scenario = parseScenario(text, "x.yaml");
    expect(scenario).toMatchObject({
      guard: "none",
      profile: "6.1",
      seed: 1,
      workers: 4,
      uso: true,
      expect: { default: "SAFE" },
      bridge: { name: "br0" },
      load: { http: null, bystander: null, flood: [], ping: [] },
      faults: [],
      vswitchd: null,
      watchdog: { threshSeconds: 2, onLockup: "end" },
      durationMs: 3000,
    });
    expect(scenario.ports[0]).toEqual({
      name: "p",
      number: 1,
      kind: "veth",
      namespace: "x",
      device: "eth0",
      queues: 4,
      addresses: [],
      gateways: [],
      mac: null,
      mtu: 1500,
      txQueueLen: 1000,
      offloads: true,
      lower: null,
      capture: false,
      vlan: { mode: "trunk", tag: 0, trunks: null, priorityTags: "never" },
      flags: 0,
    });
    expect(scenario.flows).toHaveLength(1);
  });

  it("port numbers that are not given are the lowest free ones, in order", () => {
    const text = changed("name: server, ", "name: server, number: 1, ");
    const ports = parseScenario(text, "x.yaml").ports.map((port) => [port.name, port.number]);
    expect(ports).toEqual([
      ["client", 2],
      ["server", 1],
    ]);
  });

  it("ports take from defaults what they do not say; workers is the most queues of a port", () => {
    const text = changed("workers: 2\n", "").replace("name: server, ", "name: server, queues: 9, ");
    const scenario = parseScenario(text, "x.yaml");
    expect(scenario.ports.map((port) => port.queues)).toEqual([4, 9]);
    expect(scenario.workers).toBe(9);
  });

  it("a namespace as target of load becomes the address that the sender reaches it by", () => {
    const second = "addresses: [10.5.0.2/24, 10.0.0.2/24]";
    const scenario = parseScenario(changed("addresses: [10.0.0.2/24]", second), "x.yaml");
    expect(scenario.load.http?.toAddress).toBe("10.0.0.2");
  });

  it("a guard that the scenario does not name gets the default verdict", () => {
    const scenario = parseScenario(BASE, "x.yaml");
    expect(expectedVerdict(scenario, "none")).toBe("LOCKUP");
    expect(expectedVerdict(scenario, "./mine.js")).toBe("SAFE");
  });

  it("profile 5.10 without quotes is 5.10, though YAML reads the number 5.1", () => {
    expect(parseScenario(`${BASE}profile: 5.10\n`, "x.yaml").profile).toBe("5.10");
    expect(errorsOf(`${BASE}profile: 5.1\n`)).toHaveLength(1);
  });

  it("flows may use port names, with the numbers that the scenario gives", () => {
    const [flow] = parseScenario(BASE, "x.yaml").flows;
    expect(flow?.actions).toEqual([{ type: "output", port: 2 }]);
  });
});

describe("names that other rooms define", () => {
  it("profiles are those of the path room", () => {
    expect([...PROFILES]).toEqual(PATH_PROFILES.map((profile) => profile.id));
  });

  it("guards are those of the path room", () => {
    expect([...GUARDS]).toEqual([...GUARD_NAMES]);
  });
});

describe("errors come all at once", () => {
  it("each slip is reported, in the order of the file", () => {
    const text = BASE.replace("workers: 2", "workers: 0")
      .replace("guard: none", "guard: nome")
      .replace("target: server", "target: sever")
      .replace("to: server", "to: srever");
    expect(errorsOf(text).map((error) => error.place?.line)).toEqual([2, 4, 14]);
    // Faults are held against the number of workers, which is wrong itself: they come next.
    expect(errorsOf(text.replace("workers: 0", "workers: 2"))).toHaveLength(3);
  });

  it("an error shows the line with a caret below the place", () => {
    const [error] = errorsOf(changed("workers: 2", "workers: 0"));
    expect(error?.toString()).toBe("x.yaml:4:10: error: workers: expected at least 1, not 0");
    expect(error?.excerpt).toBe("workers: 0\n         ^");
  });

  it("an error of flow text stands at its line of the file", () => {
    const text = changed("priority=0 actions=NORMAL", "priority=0 actions=outptu:1");
    const [error] = errorsOf(text);
    expect(error?.place).toMatchObject({ file: "x.yaml", line: 12 });
    expect(error?.excerpt).toContain("outptu:1");
  });

  it("an error of flow text in quotes names the line inside the text", () => {
    const text = changed("flows: |\n", 'flows: "priority=0\\n actions=x"\nother: |\n');
    const messages = errorsOf(text).map((error) => error.message);
    expect(messages.some((message) => message.startsWith("flows: line 1: "))).toBe(true);
  });
});

describe("--set", () => {
  const set = (...texts: string[]) => parseScenario(BASE, "x.yaml", { set: texts });

  it("changes values by key, by index and by the name of a list's entry", () => {
    const scenario = set(
      "load.http.requests=20",
      "ports[0].queues=3",
      "ports.server.mtu=9000",
      "ports[server].capture=true",
      "faults[0].at={responses: 7}",
      "namespaces=[client, server, third]",
    );
    expect(scenario.load.http?.requests).toBe(20);
    expect(scenario.ports[0]?.queues).toBe(3);
    expect(scenario.ports[1]).toMatchObject({ mtu: 9000, capture: true });
    expect(scenario.faults[0]?.at).toEqual({ on: "responses", value: 7 });
    expect(scenario.namespaces).toHaveLength(3);
  });

  it("makes what is not there yet", () => {
    expect(set("watchdog.onLockup=continue").watchdog.onLockup).toBe("continue");
    expect(set("load.ping[0]={from: client, to: server}").load.ping).toHaveLength(1);
    expect(set("expect.carrier=LOCKUP").expect["carrier"]).toBe("LOCKUP");
    expect(set("profile=5.10").profile).toBe("5.10");
  });

  it.each([
    ["load.htpp.requests=3", 'unknown path "load.htpp" (did you mean "http"?)'],
    ["ports.sevrer.queues=3", 'no such entry (did you mean "server"?)'],
    ["ports[5].queues=3", "ports has 2 entries"],
    ["name.first=3", 'unknown path "name.first"'],
    ["__proto__.x=1", 'unknown path "__proto__"'],
    ["constructor=1", 'unknown path "constructor"'],
    ["seed", "expected path=value"],
    ["=3", "expected path=value"],
    ["a b=3", '"a b" is not a path'],
    ["seed=[", "the value is not YAML"],
  ])("%s is refused with exit code 2", (argument, message) => {
    const [error] = errorsOf(BASE, [argument]);
    expect(error?.exitCode).toBe(2);
    expect(error?.code).toBe("USAGE");
    expect(error?.message).toContain(message);
  });

  it("a value that is wrong is reported at the argument, not in the file", () => {
    const [error] = errorsOf(BASE, ["ports.server.queues=900"]);
    const place = "--set ports.server.queues=900: error: ports[1].queues";
    expect(error?.toString()).toBe(`${place}: expected at most 256, not 900`);
  });
});

describe("the scenarios that come with the program", () => {
  it.each([
    ["two-hosts", "SAFE", "SAFE", "SAFE"],
    ["ovs-netns-delete", "LOCKUP", "SAFE", "SAFE"],
    ["ovs-link-delete", "LOCKUP", "SAFE", "SAFE"],
    ["dummy-sink", "LOCKUP", "LOCKUP", "SAFE"],
    ["del-port", "SAFE", "SAFE", "SAFE"],
    ["outsider-delete", "LOCKUP", "SAFE", "SAFE"],
    ["queue-shrink", "SAFE", "SAFE", "SAFE"],
    ["flap", "SAFE", "SAFE", "SAFE"],
    ["re-plug", "LOCKUP", "SAFE", "SAFE"],
    ["seed-patch", "LOCKUP", "SAFE", "SAFE"],
  ])("%s is valid and says what it expects per guard", (name, none, carrier, both) => {
    const text = readFileSync(file(`${name}.yaml`), "utf8");
    const scenario = parseScenario(text, `${name}.yaml`);
    expect(scenario.name).toBe(name);
    expect(scenario.description).not.toBe("");
    expect(text).toContain("$schema=./scenario.schema.json");
    expect(expectedVerdict(scenario, "none")).toBe(none);
    expect(expectedVerdict(scenario, "carrier")).toBe(carrier);
    expect(expectedVerdict(scenario, "running-carrier")).toBe(both);
  });

  it("the headline has 32 queues and 3000 requests in flight, and a batch of two devices", () => {
    const text = readFileSync(file("ovs-netns-delete.yaml"), "utf8");
    const scenario = parseScenario(text, "ovs-netns-delete.yaml");
    expect(scenario.ports.every((port) => port.queues === 32)).toBe(true);
    expect(scenario.load.http).toMatchObject({ requests: 3000, holdUntilInFlight: 3000 });
    expect(scenario.ports.filter((port) => port.namespace === "server")).toHaveLength(2);
    expect(scenario.faults[0]).toMatchObject({ kind: "netns-delete", target: "server" });
  });

  it("scenario.schema.json is what `packetpath schema` prints", () => {
    expect(readFileSync(file("scenario.schema.json"), "utf8")).toBe(scenarioJsonSchema());
  });
});
