// Style as a test: what the rooms may import, how long things may be, what is banned and what to
// use instead, and that every named drop, error and fault is met by a test. Exceptions are listed
// by name in tidy/*.ts, never in the code.
import { describe, expect, it } from "vitest";
import { DROP_REASONS } from "../src/base/drop-reasons.js";
import { ERROR_CODES } from "../src/base/errors.js";
import { FAULT_KINDS } from "../src/scenario/types.js";
import {
  banProblems,
  headProblems,
  lengthProblems,
  LIMITS,
  skipProblems,
  syntaxProblems,
} from "./tidy/checks.js";
import {
  barrelProblems,
  cycleProblems,
  deadFileProblems,
  platformProblems,
  roomProblems,
} from "./tidy/graph.js";
import { UNTESTED } from "./tidy/untested.js";
import { ROOMS } from "./tidy/rooms.js";
import { filesBelow, sourcesBelow, textOf } from "./tidy/sources.js";

const src = sourcesBelow("src");
const tests = sourcesBelow("test");
const shims = sourcesBelow("native-free-shims");
const scripts = sourcesBelow("scripts");
const all = [...src, ...tests, ...shims, ...scripts];

describe("the graph of rooms", () => {
  it("no file imports a room that the table does not allow", () => {
    expect(roomProblems(src)).toEqual([]);
  });

  it("the table has no cycle, so there is an order in which the rooms can be read", () => {
    const done = new Set<string>();
    for (let round = 0; round < Object.keys(ROOMS).length; round++) {
      for (const [name, room] of Object.entries(ROOMS)) {
        if (room.mayImport.every((one) => done.has(one))) done.add(name);
      }
    }
    expect(Object.keys(ROOMS).filter((name) => !done.has(name))).toEqual([]);
  });

  it("rooms for any engine use no Node API, and only host reaches the system", () => {
    expect(platformProblems(src)).toEqual([]);
  });

  it("files import each other without cycles", () => {
    expect(cycleProblems(src)).toEqual([]);
  });

  it("rooms have no barrels", () => {
    expect(barrelProblems(src)).toEqual([]);
  });

  it("every file of src is used by something", () => {
    expect(deadFileProblems(src, all)).toEqual([]);
  });
});

describe("lengths", () => {
  it("files, functions, lines and parameter lists keep their limits", () => {
    expect(all.flatMap(lengthProblems)).toEqual([]);
  });

  it("a folder of src holds few files", () => {
    const folders = new Map<string, number>();
    for (const { file } of src) {
      const folder = file.slice(0, file.lastIndexOf("/"));
      folders.set(folder, (folders.get(folder) ?? 0) + 1);
    }
    const crowded = [...folders].filter(([, count]) => count > LIMITS.folder);
    expect(crowded.map(([folder, count]) => `${folder}: ${count} files`)).toEqual([]);
  });
});

describe("what files say and do not say", () => {
  it("each opens with a comment that says what it is", () => {
    expect(all.flatMap(headProblems)).toEqual([]);
  });

  it("none uses a banned word", () => {
    expect(all.flatMap(banProblems)).toEqual([]);
  });

  it("none has the type any, or a try on the frame path", () => {
    expect([...src, ...tests].flatMap(syntaxProblems)).toEqual([]);
  });

  it("a test that may be skipped says in its name what it needs", () => {
    expect(tests.flatMap(skipProblems)).toEqual([]);
  });
});

describe("every name is met by a test", () => {
  // The tidy files list names themselves; a list is no test.
  const text = tests
    .filter((source) => !source.file.startsWith("test/tidy"))
    .map((source) => source.text)
    .join("\n");
  const isMet = (name: string) => new RegExp(`["'\`{ ,.]${name}["'\`}: ,.]`).test(text);
  const names = {
    "drop reason": DROP_REASONS.map(([name]) => name),
    "error code": Object.keys(ERROR_CODES),
    fault: FAULT_KINDS,
  };

  it.each(Object.entries(names))("each %s is met by a test", (_what, list) => {
    const unmet = list.filter((name) => !isMet(name) && !(name in UNTESTED));
    expect(unmet).toEqual([]);
  });

  it("a name listed as untested is still untested", () => {
    expect(Object.keys(UNTESTED).filter(isMet)).toEqual([]);
  });

  it("each scenario file is met by a test", () => {
    const files = filesBelow("scenarios").filter((file) => file.endsWith(".yaml"));
    const named = files.map((file) => file.replace(/^scenarios\/|\.yaml$/g, ""));
    expect(named.filter((name) => !isMet(name))).toEqual([]);
  });
});

describe("documents", () => {
  const documents = [...filesBelow("src"), ...filesBelow("test"), "README.md"].filter(
    (file) => file.endsWith(".md") && (file !== "README.md" || filesBelow(".").includes(file)),
  );

  it("each has one title, and links to files that exist", () => {
    const known = new Set(filesBelow("."));
    const problems = documents.flatMap((file) => {
      const text = textOf(file).replace(/```[\s\S]*?```/g, "");
      const titles = text.split("\n").filter((line) => /^# /.test(line)).length;
      const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1]!);
      const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/") + 1) : "";
      const dead = links.filter((link) => {
        const path = new URL(link, `file:///${folder}`).pathname.slice(1).replace(/\/$/, "");
        return !known.has(path) && ![...known].some((one) => one.startsWith(`${path}/`));
      });
      return [
        ...(titles === 1 ? [] : [`${file}: ${titles} titles; exactly one is right`]),
        ...dead.map((link) => `${file}: dead link ${link}`),
      ];
    });
    expect(problems).toEqual([]);
  });
});
