// The matrix in parts, and its certificates: parts add up to the whole, a certificate proves its
// cell and no other, and whatever was changed is refused. Runs dist/ for what is written to files.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { openMatrix } from "../../src/explore/matrix/lab.js";
import type { MatrixCell, MatrixResult } from "../../src/explore/matrix/matrix.js";
import {
  certifyCell,
  checkCell,
  type CellHeader,
} from "../../src/explore/system/results/certificates.js";
import { mergeMatrix } from "../../src/explore/system/results/parts.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "packetpath-parts-"));
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: readonly string[]) {
  const main = join(root, "dist/cli/main.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    cwd: root,
  });
  return { status, stdout, stderr };
}

const REQUEST = {
  guards: ["none", "running-carrier"],
  kinds: ["veth", "dummy"],
  profiles: ["5.4", "6.1"],
  events: ["link-delete", "del-port"],
};

/** What does not depend on what was searched before in the same process. */
function facts({ seconds: _s, states: _n, transitions: _t, ...rest }: MatrixCell) {
  return rest;
}

async function part(count: number, index: number) {
  const shard = { index, count };
  const matrix = await openMatrix({ ...REQUEST, shard });
  const { sourceHash } = matrix;
  const content = { ...matrix.run(), sourceHash, request: REQUEST, shard };
  return { file: `part-${index}`, part: content };
}

describe("parts of the matrix", () => {
  it.each([1, 3, 20])("%d parts are the whole, in its order", async (count) => {
    const whole = (await openMatrix(REQUEST)).run();
    const parts = await Promise.all(Array.from({ length: count }, (_one, i) => part(count, i)));
    const merged = mergeMatrix(parts.reverse());
    expect(merged.cells.map(facts)).toEqual(whole.cells.map(facts));
    const states = (all: readonly MatrixResult[]) =>
      all.flatMap(({ cells }) => cells).reduce((sum, one) => sum + one.states, 0);
    expect(states([merged])).toBe(states(parts.map((one) => one.part)));
  });

  it("a part that is missing, doubled or of another matrix is refused", async () => {
    const [x, y] = [await part(2, 0), await part(2, 1)];
    expect(() => mergeMatrix([x])).toThrow("of 2 parts, from 0: 1 missing");
    expect(() => mergeMatrix([x, y, y])).toThrow("part 1 of 2 twice");
    const other = { ...y.part, request: { ...REQUEST, guards: ["none"] } };
    expect(() => mergeMatrix([x, { file: "other", part: other }])).toThrow("another guards");
    const changed = { file: "old", part: { ...y.part, sourceHash: "0" } };
    expect(() => mergeMatrix([x, changed])).toThrow("another source");
  });

  it("through files: packetpath matrix --shard, packetpath merge", () => {
    const select = ["--guard", "running", "--kind", "dummy", "--event", "link-delete"];
    const files = ["0/2", "1/2"].map((shard, i) => {
      const file = join(folder, `${i}.json`);
      expect(run("matrix", ...select, "--shard", shard, "--out", file).status).toBe(0);
      return file;
    });
    const merged = run("merge", ...files, "--json");
    expect(merged.status).toBe(0);
    const whole = JSON.parse(run("matrix", ...select, "--json").stdout) as MatrixResult;
    const { cells } = JSON.parse(merged.stdout) as MatrixResult;
    expect(cells.map(({ verdict }) => verdict)).toEqual(whole.cells.map(({ verdict }) => verdict));
    const program = join(folder, "program.json");
    writeFileSync(program, "{}");
    expect(run("merge", files[0]!, program)).toMatchObject({ status: 2 });
    expect(run("matrix", ...select, "--out", program)).toMatchObject({ status: 2 });
  });
});

const CELL = { guard: "running-carrier", kind: "veth", hint: true, profile: "6.1" };

async function certified(event: string) {
  const at = { ...CELL, event };
  const matrix = await openMatrix({ guards: [at.guard], kinds: ["veth"], events: [event] });
  return certifyCell(matrix, at);
}

