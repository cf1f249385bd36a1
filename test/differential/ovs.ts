// A private Open vSwitch for comparisons: ovsdb-server and ovs-vswitchd in dummy mode, with all
// their files in a folder of their own and vswitchd in a network namespace of its own. Nothing of
// the machine's Open vSwitch, if there is one, is touched. Tests and scripts/fuzz-ovs.mjs only.
//
// The daemons die with the process that started them, however it ends (parent-death signal); the
// folder of a process that was killed is removed by the next start.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wallClock } from "../../src/base/clock.js";
import { eventually } from "../../src/base/eventually.js";
import type { Version } from "./actions.js";

const PREFIX = "packetpath-ovs-";
const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const START_MS = 20_000;
const CONNECT_TRIES = 3;
/** What a command answers when the daemon has died. */
const GONE = "ovs-vswitchd is gone";

/** Ports p1 to pN of the bridge; OpenFlow and datapath numbers are the same. */
export const PORTS = 5;
export const BRIDGE = "br0";
/** The bridge at the other end of patch cables, where a case has one. */
export const PEER_BRIDGE = "br1";
/** Arguments of ovs-vsctl that make the bridge and its ports. */
export const FRESH_BRIDGE: readonly string[] = [
  ...["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath-type=dummy", "fail-mode=secure"],
  ...Array.from({ length: PORTS }, (_, i) => [
    ...["--", "add-port", BRIDGE, `p${i + 1}`],
    ...["--", "set", "Interface", `p${i + 1}`, "type=dummy", `ofport_request=${i + 1}`],
  ]).flat(),
];
/** Datapath number of LOCAL: the first that dpif-netdev gives to a bridge's own port. */
export const LOCAL_DATAPATH_NUMBER = 100;

/** Why there is no Open vSwitch to compare with; "" if there is one. */
export function missingOvs(): string {
  const version = spawnSync("ovs-vswitchd", ["--version"], { encoding: "utf8" }).stdout ?? "";
  if (!/\) 3\.1\./.test(version)) return "needs ovs-vswitchd 3.1 (openvswitch-switch)";
  if (!existsSync(SCHEMA)) return `needs ${SCHEMA}`;
  if (process.getuid?.() !== 0) return "needs root, for a network namespace";
  return "";
}

/** Removes what killed processes left. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(tmpdir(), name);
    // A folder without an owner yet is being made at this moment, unless it is old.
    const text = ownerOf(folder);
    const age = Date.parse(wallClock()) - statSync(folder).mtimeMs;
    const isYoung = text === "" && age < 60_000;
    if (!isYoung && text !== identity(Number(text.split(" ")[0]))) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function ownerOf(folder: string): string {
  try {
    return readFileSync(join(folder, "owner"), "utf8");
  } catch {
    return "";
  }
}

/** A process by its number and start time; "" if it is gone, or a zombie. */
function identity(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : `${pid} ${fields[19]}`;
  } catch {
    return "";
  }
}

interface Reply {
  readonly id: number;
  readonly result: string | null;
  readonly error: string | null;
}

/** A JSON-RPC connection to the control socket of a daemon (lib/unixctl.c). */
class UnixControl {
  private readonly socket: Socket;
  private readonly waiting = new Map<number, (reply: Reply) => void>();
  private text = "";
  private lastId = 0;
  private isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (data: string) => this.take(data));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
      for (const [id, resolve] of this.waiting) {
        resolve({ id, result: null, error: GONE });
      }
      this.waiting.clear();
    });
  }

  call(method: string, params: readonly string[]): Promise<Reply> {
    const id = ++this.lastId;
    if (this.isClosed) return Promise.resolve({ id, result: null, error: GONE });
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.socket.write(JSON.stringify({ id, method, params }));
    });
  }

  close(): void {
    this.socket.destroy();
  }

  /** Replies come one after the other with nothing in between; each is one JSON object. */
  private take(data: string): void {
    this.text += data;
    for (let end = this.objectEnd(); end > 0; end = this.objectEnd()) {
      const reply = JSON.parse(this.text.slice(0, end)) as Reply;
      this.text = this.text.slice(end);
      this.waiting.get(reply.id)?.(reply);
      this.waiting.delete(reply.id);
    }
  }

  private objectEnd(): number {
    const token = /"(?:[^"\\]|\\.)*"|[{}]/gs;
    let depth = 0;
    for (let found = token.exec(this.text); found !== null; found = token.exec(this.text)) {
      if (found[0] === "{") depth++;
      else if (found[0] === "}" && --depth === 0) return token.lastIndex;
    }
    return 0;
  }
}

/** A command line and the files that it reads. */
export interface Command {
  readonly line: readonly string[];
  readonly files: ReadonlyMap<string, string>;
}

