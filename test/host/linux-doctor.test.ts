// Limits and the doctor's checks.
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { readLimits, requireLimits, runDoctor } from "../../src/host/doctor.js";
import { NEEDS_ROOT, needsRoot } from "./linux-support.js";

const plenty = { openFiles: 20_000, somaxconn: 4096, localPorts: 28_232, pids: 32_768 };
const needs = { connections: 3000, queues: 96, threads: 40 };

function errorOf(body: () => void): PacketpathError {
  try {
    body();
  } catch (error) {
    if (error instanceof PacketpathError) return error;
  }
  throw new Error("no PacketpathError");
}

describe("limits", () => {
  it("are read from the kernel as numbers", () => {
    const limits = readLimits();
    for (const value of Object.values(limits)) expect(value).toBeGreaterThan(0);
  });

  it("3000 connections fit into a usual machine", () => {
    expect(() => requireLimits(needs, plenty)).not.toThrow();
  });

  it("too few open files are named, with both numbers and the fix", () => {
    const error = errorOf(() => requireLimits(needs, { ...plenty, openFiles: 1024 }));
    expect(error.code).toBe("ENVIRONMENT");
    expect(error.message).toBe("the hard limit of open files is 1024; this run needs 6616");
    expect(error.fix).toContain("ulimit -Hn 6616");
  });

  it("too few ports and threads are named", () => {
    const ports = errorOf(() => requireLimits(needs, { ...plenty, localPorts: 2000 }));
    expect(ports.message).toContain("local ports is 2000");
    const pids = errorOf(() => requireLimits(needs, { ...plenty, pids: 100 }));
    expect(pids.message).toContain("kernel.pid_max is 100");
  });
});

describe("doctor", () => {
  it("names a fix for every check, and each name once", async () => {
    const checks = await runDoctor();
    expect(new Set(checks.map((check) => check.name)).size).toBe(checks.length);
    for (const check of checks) expect(check.fix).not.toBe("");
    expect(checks.find((check) => check.name === "node")?.ok).toBe(true);
  });

  it.skipIf(NEEDS_ROOT)(`makes a real multi-queue device${needsRoot}`, async () => {
    const checks = await runDoctor();
    expect(checks.filter((check) => check.required && !check.ok)).toEqual([]);
  });
});
