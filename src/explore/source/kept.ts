// What a module keeps: the objects that its names stand for outlive each run of a thread, and no
// local state shows what is in them. They are looked at when the module has run, and again when a
// search is over: whatever has changed by then was shared between threads and schedules, in
// whichever way it was changed, and nothing that was found can be relied on. Any thread; pure.
import { PacketpathError } from "../../base/errors.js";

/** A name of the module with what it stands for, and where it is declared. */
export type KeptName = readonly [name: string, value: unknown, line: number, column: number];

/** Prototypes that belong to JavaScript; the rules of programs see to it that they stay as is. */
const INTRINSIC: ReadonlySet<unknown> = new Set(
  [Object, Function, Array, Map, Set, RegExp, Error, String, Number].map((one) => one.prototype),
);

export class Kept {
  private readonly before: readonly { readonly one: KeptName; readonly contents: unknown[] }[];

  private readonly file: string;

  constructor(file: string, names: readonly KeptName[]) {
    this.file = file;
    this.before = names.map((one) => ({ one, contents: contentsOf(one[1]) }));
  }

  /** @throws PacketpathError PROGRAM_INVALID naming the first object that is not as it was. */
  mustBeSame(): void {
    for (const { one, contents } of this.before) {
      const now = contentsOf(one[1]);
      const isSame =
        now.length === contents.length && now.every((x, i) => Object.is(x, contents[i]));
      if (isSame) continue;
      const [name, , line, column] = one;
      throw new PacketpathError("PROGRAM_INVALID", `"${name}" of the module is changed in a run`, {
        place: { file: this.file, line, column },
        fix: "Make it a cell of the program, or a local of the thread.",
      });
    }
  }
}

/** All that can be reached from a value without running any code, in the order of a walk. */
function contentsOf(root: unknown): unknown[] {
  const found: unknown[] = [];
  const met = new Set<object>();
  const note = (value: unknown): void => {
    found.push(value);
    const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
    if (isObject && !INTRINSIC.has(value)) met.add(value);
  };
  note(root);
  // Grows while it is gone through.
  for (const one of met) {
    note(Object.getPrototypeOf(one));
    found.push(Object.isExtensible(one));
    if (ArrayBuffer.isView(one)) {
      for (const byte of new Uint8Array(one.buffer, one.byteOffset, one.byteLength)) {
        found.push(byte);
      }
      continue;
    }
    for (const key of Reflect.ownKeys(one)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(one, key)!;
      found.push(key);
      for (const part of [value, get, set]) note(part);
    }
    if (one instanceof Map) for (const entry of one) entry.forEach(note);
    if (one instanceof Set) for (const entry of one) note(entry);
  }
  return found;
}