/** The command lines by which a bridge gets groups, and flows in the place of those it has. */
export function flowCommands(
  {
    version,
    flows,
    groups,
  }: {
    readonly version: Version;
    readonly flows: readonly string[];
    readonly groups: readonly string[];
  },
  bridge: string = BRIDGE,
): Command[] {
  const command = (verb: string, name: string, lines: readonly string[]): Command => ({
    line: ["ovs-ofctl", `-OOpenFlow${version}`, verb, bridge, name],
    files: new Map([[name, lines.map((line) => `${line}\n`).join("")]]),
  });
  const flowsCommand = command("add-flows", "flows", ["delete", ...flows]);
  return groups.length === 0
    ? [flowsCommand]
    : [command("add-groups", "groups", groups), flowsCommand];
}

/** How a command line ended. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class PrivateOvs {
  /** Holds everything of it: sockets, database, flows. */
  readonly folder: string;
  private readonly env: NodeJS.ProcessEnv;
  private readonly daemons: ChildProcess[] = [];
  private control: UnixControl | null = null;
  private hasGroups = false;
  /** The bridge is not as it was when it was made. */
  private isSetUp = false;

  private constructor() {
    sweep();
    this.folder = mkdtempSync(join(tmpdir(), PREFIX));
    writeFileSync(join(this.folder, "owner"), identity(process.pid));
    const { folder } = this;
    this.env = { ...process.env, OVS_RUNDIR: folder, OVS_LOGDIR: folder, OVS_DBDIR: folder };
  }

  /** The folders of a process, for tests. */
  static foldersOf(pid: number): string[] {
    return readdirSync(tmpdir())
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => join(tmpdir(), name))
      .filter((folder) => ownerOf(folder).startsWith(`${pid} `));
  }

  /** @throws Error with what a program said, if the switch does not come up in 20 s. */
  static async start(): Promise<PrivateOvs> {
    const ovs = new PrivateOvs();
    try {
      await ovs.begin();
      return ovs;
    } catch (error) {
      ovs.stop();
      throw error;
    }
  }

  private async begin(): Promise<void> {
    const database = `unix:${this.path("db.sock")}`;
    this.run("ovsdb-tool", ["create", this.path("conf.db"), SCHEMA]);
    const remote = `--remote=punix:${this.path("db.sock")}`;
    this.daemon("ovsdb-server", [this.path("conf.db"), remote, ...this.common("db")]);
    await appears(this.path("db.sock"));
    this.run("ovs-vsctl", [`--db=${database}`, "--no-wait", "init"]);
    const dummy = ["--enable-dummy", "--disable-system", ...this.common("switch")];
    this.daemon("unshare", ["-n", "ovs-vswitchd", database, ...dummy]);
    await appears(this.path("switch.ctl"));
    this.vsctl(...FRESH_BRIDGE);
    this.control = new UnixControl(createConnection(this.path("switch.ctl")));
  }

  /** Whether ovs-vswitchd is there: some flows make it fall. */
  async isAlive(): Promise<boolean> {
    return (await this.appctl("version")) !== GONE;
  }

  /** A new switch in the place of one that died. */
  async restart(): Promise<void> {
    this.endDaemons();
    for (const name of readdirSync(this.folder)) {
      if (name !== "owner") rmSync(this.path(name), { recursive: true, force: true });
    }
    this.hasGroups = false;
    this.isSetUp = false;
    await this.begin();
  }

  /** Runs a command of the control socket, as ovs-appctl does. */
  async appctl(method: string, ...params: readonly string[]): Promise<string> {
    const reply = await this.control!.call(method, params);
    return reply.error ?? reply.result ?? "";
  }

  /** What `ofproto/trace` says of each flow; all are asked for at once. */
  trace(flows: readonly (readonly string[])[]): Promise<string[]> {
    return Promise.all(flows.map((args) => this.appctl("ofproto/trace", ...args)));
  }

  /**
   * Makes the bridge anew, unless it is still as new, and performs command lines of ovs-vsctl (in
   * as few transactions as will do) and ovs-ofctl on it.
   * @param willLearn what is done to the bridge then leaves more than flows and groups.
   * @throws Error with what a tool said.
   */
  setUp(lines: readonly string[], willLearn = false): void {
    if (this.isSetUp) {
      const all = ["--if-exists", "del-br", PEER_BRIDGE, "--", "del-br", BRIDGE];
      this.vsctl(...all, "--", "remove", "Open_vSwitch", ".", "other-config", "vlan-limit");
      this.vsctl(...FRESH_BRIDGE);
      this.hasGroups = false;
    }
    this.isSetUp = willLearn || lines.length > 0;
    const words = lines.map((line) => line.split(" "));
    const settings = words.filter(([tool]) => tool === "ovs-vsctl");
    // Of mirrors that it hears of together, ovs-vswitchd asks first whose random name is first.
    const isMirror = (line: readonly string[]): boolean => line.includes("Mirror");
    const first = settings.filter((line) => !isMirror(line));
    for (const batch of [first, ...settings.filter(isMirror).map((line) => [line])]) {
      if (batch.length > 0) this.vsctl(...batch.flatMap(([, ...args]) => ["--", ...args]));
    }
    for (const line of words.filter(([tool]) => tool !== "ovs-vsctl")) {
      const { exitCode, stderr } = this.tool(line);
      if (exitCode !== 0) throw new Error(`${line.join(" ")}: ${stderr}`);
    }
  }

  /** Removes all flows and groups. */
  clear(): void {
    // Flows first: of a flow that sends to two groups, del-groups would make ovs-vswitchd fall
    // ("assertion rule->state == RULE_INSERTED failed in ofproto_rule_remove__").
    if (this.hasGroups) {
      this.ofctl("-OOpenFlow15", "del-flows", this.bridge);
      this.ofctl("-OOpenFlow15", "del-groups", this.bridge);
    }
    this.hasGroups = false;
  }

  /**
   * Replaces all flows and groups.
   * @param version of OpenFlow.
   * @returns "" or what ovs-ofctl said.
   */
  replaceFlows(version: Version, flows: readonly string[], groups: readonly string[]): string {
    this.clear();
    this.hasGroups = groups.length > 0;
    for (const { line, files } of flowCommands({ version, flows, groups })) {
      const { stderr } = this.tool(line, files);
      if (stderr !== "") return stderr;
    }
    return "";
  }

  /** Runs ovs-ofctl. @returns what it said on standard error. */
  ofctl(...args: readonly string[]): string {
    const run = spawnSync("ovs-ofctl", ["-vconsole:off", ...args], {
      env: this.env,
      encoding: "utf8",
    });
    return run.stderr;
  }

  /** How ovs-ofctl calls the bridge. */
  get bridge(): string {
    return `unix:${this.path(`${BRIDGE}.mgmt`)}`;
  }

  /**
   * Runs a whole command line of one of the tools.
   * @param files that it may read, by the names that it calls them.
   */
  tool(line: readonly string[], files: ReadonlyMap<string, string> = new Map()): Finished {
    const [tool, ...args] = line as [string, ...string[]];
    for (const [name, text] of files) writeFileSync(this.path(name), text);
    const own: Readonly<Record<string, readonly string[]>> = {
      "ovs-vsctl": [`--db=unix:${this.path("db.sock")}`],
      "ovs-appctl": ["-t", this.path("switch.ctl")],
      "ovs-ofctl": ["-vconsole:off"],
    };
    for (let tries = 1; ; tries++) {
      const run = spawnSync(tool, [...(own[tool] ?? []), ...args], {
        ...{ env: this.env, encoding: "utf8", cwd: this.folder, input: files.get("-") ?? "" },
      });
      // A daemon that is busy with a new bridge may drop a connection before anything was said.
      const isUnheard = run.stderr.includes("failed to open socket (Broken pipe)");
      if (isUnheard && tries < CONNECT_TRIES) continue;
      return { exitCode: run.status ?? -1, stdout: run.stdout, stderr: run.stderr };
    }
  }

  /** Runs ovs-vsctl; it waits until the switch has done what is asked. */
  vsctl(...args: readonly string[]): void {
    this.run("ovs-vsctl", [`--db=unix:${this.path("db.sock")}`, ...args]);
  }

  /** Ends the daemons and removes all files. */
  stop(): void {
    this.endDaemons();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private endDaemons(): void {
    this.control?.close();
    for (const daemon of this.daemons.splice(0)) daemon.kill("SIGKILL");
  }

  private path(name: string): string {
    return join(this.folder, name);
  }

  private common(name: string): string[] {
    return ["-vconsole:off", "-vsyslog:off", "--no-chdir", `--unixctl=${this.path(`${name}.ctl`)}`];
  }

  private run(command: string, args: readonly string[]): void {
    const run = spawnSync(command, args, { env: this.env, encoding: "utf8", timeout: START_MS });
    if (run.status !== 0) throw new Error(`${command}: ${run.stderr || String(run.error)}`);
  }

  private daemon(command: string, args: readonly string[]): void {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", command, ...args], {
      env: this.env,
      stdio: "ignore",
    });
    this.daemons.push(child);
  }
}

async function appears(path: string): Promise<void> {
  await eventually(path, () => existsSync(path), { timeoutMs: START_MS, everyMs: 10 });
}
