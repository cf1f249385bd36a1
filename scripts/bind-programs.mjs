// Part of the build: a program of src/models that also runs on real threads gets the primitives of
// src/sync/program in place of the explorer's, by another path in its one import. Nothing else of
// its text changes; putting the path back gives the source.

/** The programs that run on real threads. */
export const PROGRAMS = /\/src\/models\/endpoint\/endpoint\.ts$/;

const DOOR = '"packetpath/explore"';
const REAL = '"../../sync/program/door.js"';

/** The text of a program for real threads. */
export function bindProgram(text) {
  return text.replaceAll(` from ${DOOR};`, ` from ${REAL};`);
}

/** The text that it was made of. */
export function unbindProgram(text) {
  return text.replaceAll(` from ${REAL};`, ` from ${DOOR};`);
}
