// The command line as a program: what it prints where, and what it exits with. Nothing here needs
// root, and nothing is created: each command runs in an empty folder that must stay empty.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkGuard } from "../../src/cli/guard-module.js";
import { BASE } from "../scenario/base.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SCRIPT = fileURLToPath(new URL("../../scripts/packetpath", import.meta.url));

let folder = "";
let empty = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "packetpath-cli-"));
  empty = mkdtempSync(join(folder, "empty-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function packetpath(args: readonly string[], input = "") {
  const env = { ...process.env, NO_COLOR: "1" };
  const options = { cwd: empty, env, input, encoding: "utf8", timeout: 300_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], options);
  return { status, stdout, stderr };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("exit codes and streams", () => {
  it("help and version are results: stdout, exit 0", () => {
    const help = packetpath(["--help"]);
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toContain("Exit codes");
    expect(packetpath(["--version"])).toMatchObject({ status: 0, stderr: "" });
  });

  it.each([
    ["no command", []],
    ["an unknown command", ["runn", "x.yaml"]],
    ["an unknown flag", ["run", "x.yaml", "--gaurd", "none"]],
    ["a missing argument", ["run"]],
    ["one argument too many", ["schema", "x"]],
    ["an unknown backend", ["run", "x.yaml", "--backend", "windows"]],
    ["a seed that is none", ["run", "x.yaml", "--seed", "many"]],
    ["an unknown shell", ["completion", "tcsh"]],
    ["a file that is not there", ["run", "nowhere.yaml"]],
    ["a folder as file", ["flow", "check", "."]],
    ["a port that is none", ["flow", "check", "-", "--port", "a=0"]],
  ])("%s: exit 2, said on stderr, nothing on stdout, nothing created", (_what, args) => {
    const ran = packetpath(args);
    expect(ran.status, ran.stderr).toBe(2);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toMatch(/error: |Usage: /);
    expect(ran.stderr).not.toContain("    at ");
    expect(readdirSync(empty)).toEqual([]);
  });

  it("a scenario on standard input is checked under the name <stdin>", () => {
    const ran = packetpath(
      ["run", "-", "--backend", "memory"],
      BASE.replace("workers: 2", "workers: 0"),
    );
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toBe(
      "<stdin>:4:10: error: workers: expected at least 1, not 0\n  workers: 0\n           ^\n",
    );
  });

  it("several errors of one file are printed in one go, each with its caret", () => {
    const text = BASE.replace("workers: 2", "workers: 0").replace("guard: none", "guard: nope");
    const ran = packetpath(["run", file("two.yaml", text)]);
    expect(ran.stderr.match(/: error: /g)).toHaveLength(2);
    expect(ran.stderr.match(/^ *\^$/gm)).toHaveLength(2);
  });

  it("a reader that closes its end early is no error", () => {
    const command = `"${process.execPath}" "${MAIN}" schema | head -c 1; exit "\${PIPESTATUS[0]}"`;
    const ran = spawnSync("bash", ["-c", command], { encoding: "utf8", timeout: 300_000 });
    expect(ran).toMatchObject({ status: 0, stdout: "{", stderr: "" });
  });

  it("the start script works through symbolic links, from another folder", () => {
    const link = join(folder, "link");
    symlinkSync(SCRIPT, link);
    const ran = spawnSync(link, ["--version"], { cwd: empty, encoding: "utf8", timeout: 300_000 });
    expect(ran).toMatchObject({ status: 0, stderr: "" });
  });

  it.each([
    ["v20.19.0", true],
    ["v20.18.9", false],
    ["v21.0.0", true],
    ["v18.20.4", false],
    ["v9.19.0", false],
    ["v24.1.0-nightly", true],
    ["", false],
    ["not found", false],
  ])("a Node that calls itself %j is new enough: %s", (version, isEnough) => {
    const node = file("node", `#!/bin/sh\necho "${version}"\n`);
    chmodSync(node, 0o755);
    const command = `. "${dirname(SCRIPT)}/setup.sh"; node_is_new_enough "${node}"`;
    const ran = spawnSync("sh", ["-c", command], { encoding: "utf8", timeout: 300_000 });
    expect([ran.status === 0, ran.stderr]).toEqual([isEnough, ""]);
  });
});

describe("flow check and format", () => {
  const BAD = "priority=1 actions=outptu:1\n# fine\n\npriority=70000 actions=drop\n";

  it("every error of a text is named with line and column, exit 2", () => {
    const ran = packetpath(["flow", "check", "-"], BAD);
    expect(ran).toMatchObject({ status: 2, stdout: "" });
    expect(ran.stderr).toContain("<stdin>:1:20: error: unknown action outptu");
    expect(ran.stderr).toContain("<stdin>:4:");
  });

  it("--json prints exactly one object, errors and all", () => {
    const ran = packetpath(["flow", "check", "-", "--json"], BAD);
    expect(ran).toMatchObject({ status: 2, stderr: "" });
    const result: unknown = JSON.parse(ran.stdout);
    expect(result).toMatchObject({ schemaVersion: 1, ok: false, flows: 0 });
    expect(result).toHaveProperty("errors.length", 2);
  });

  it("format prints canonical text, and again the same text", () => {
    const first = packetpath(
      ["flow", "format", "-", "--port", "web=3"],
      "table=0, tcp, tp_dst=80, actions=output:web\n",
    );
    expect(first).toMatchObject({ status: 0, stdout: "tcp,tp_dst=80 actions=output:3\n" });
    expect(packetpath(["flow", "format", "-"], first.stdout).stdout).toBe(first.stdout);
  });
});

describe("completion", () => {
  it("bash completes commands, flags, values and shells", () => {
    const script = file("completion.bash", packetpath(["completion", "bash"]).stdout);
    const complete = (...words: string[]) => {
      const array = words.map((word) => `"${word}"`).join(" ");
      const last = words.length - 1;
      const set = `COMP_WORDS=(${array}); COMP_CWORD=${last}`;
      const command = `. "${script}"; ${set}; _packetpath; echo "\${COMPREPLY[@]}"`;
      return spawnSync("bash", ["-c", command], { cwd: empty, encoding: "utf8" }).stdout.trim();
    };
    expect(complete("packetpath", "do")).toBe("doctor");
    expect(complete("packetpath", "flow", "c")).toBe("check");
    expect(complete("packetpath", "run", "--gu")).toBe("--guard");
    expect(complete("packetpath", "run", "--backend", "m")).toBe("memory");
    expect(complete("packetpath", "completion", "f")).toBe("fish");
  });

  it.each(["zsh", "fish"])("%s gets a script that names every command", (shell) => {
    const { stdout, status } = packetpath(["completion", shell]);
    expect(status).toBe(0);
    for (const name of ["run", "up", "flow", "doctor", "clean", "schema", "completion"]) {
      expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
    }
  });
});

describe("a user's guard", () => {
  it.each([
    ["typo", "carier", "did you mean"],
    ["no-file", "./nowhere.js", "no such file"],
    ["a folder", ".", "no such guard"],
    ["a folder with a slash", "./", "not a file"],
  ])("%s: refused with GUARD_INVALID", async (_what, name, message) => {
    await expect(checkGuard(name)).rejects.toMatchObject({
      code: "GUARD_INVALID",
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([
    ["syntax.js", "export default (dev => {", "cannot be loaded"],
    ["throws.mjs", "throw new Error('on load');", "on load"],
    ["number.mjs", "export default 7;", "exports a number"],
    ["nothing.mjs", "export const guard = () => true;", "has no default export"],
    ["broken.ts", "export default function (dev: {", "cannot be translated"],
    ["text.txt", "hello", "ends in .js"],
  ])("%s: refused with the reason", async (name, text, message) => {
    await expect(checkGuard(file(name, text))).rejects.toMatchObject({
      code: "GUARD_INVALID",
      message: expect.stringContaining(message) as string,
    });
  });

  it("TypeScript is translated with what it imports, and the translation is removed", async () => {
    file("limit.ts", "export const LIMIT: number = 1;");
    const text = `import { LIMIT } from "./limit.ts";
      export default (dev: { realNumTxQueues: number }) => dev.realNumTxQueues >= LIMIT;`;
    const checked = await checkGuard(file("mine.ts", text));
    const module = (await import(checked.file!)) as { default: (dev: object) => boolean };
    expect(module.default({ realNumTxQueues: 0 })).toBe(false);
    expect(module.default({ realNumTxQueues: 2 })).toBe(true);
    const translated = join(checked.file!, "..");
    checked.dispose();
    expect(() => readdirSync(translated)).toThrow();
  });
});
