// How errors reach the user: text on stderr, the exit code, and nothing else. Main thread only.
import { ERROR_CODES, EXIT, PacketpathError } from "../base/errors.js";

/** The lines for an error: place and message, the line of text with a caret, and what to do. */
export function failureText(error: unknown): string {
  if (!(error instanceof PacketpathError)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `packetpath: internal error: ${detail}\n`;
  }
  return [error, ...error.others].map(oneText).join("");
}

function oneText(error: PacketpathError): string {
  const excerpt = error.excerpt === undefined ? "" : `${indent(error.excerpt)}\n`;
  const fix = error.fix === undefined ? "" : `  fix: ${error.fix}\n`;
  return `${error.toString()}\n${excerpt}${fix}`;
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

/** What the process exits with for this error. */
export function failureCode(error: unknown): number {
  return error instanceof PacketpathError ? ERROR_CODES[error.code] : EXIT.internal;
}

/** Writes text and waits until the stream has taken it; a closed pipe is no error. */
export function writeOut(stream: NodeJS.WriteStream, text: string): Promise<void> {
  if (text === "") return Promise.resolve();
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}
