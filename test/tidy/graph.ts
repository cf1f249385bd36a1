// The checks of the tidy test that look at how files hang together: imports between rooms, cycles,
// files that nobody needs.
import {
  CYCLIC_ROOMS,
  DOORS,
  ENGINE_ONLY,
  IMPORT_EXCEPTIONS,
  ROOMS,
  SYSTEM_MODULES,
} from "./rooms.js";
import { roomOf, type Source } from "./sources.js";

/** Imports that the table of rooms does not allow. */
export function roomProblems(sources: readonly Source[]): string[] {
  const used = new Set<string>();
  const problems = sources.flatMap((source) => {
    const room = roomOf(source.file)!;
    const rule = ROOMS[room];
    if (rule === undefined) return [`${source.file}: no such room in the table: "${room}"`];
    return source.imports.flatMap((one) => {
      const target = one.file === null ? null : roomOf(one.file);
      if (target === null || target === room || rule.mayImport.includes(target)) return [];
      const edge = `${source.file} -> ${one.file}`;
      if (edge in IMPORT_EXCEPTIONS) {
        used.add(edge);
        return [];
      }
      const rooms = rule.mayImport.join(", ") || "nothing";
      return [
        `${source.file}:${one.line}: "${room}" (${rule.sentence}) must not import "${target}"; ` +
          `it may import ${rooms}`,
      ];
    });
  });
  const unused = Object.keys(IMPORT_EXCEPTIONS).filter((edge) => !used.has(edge));
  return [...problems, ...unused.map((edge) => `${edge}: listed as an exception, not in use`)];
}

/** Node's own modules where any engine must do, and system calls outside their room. */
export function platformProblems(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const room = roomOf(source.file)!;
    const imports = source.imports.flatMap((one) => {
      const where = `${source.file}:${one.line}`;
      if (ENGINE_ONLY.includes(room) && one.specifier.startsWith("node:")) {
        return [`${where}: "${room}" uses no Node API`];
      }
      const rooms = SYSTEM_MODULES[one.specifier];
      if (rooms === undefined || rooms.includes(room)) return [];
      return [`${where}: "${one.specifier}" belongs to ${rooms.join(", ") || "the shims"}`];
    });
    if (!ENGINE_ONLY.includes(room)) return imports;
    const globals = source.lines.flatMap((line, index) => {
      const code = line.replace(/\/\/.*|^\s*\*.*/, "");
      const found = /(?<![\w.$"'`])(process|Buffer|require|setImmediate)\s*[.(]/.exec(code);
      if (found === null) return [];
      return [`${source.file}:${index + 1}: "${room}" uses no Node API, not "${found[1]}"`];
    });
    return [...imports, ...globals];
  });
}

/** Import cycles between files; types only are no cycle, they are gone at run time. */
export function cycleProblems(sources: readonly Source[]): string[] {
  const targets = new Map(
    sources.map((source) => [
      source.file,
      source.imports
        .filter((one) => !one.typeOnly && one.file !== null && !isMeantCycle(source, one.file))
        .map((one) => one.file!),
    ]),
  );
  const done = new Set<string>();
  const problems: string[] = [];
  const walk = (file: string, above: readonly string[]): void => {
    const start = above.indexOf(file);
    if (start >= 0) {
      problems.push(`import cycle: ${[...above.slice(start), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    for (const target of targets.get(file) ?? []) walk(target, [...above, file]);
    done.add(file);
  };
  for (const file of targets.keys()) walk(file, []);
  return problems;
}

function isMeantCycle(source: Source, target: string): boolean {
  const room = roomOf(source.file)!;
  return room in CYCLIC_ROOMS && room === roomOf(target);
}

/** Files called index.ts inside rooms: import the file you mean. */
export function barrelProblems(sources: readonly Source[]): string[] {
  return sources
    .filter((source) => /(^|\/)index\.ts$/.test(source.file) && !DOORS.includes(source.file))
    .map((source) => `${source.file}: no barrels; import the file you mean`);
}

/** Files that nothing names: no import, no text of a thread's entry or of a program. */
export function deadFileProblems(sources: readonly Source[], users: readonly Source[]): string[] {
  const imported = new Set(users.flatMap((source) => source.imports.map((one) => one.file)));
  const entries = new Set([...DOORS, "src/cli/main.ts"]);
  return sources
    .filter((source) => !imported.has(source.file) && !entries.has(source.file))
    .filter((source) => {
      const name = source.file.split("/").at(-1)!;
      const names = [`/${name}"`, `/${name.replace(/\.ts$/, "")}.js"`];
      return !users.some((user) => {
        return user.file !== source.file && names.some((one) => user.text.includes(one));
      });
    })
    .map((source) => `${source.file}: nothing imports or starts it; remove it`);
}
