// How the tests run: `npx vitest run -c test/vitest.config.ts`, after a build (test/setup.ts).
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Forked processes, one at a time: tests enter network namespaces, own TAP devices and count
// threads and file descriptors of their process, so two of them must not share one. (scripts/test
// runs those that do nothing of it side by side.) The limits are for a machine that is busy.
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    globalSetup: ["test/setup.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
