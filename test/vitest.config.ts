// How the tests run: `npx vitest run -c test/vitest.config.ts`, after a build (test/setup.ts).
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vitest/config";

const root = fileURLToPath(new URL("..", import.meta.url));
const tests = join(root, "test/");
const src = join(root, "src/");
const dist = join(root, "dist/");

/**
 * What tests import from src/ is what was built from it: what ships is what is tested, and searches
 * take less than half of the time that they take in modules that vitest has transformed.
 */
const built: Plugin = {
  name: "built",
  enforce: "pre",
  resolveId(source, importer) {
    if (!source.startsWith(".") || importer?.startsWith(tests) !== true) return null;
    const file = join(dirname(importer), source);
    return file.startsWith(src) ? join(dist, file.slice(src.length)) : null;
  },
};

// Forked processes, one at a time: tests enter network namespaces, own TAP devices and count
// threads and file descriptors of their process, so two of them must not share one. (scripts/test
// runs those that do nothing of it side by side.) The limits are for a machine that is busy.
export default defineConfig({
  root,
  plugins: [built],
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    execArgv: ["--enable-source-maps"],
    maxWorkers: 1,
    fileParallelism: false,
    globalSetup: ["test/setup.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    server: { deps: { external: [/\/dist\//] } },
  },
});