/** The certificate with another head, or other words. */
function changed(
  file: Uint8Array,
  head: (one: CellHeader) => object,
  body: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Uint8Array {
  const bytes = gunzipSync(file);
  const at = bytes.indexOf("\n");
  const header = JSON.parse(bytes.toString("utf8", 0, at)) as CellHeader;
  const line = Buffer.from(`${JSON.stringify({ ...header, ...head(header) })}\n`);
  return gzipSync(Buffer.concat([line, body(bytes.subarray(at + 1))]));
}

describe("certificates of cells", () => {
  it.each(["link-delete", "del-port", "netns-move"])("%s: accepted", async (event) => {
    const parts = await certified(event);
    expect(parts).toHaveLength(2);
    for (const { bytes, summary } of parts) {
      expect(summary.unchecked).toBeNull();
      expect(await checkCell(bytes, null)).toBeNull();
    }
  });

  it("a cell that is not SAFE has none", async () => {
    const matrix = await openMatrix({ guards: ["none"] });
    expect(certifyCell(matrix, { ...CELL, guard: "none", event: "link-delete" })).toEqual([]);
  });

  it("refused with another cell in its head, a state less, or one word changed", async () => {
    const { bytes } = (await certified("del-port"))[0]!;
    const withCell = (more: object) => (header: CellHeader) => ({
      cell: { ...header.cell, ...more },
    });
    const options = (header: CellHeader) => header.cell.options;
    const others = [
      changed(bytes, (one) => withCell({ options: { ...options(one), guard: "none" } })(one)),
      changed(bytes, (one) => withCell({ options: { ...options(one), profile: "5.4" } })(one)),
      changed(bytes, (one) => withCell({ options: { ...options(one), mappings: [[0, 1]] } })(one)),
      changed(bytes, (one) => withCell({ addresses: one.cell.addresses.toReversed() })(one)),
      changed(bytes, () => ({ sourceHash: "0".repeat(64) })),
      changed(bytes, (one) => ({ states: one.states - 1 })),
      changed(
        bytes,
        (one) => ({ states: one.states - 1 }),
        (words) => words.subarray(0, words.length - 4 * (256 + 4)),
      ),
      changed(
        bytes,
        () => ({}),
        (words) => {
          const copy = Buffer.from(words);
          copy.writeInt32LE(copy.readInt32LE(copy.length - 4) + 1, copy.length - 4);
          return copy;
        },
      ),
    ];
    for (const [i, other] of others.entries()) {
      await expect(checkCell(other, null), `change ${i}`).resolves.toEqual(expect.any(String));
    }
  });

  it("through files: matrix --certificate, explore --check", () => {
    const select = ["--guard", "registered", "--kind", "bond", "--profile", "6.12", "6.1"];
    const given = ["--event", "del-port", "--hint", "yes", "--certificate", folder, "--json"];
    const { cells } = JSON.parse(run("matrix", ...select, ...given).stdout) as {
      cells: { certificate: { files: string[]; sourceHash: string; digest: string } }[];
    };
    expect(cells).toHaveLength(2);
    const written = readdirSync(folder).filter((name) => name.endsWith(".cert"));
    expect(new Set(cells.flatMap(({ certificate }) => certificate.files)).size).toBe(
      written.length,
    );
    const [file] = cells[0]!.certificate.files as [string];
    expect(run("explore", "--check", file)).toMatchObject({ status: 0 });
    writeFileSync(
      file,
      changed(readFileSync(file), () => ({ digest: "0" })),
    );
    const refused = run("explore", "--check", file);
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain("its digest is");
  });
});

describe("a guard of a user's", () => {
  const guard = join(folder, "guard.mjs");
  writeFileSync(guard, "export default function guard(dev) { return dev.running; }\n");

  it("its text is part of what a certificate is about", async () => {
    const text = readFileSync(guard, "utf8");
    const source = { file: guard, text };
    const matrix = await openMatrix({ guard: source, kinds: ["veth"], profiles: ["6.1"] });
    const [at] = matrix.coordinates();
    const { bytes } = certifyCell(matrix, at!)[0]!;
    expect(await checkCell(bytes, source)).toBeNull();
    const other = { file: guard, text: text.replace("dev.running", "true") };
    expect(await checkCell(bytes, other)).toBe("it is about another source");
  });

  it("is refused by --threads, which run the shipped files", () => {
    const { status, stderr } = run("matrix", "--guard", guard, "--kind", "veth", "--threads");
    expect(status).toBe(2);
    expect(stderr).toContain("--threads runs the shipped path");
  });
});

describe("drawings of a cell", () => {
  const select = ["--guard", "none", "--kind", "veth", "--profile", "6.1", "--hint", "yes"];
  const drawn = (form: string, event: string) =>
    run("matrix", ...select, "--event", event, "--export", form);

  it("bpftrace: functions, device and fields as in a trace of a real kernel", () => {
    const { status, stdout } = drawn("bpftrace", "link-delete");
    expect(status).toBe(0);
    const lines = stdout.split("\n");
    const at = (start: string) => lines.findIndex((line) => line.startsWith(start));
    const zero = at("netdev_unregister_kobject dev0: real_num_tx_queues: 0, cpu: 0, comm: admin");
    const pick = at("netdev_core_pick_tx dev0: real_num_tx_queues: 0, cpu: 0, comm: rx0");
    const hash = at("skb_tx_hash dev0: real_num_tx_queues: 0");
    expect([zero, pick, hash].every((line) => line >= 0)).toBe(true);
    expect(zero).toBeLessThan(pick);
    expect(pick).toBeLessThan(hash);
    expect(stdout).toContain("# LOCKUP");
  });

  it("the others; a cell that is SAFE is refused", () => {
    expect(drawn("mermaid", "link-delete").stdout).toMatch(/^sequenceDiagram/);
    expect(() => JSON.parse(drawn("perfetto", "link-delete").stdout) as unknown).not.toThrow();
    expect(drawn("mermaid", "del-port")).toMatchObject({ status: 2 });
  });
});
