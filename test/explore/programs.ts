// Programs whose numbers of traces are known from GenMC's and Nidhugg's test suites, as sources.

const IMPORT =
  'import { add, assert, cas, choose, ld, lock, program, st, unlock } from "packetpath/explore";\n';

function source(cells: string, threads: readonly string[], more = ""): string {
  const list = threads.map((body) => `({ ${names(cells)} }) => {\n${body}\n}`).join(",\n");
  const spec = `name: "p", cells: { ${cells} }, threads: [${list}], ${more}`;
  return `${IMPORT}export default program({ ${spec} });\n`;
}

function names(cells: string): string {
  return [...cells.matchAll(/(\w+):/g)].map((match) => match[1]).join(", ");
}

const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));

export const litmus = {
  SB: source("x: 0, y: 0", ["st(x, 1); ld(y);", "st(y, 1); ld(x);"]),
  MP: source("x: 0, y: 0", ["st(x, 1); st(y, 1);", "ld(y); ld(x);"]),
  LB: source("x: 0, y: 0", ["ld(x); st(y, 1);", "ld(y); st(x, 1);"]),
  IRIW: source("x: 0, y: 0", ["st(x, 1);", "ld(x); ld(y);", "ld(y); ld(x);", "st(y, 1);"]),
};

/** Lost update: n threads load x and store it plus one. */
export const inc = (n: number) =>
  source(
    "x: 0",
    times(n, () => "const v = ld(x); st(x, v + 1);"),
  );

/** n atomic additions. */
export const ainc = (n: number) =>
  source(
    "x: 0",
    times(n, () => "add(x, 1);"),
  );

/** Thread i tries to turn i into i + 1. */
export const casrot = (n: number) =>
  source(
    "x: 0",
    times(n, (i) => `cas(x, ${i}, ${i + 1});`),
  );

/** One writer and n readers. */
export const readers = (n: number) => source("x: 0", ["st(x, 1);", ...times(n, () => "ld(x);")]);

/** Thread i stores a[i - 1] + 1 into a[i]; thread 0 looks for the last zero. */
export const lastzero = (n: number) =>
  source(`a: [${times(n + 1, () => 0).join(", ")}]`, [
    `for (let i = ${n}; ld(a[i]) !== 0; ) i--;`,
    ...times(n, (i) => `const v = ld(a[${i}]); st(a[${i + 1}], v + 1);`),
  ]);

/** CoA of GenMC's suite: two writers of x that read it again, n - 1 writers of y and z. */
export const coa = (n: number) =>
  source("x: 0, y: 0, z: 0", [
    "st(x, 1); ld(y); ld(x);",
    "st(x, 2); ld(z); ld(x);",
    ...times(n - 1, (i) => `st(y, ${i}); st(z, ${i});`),
  ]);

/** i += j against j += i, n times each, and a third thread that looks at both. */
export const fib = (n: number) =>
  source("i: 1, j: 1", [
    times(n, () => "st(i, ld(i) + ld(j));").join(" "),
    times(n, () => "st(j, ld(j) + ld(i));").join(" "),
    "ld(i); ld(j);",
  ]);
