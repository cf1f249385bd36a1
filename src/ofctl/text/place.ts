// Where a text stands in a file, and mistakes in it as errors with file, line and column.
// Slow path; any thread.
import { PacketpathError } from "../../base/errors.js";
import type { PortMap } from "./ports.js";
import { FlowTextError } from "./scan.js";

/** Where the text comes from and what its names mean. */
export interface ParseOptions {
  /** For error messages; default `<flow>`. */
  readonly file?: string;
  /** Line of the (first) flow, from 1. */
  readonly line?: number;
  /** Columns in front of the text on its line, where it is part of a larger one. */
  readonly columnOffset?: number;
  /** Port numbers by interface name; reserved names need no entry. */
  readonly ports?: PortMap;
}

const NO_PORTS: PortMap = new Map();

/** The column of an index into the text, from 1. */
export function columnOf(index: number, options: ParseOptions): number {
  return index + 1 + (options.columnOffset ?? 0);
}

/**
 * Runs a reader and gives its mistake a file, a line and a column.
 * @throws PacketpathError FLOW_INVALID with Open vSwitch's sentence.
 */
export function placed<T>(options: ParseOptions, read: (ports: PortMap) => T): T {
  try {
    return read(options.ports ?? NO_PORTS);
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    const file = options.file ?? "<flow>";
    const place = { file, line: options.line ?? 1, column: columnOf(error.index, options) };
    throw new PacketpathError("FLOW_INVALID", error.message, { place });
  }
}

/** A line of a file that says something. */
export interface TextLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** Lines that hold more than a comment (`#` to the end of the line), comments cut off. */
export function textLines(text: string): TextLine[] {
  return text
    .split("\n")
    .map((line, i) => ({ text: line.replace(/#.*$/, "").trimEnd(), line: i + 1 }))
    .filter((line) => line.text.trim() !== "");
}

/** Reads each line of a file. */
export function placedLines<T>(
  text: string,
  options: ParseOptions,
  read: (line: string, ports: PortMap) => T,
): T[] {
  return textLines(text).map((entry) => {
    const line = (options.line ?? 1) + entry.line - 1;
    return placed({ ...options, line }, (ports) => read(entry.text, ports));
  });
}
