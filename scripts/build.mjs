// Builds dist/ from src/: one output file per source file, so that worker threads find their
// entry files under the same names, and a stack trace points at the line that was written.
// Outputs are replaced in place and only what has lost its source is removed, so that a program
// that runs from dist/ meanwhile does not find it empty.
import { build } from "esbuild";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BOUND, bindPrimitives } from "./bind-primitives.mjs";
import { bindProgram, PROGRAMS } from "./bind-programs.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const src = join(root, "src");
const dist = join(root, "dist");
const sources = readdirSync(src, { recursive: true }).filter(
  (file) => file.endsWith(".ts") && !file.endsWith(".d.ts"),
);

/**
 * The TypeScript compiler comes by `require`: for an `import`, Node 20 parses its nine megabytes
 * twice more, to find out which kind of module it is and what it exports. On the import's own line.
 */
function requireCompiler(text) {
  const load = 'createRequire(import.meta.url)("typescript")';
  const required = `import { createRequire } from "node:module"; const ts = ${load};`;
  return text.replace('import ts from "typescript";', required);
}

const binding = {
  name: "bind-primitives",
  setup({ onLoad }) {
    onLoad({ filter: BOUND }, ({ path }) => {
      return { contents: bindPrimitives(readFileSync(path, "utf8"), path), loader: "ts" };
    });
    onLoad({ filter: PROGRAMS }, ({ path }) => {
      return { contents: bindProgram(readFileSync(path, "utf8")), loader: "ts" };
    });
    onLoad({ filter: /\/src\/explore\/.*\.ts$/ }, ({ path }) => {
      return { contents: requireCompiler(readFileSync(path, "utf8")), loader: "ts" };
    });
  },
};

await build({
  entryPoints: sources.map((file) => join(src, file)),
  outdir: dist,
  outbase: src,
  bundle: false,
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: "linked",
  plugins: [binding],
  logLevel: "warning",
});

// The modules of the explored kernel path, rewritten once here instead of in every command.
const system = join(dist, "explore/system");
const { hashTexts, systemTexts } = await import(pathToFileURL(join(system, "graph.js")).href);
const { prepare } = await import(pathToFileURL(join(system, "prepare.js")).href);
const texts = systemTexts();
const prepared = JSON.stringify(prepare(texts, hashTexts(texts)));
writeFileSync(join(system, "prepared.json"), prepared);

const built = new Set(sources.map((file) => file.replace(/\.ts$/, ".js")));
for (const file of existsSync(dist) ? readdirSync(dist, { recursive: true }) : []) {
  const source = file.replace(/\.map$/, "");
  if (source.endsWith(".js") && !built.has(source)) rmSync(join(dist, file), { force: true });
}
