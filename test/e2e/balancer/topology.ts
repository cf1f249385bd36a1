// The topology of the balancer's tests with real programs, and what they need: captures in
// namespaces, read by tshark, which shares no code with what it judges; and the tools that ask.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../../src/base/eventually.js";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { endAll, hostState, inNamespace, Program, ROOT, temporaryFolder } from "../program.js";

export const SCENARIO = `name: balancer
workers: 2
namespaces: [clients, web1, direct]
ports:
  - { name: clients, namespace: clients, addresses: [10.0.1.1-10.0.1.9/16, fd00::7/64] }
  - name: web1
    namespace: web1
    addresses: [10.1.0.11/24, fd01::11/64]
    gateways: [10.1.0.1]
  - { name: direct, namespace: direct, addresses: [10.0.2.12/16] }
  - { name: lb, kind: balancer }
balancer:
  port: lb
  local: { addresses: [10.1.0.1, fd01::1] }
  services:
    - { name: web, address: 10.0.0.80, port: 80, servers: [{ address: 10.1.0.11, port: 8080 }] }
    - { name: web6, address: fd00::80, port: 80, servers: [{ address: fd01::11, port: 8080 }] }
    - name: nat
      mode: nat
      address: 10.0.0.81
      port: 80
      servers: [{ address: 10.1.0.11, port: 8080 }]
    - name: direct
      mode: dr
      address: 10.0.0.82
      port: 8080
      servers: [{ address: 10.0.2.12 }]
    - name: echo
      protocol: udp
      address: 10.0.0.80
      port: 7
      servers: [{ address: 10.1.0.11, port: 7007 }]
    - name: echo6
      protocol: udp
      address: fd00::80
      port: 7
      servers: [{ address: fd01::11, port: 7007 }]
`;

const children: ChildProcess[] = [];

function endChildren(): void {
  for (const child of children.splice(0)) child.kill("SIGKILL");
}

/**
 * A folder for the tests of a file. After each, what it has started ends, and the host must be as
 * it was before the first.
 */
export function testFolder(): { readonly path: string } {
  let folder: ReturnType<typeof temporaryFolder>;
  let before: ReturnType<typeof hostState>;
  beforeAll(() => {
    folder = temporaryFolder();
    before = hostState();
  });
  afterEach(async () => {
    endChildren();
    await endAll();
    expect(hostState()).toEqual(before);
  });
  afterAll(() => folder.remove());
  return {
    get path() {
      return folder.path;
    },
  };
}

/** A connection from port 40000 of 10.0.1.7 that asks for a page when it is told to. */
export const CLIENT = `
const socket = require("node:net").connect({
  host: "10.0.0.80", port: 80, localAddress: "10.0.1.7", localPort: 40000,
}, () => console.log("connected"));
socket.on("data", (data) => console.log(String(data)));
process.stdin.once("data", () => socket.write("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"));`;

export interface Beside {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly says: (text: string) => Promise<void>;
  readonly ended: () => Promise<void>;
}

/** A program in a namespace that goes on beside the test. */
export function beside(namespace: string, ...command: string[]): Beside {
  const child = spawn("ip", ["netns", "exec", namespace, ...command], { cwd: ROOT });
  children.push(child);
  const state = { output: "", ended: false };
  const take = (data: Buffer): void => void (state.output += data.toString());
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  child.on("close", () => (state.ended = true));
  const wait = (what: string, probe: () => boolean): Promise<void> =>
    eventually(what, probe, { timeoutMs: 60_000, everyMs: 20 }).then(() => undefined);
  return {
    child,
    output: () => state.output,
    says: (text) => wait(`"${text}" of ${command[0]}`, () => state.output.includes(text)),
    ended: () => wait(`${command[0]} to end`, () => state.ended),
  };
}

/** Servers of HTTP, which say whom they see, and of UDP echoes: unmodified Linux sockets. */
const SERVERS = `
const who = (request, answer) => answer.end("hello " + request.socket.remoteAddress);
require("node:http").createServer(who).listen(8080, "::");
const say = () => (up += 1) === 2 && console.log("serving");
let up = 0;
for (const type of ["udp4", "udp6"]) {
  const socket = require("node:dgram").createSocket({ type, ipv6Only: type === "udp6" });
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(7007, say);
}`;

export interface Running {
  readonly up: Program;
  /** Runs ovs-appctl or ovs-ofctl against it. */
  tool(name: string, ...args: string[]): string;
}

/** @param folder for the scenario's file. */
export async function begin(folder: string): Promise<Running> {
  const file = join(folder, "balancer.yaml");
  writeFileSync(file, SCENARIO);
  const up = new Program(["up", file]);
  await up.says("Ctrl-C removes all of it");
  const socket = /: (\/run\/packetpath\/\S+)/.exec(up.stdout)![1]!;
  await beside("web1", process.execPath, "-e", SERVERS).says("serving");
  await beside("direct", process.execPath, "-e", SERVERS).says("serving");
  const env = { ...process.env, PACKETPATH_CTL: socket };
  const tool = (name: string, ...args: string[]): string =>
    execFileSync(join(ROOT, "native-free-shims/ovs", name), args, { encoding: "utf8", env });
  return { up, tool };
}

/** A capture in a namespace; `packets` are the fields that tshark reads in it so far. */
export class Dump {
  private readonly file: string;
  private readonly dump: Beside;

  private constructor(file: string, dump: Beside) {
    this.file = file;
    this.dump = dump;
  }

  static async begin(folder: string, namespace: string, filter: string): Promise<Dump> {
    const file = join(folder, `${namespace}.pcap`);
    // Each packet is in the file at once; -Z root: into a folder of root's.
    const options = ["--immediate-mode", "-U", "-Z", "root", "-n", "-i", "eth0", "-w", file];
    const dump = beside(namespace, "tcpdump", ...options, ...filter.split(" "));
    await dump.says("listening on");
    return new Dump(file, dump);
  }

  packets(filter: string, ...fields: readonly string[]): string[][] {
    const columns = fields.flatMap((field) => ["-e", field]);
    const args = ["-r", this.file, "-Y", filter, "-T", "fields", "-E", "separator=;", ...columns];
    const text = execFileSync("tshark", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(";"));
  }

  /** Ends with so many packets captured: what tcpdump has not read when it ends is lost. */
  async endWith(filter: string, count: number): Promise<void> {
    const isThere = (): boolean => this.packets(filter, "frame.number").length >= count;
    await eventually(`${count} of "${filter}"`, isThere, { timeoutMs: 60_000, everyMs: 200 });
    await this.end();
  }

  async end(): Promise<void> {
    this.dump.child.kill("SIGINT");
    await this.dump.ended();
  }
}

/** Fetches a page from an address and port of the clients' namespace. */
export function fetch(from: string, port: number, url: string): string {
  const source = ["--interface", from, "--local-port", String(port)];
  return inNamespace("clients", "curl", "-sS", "--max-time", "120", ...source, url);
}
