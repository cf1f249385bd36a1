// Where a worker thread's entry file lies. Worker threads need JavaScript (Node 20 cannot start
// one from TypeScript), so code that runs from src/, as tests do, starts its workers from dist/.

/**
 * The URL of a worker's entry file, given relative to the caller.
 * @param relative as in an import: `./queue-worker.js`.
 * @param base the caller's `import.meta.url`.
 */
export function workerEntry(relative: string, base: string): URL {
  const url = new URL(relative, base);
  const path = url.pathname;
  const src = path.lastIndexOf("/src/");
  const dist = path.lastIndexOf("/dist/");
  if (src > dist) url.pathname = `${path.slice(0, src)}/dist/${path.slice(src + 5)}`;
  return url;
}
