// The control socket: who may use it, what it answers to nonsense, and what is left of a switch
// that is killed. The look-alikes are run as a user runs them.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, existsSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../src/base/eventually.js";
import { sweepSockets } from "../../src/vswitch/socket/registry.js";
import { type ControlServer, serve } from "../../src/vswitch/socket/server.js";
import { ROOT } from "../e2e/program.js";
import { tools } from "./tools.js";

const TIMEOUT_MS = 60_000;
let folder: string;
let path: string;
let server: ControlServer | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "packetpath-ctl-"));
  path = join(folder, "ctl");
});
afterEach(async () => {
  await server?.close();
  server = null;
  rmSync(folder, { recursive: true, force: true });
});

async function begin(): Promise<void> {
  const { target } = await tools([1, 2]);
  server = await serve(path, target);
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a look-alike against the socket. */
function lookAlike(tool: string, args: readonly string[], stdin = ""): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, PACKETPATH_CTL: path };
    const file = join(ROOT, "native-free-shims/ovs", tool);
    const child = execFile(file, [...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    child.stdin!.end(stdin);
  });
}

/** Sends lines as they are; answers the first line that comes back. */
function say(text: string, leaves = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let answer = "";
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
    socket.on("data", (data: Buffer) => {
      answer += data.toString();
      if (leaves || answer.includes("\n")) socket.destroy();
    });
    socket.write(text);
  });
}

describe("the control socket", () => {
  it("is its owner's alone, and gone when the switch has ended", async () => {
    await begin();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server!.close();
    server = null;
    expect(existsSync(path)).toBe(false);
  });

  it("a second switch does not take it", async () => {
    await begin();
    const { target } = await tools([]);
    await expect(serve(path, target)).rejects.toThrow("another switch listens");
  });

  it("nonsense is answered with what is wrong, and the switch goes on", async () => {
    await begin();
    expect(await say("hello\n")).toContain("a request is an object, in JSON");
    expect(await say('{"tool":"rm","args":[]}\n')).toContain("is one of ovs-ofctl");
    expect(await say('{"tool":"ovs-ofctl","args":[1]}\n')).toContain("is a list of strings");
    expect((await lookAlike("ovs-appctl", ["ofproto/list"])).stdout).toBe("br0\n");
  });

  it("a caller that leaves when it is asked for a file holds nobody up", async () => {
    await begin();
    const request = { tool: "ovs-ofctl", args: ["add-flows", "br0", "f"], terminal: false };
    expect(await say(`${JSON.stringify(request)}\n`, true)).toBe('{"read":"f"}\n');
    expect((await lookAlike("ovs-appctl", ["ofproto/list"])).stdout).toBe("br0\n");
  });
});

describe("the look-alikes", () => {
  it("pass arguments, standard input and files on, and end as the real ones", async () => {
    await begin();
    const flows = "in_port=1,actions=2\nin_port=2,actions=1\n";
    expect(await lookAlike("ovs-ofctl", ["add-flows", "br0", "-"], flows)).toMatchObject({
      code: 0,
    });
    const dump = await lookAlike("ovs-ofctl", ["--no-stats", "dump-flows", "br0"]);
    expect(dump.stdout).toBe(" in_port=1 actions=output:2\n in_port=2 actions=output:1\n");
    expect(await lookAlike("ovs-ofctl", ["add-flows", "br0", join(folder, "none")])).toEqual({
      code: 1,
      stdout: "",
      stderr: `ovs-ofctl: ${join(folder, "none")}: open failed (No such file or directory)\n`,
    });
    expect((await lookAlike("ovs-vsctl", ["br-exists", "br9"])).code).toBe(2);
    expect((await lookAlike("ovs-appctl", ["foo"])).code).toBe(2);
  });
});

describe("a switch that is killed", () => {
  it("leaves a socket, which is swept", async () => {
    const env = { ...process.env, PACKETPATH_CTL: path };
    const child = spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), "switch"], { env });
    let ended = false;
    child.on("close", () => (ended = true));
    let output = "";
    child.stdout.on("data", (data: Buffer) => (output += data.toString()));
    await eventually("the switch", () => output.includes(path), { timeoutMs: TIMEOUT_MS });
    child.kill("SIGKILL");
    await eventually("its end", () => ended, { timeoutMs: TIMEOUT_MS });
    expect(existsSync(path)).toBe(true);
    expect(sweepSockets()).toContain(path);
    expect(existsSync(path)).toBe(false);
  });
});
