// What a module keeps: objects that its names stand for, and those that its closures have in sight,
// outlive each run of a thread, and no local state shows what is in them. They are looked at when
// the module has run, and again at the steps of threads: what has changed by then was shared by
// threads and schedules, in whichever way it was changed, and nothing that was found can be relied
// on. An object that cannot be looked into is refused at once. Any thread.
import { types } from "node:util";
import { PacketpathError } from "../../../base/errors.js";
import type { Realm } from "./realm.js";
import { Snapshot } from "./snapshot.js";

/** A name, what it stands for, and the place of it or of the closure that has it in sight. */
export type KeptName = readonly [name: string, value: () => unknown, line: number, column: number];

/** Of more parts than these, not each step is followed by a look at them. */
const PARTS_AT_ONCE = 256;
/** After so many looks, only about one step in eight is followed by one, at intervals that vary. */
const ALL_LOOKS = 10_000;
const GAPS = [0, 13, 2, 9, 5, 14, 7, 1, 11, 4, 12, 3, 10, 6, 8];
/** After so many looks follows one at JavaScript's own objects; then after twice as many. */
const FIRST_LOOKS = 16;

/** What a name stands for that is not in sight there, or was never reached. */
const NOTHING = Symbol("nothing");

export class Kept {
  private readonly file: string;
  private readonly names: readonly KeptName[];
  private readonly values: readonly unknown[];
  private readonly snapshot = new Snapshot();
  private readonly realm: Realm;
  private steps = 0;
  private looks = 0;
  /** The step after which to look next, and the look after which to look at everything. */
  private next = 0;
  private nextWhole = FIRST_LOOKS;

  /** @throws PacketpathError PROGRAM_INVALID naming what hides its contents. */
  constructor(file: string, names: readonly KeptName[], realm: Realm) {
    this.file = file;
    this.realm = realm;
    // The module has run: what has no value by now never gets one.
    this.names = names.filter((one) => valueOf(one) !== NOTHING);
    this.values = this.names.map(valueOf);
    for (const [i, value] of this.values.entries()) {
      this.snapshot.add(value, String(i), (object) => {
        if (realm.has(object)) return false;
        const what = hiding(object, realm);
        if (what === null) return true;
        const fix = "Make it a local of the thread, or another kind of object.";
        throw this.wrong(i, `holds ${what}, whose state cannot be seen`, fix);
      });
    }
  }

  /** A thread has taken a step. @throws PacketpathError as `mustBeSame` does. */
  look(): void {
    if (++this.steps < this.next) return;
    const gap = this.looks < ALL_LOOKS ? 0 : GAPS[this.looks % GAPS.length]!;
    this.next = this.steps + 1 + gap + Math.floor(this.snapshot.size / PARTS_AT_ONCE);
    if (++this.looks < this.nextWhole) {
      this.mustBeOwn();
    } else {
      this.nextWhole = 2 * this.looks;
      this.mustBeSame();
    }
  }

  /** @throws PacketpathError PROGRAM_INVALID naming the first object that is not as it was. */
  mustBeSame(): void {
    this.mustBeOwn();
    const name = this.realm.changed();
    if (name === null) return;
    const message = `"${name}" of JavaScript is changed in a run`;
    const place = { file: this.file, line: 1, column: 1 };
    throw new PacketpathError("PROGRAM_INVALID", message, { place });
  }

  private mustBeOwn(): void {
    const { names, values } = this;
    let changed: string | number | null = this.snapshot.changed();
    for (let i = 0; changed === null && i < names.length; i++) {
      if (!Object.is(valueOf(names[i]!), values[i])) changed = i;
    }
    if (changed === null) return;
    const fix = "Make it a cell of the program, or a local of the thread.";
    throw this.wrong(Number(changed), "is changed in a run", fix);
  }

  private wrong(index: number, what: string, fix: string): PacketpathError {
    const [name, , line, column] = this.names[index]!;
    const place = { file: this.file, line, column };
    return new PacketpathError("PROGRAM_INVALID", `"${name}" of the module ${what}`, {
      place,
      fix,
    });
  }
}

function valueOf([, value]: KeptName): unknown {
  try {
    return value();
  } catch {
    return NOTHING;
  }
}

/** What an object is, if not all of its state is in its properties or can be counted; else null. */
function hiding(object: object, realm: Realm): string | null {
  if (types.isWeakMap(object) || types.isWeakSet(object)) return "a WeakMap or WeakSet";
  if (realm.isIterator(object)) return "an iterator";
  const isNative = typeof object === "function" && NATIVE.test(textOf.call(object));
  return isNative ? "a bound function" : null;
}

const textOf = Function.prototype.toString;
/** No function that somebody wrote has such a text. */
const NATIVE = /^function [^{]*\{ \[native code\] \}$/;

/** The part of a runtime that learns what a module keeps, by tokens while the module runs. */
export class Keeping {
  /** Null until the module is sealed. */
  kept: Kept | null = null;
  private file = "";
  private readonly names: KeptName[] = [];

  /** Something has been made that has these variables in sight. */
  sees<T>(names: readonly KeptName[], value: T): T {
    // Of what threads make, their keys tell.
    if (this.kept === null) this.names.push(...names);
    return value;
  }

  /** The module has run, and these are its names. */
  keep(file: string, names: readonly KeptName[]): void {
    this.file = file;
    this.names.unshift(...names);
  }

  /**
   * From now on, what the module keeps is to stay as it is.
   * @throws PacketpathError PROGRAM_INVALID naming what cannot be looked into.
   */
  seal(realm: Realm): void {
    this.kept = new Kept(this.file, this.names, realm);
  }
}
