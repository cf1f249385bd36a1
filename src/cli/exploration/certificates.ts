// Certificates on the command line: `packetpath explore FILE --certificate OUT` writes one, and
// `packetpath explore --check CERT [FILE]` checks one without the search. Main thread only.
import { writeFileSync } from "node:fs";
import { nowMs } from "../../base/clock.js";
import { EXIT, PacketpathError } from "../../base/errors.js";
import type { Certificate, Exploration, LoadedProgram } from "../../explore/types.js";
import { isModulePath } from "../../scenario/types.js";
import { writeOut } from "../failure.js";
import { readBytes, readText } from "../input.js";
import { withFlags } from "./variants.js";

/** Takes the certificate of an exploration, and writes it. */
export class CertificateFile {
  private bytes: Uint8Array | null = null;
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /** For `onCertificate` of the options. */
  readonly take = (summary: Certificate, bytes: () => Uint8Array): void => {
    if (summary.unchecked === null) this.bytes = bytes();
  };

  /** Writes it, if there is one; the result with the file's name. @throws PacketpathError. */
  write(result: Exploration): Exploration {
    const { certificate } = result;
    if (certificate === null || this.bytes === null) return result;
    try {
      writeFileSync(this.file, this.bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new PacketpathError("FILE_UNUSABLE", `cannot write "${this.file}": ${reason}`, {
        place: { file: this.file },
      });
    }
    return { ...result, certificate: { ...certificate, file: this.file } };
  }

  /** @throws PacketpathError USAGE when nothing was written: the verdict allows none. */
  mustExist({ certificate, verdict, strategy }: Exploration): void {
    if (this.bytes !== null) return;
    const why = `there is none of ${verdict} by --strategy ${strategy}`;
    throw new PacketpathError("USAGE", `--certificate: ${certificate?.unchecked ?? why}`);
  }
}

export interface CheckFlags {
  /** Other values of a program's parameters, as it was explored with. */
  readonly set?: readonly string[];
  readonly maxSeconds?: number;
}

/** Checks a certificate; the program's file is the one that it names, if none is given. */
export async function checkFile(
  certificate: string,
  file: string | undefined,
  isJson: boolean,
  { set = [], maxSeconds }: CheckFlags,
): Promise<number> {
  const bytes = readBytes(certificate);
  const { readCertificate } = await import("../../explore/certificate/header.js");
  const { checkCertificate } = await import("../../explore/certificate/check.js");
  const { checkWithin } = await import("../../explore/deadline.js");
  const { cellOf, checkCell } = await import("../../explore/system/results/certificates.js");
  const startMs = nowMs();
  let problem: string | null;
  let numbers: object = {};
  try {
    const { header } = readCertificate(bytes);
    const { program, states, transitions, digest, sourceHash } = header;
    numbers = { program, states, transitions, digest, sourceHash };
    const cell = cellOf(header);
    const source = file ?? cell?.options.guard ?? header.file;
    const guard = isModulePath(source) ? { file: source, text: readText(source) } : null;
    if (cell !== null) problem = await checkCell(bytes, guard, maxSeconds);
    else {
      const varied = await loadVaried(source, set);
      problem = checkWithin(maxSeconds, source, () => checkCertificate(bytes, varied));
    }
  } catch (error) {
    if (error instanceof PacketpathError) throw error;
    problem = `it is no certificate: ${error instanceof Error ? error.message : String(error)}`;
  }
  const seconds = Math.round(nowMs() - startMs) / 1000;
  const verdict = problem === null ? "SAFE" : "REFUSED";
  const json = { schemaVersion: 1, certificate, verdict, problem, ...numbers, seconds };
  const facts = Object.entries(numbers).map(([name, value]) => `  ${name}: ${String(value)}\n`);
  const reason = problem === null ? "" : `  ${problem}\n`;
  const text = `${verdict}: ${certificate}\n${reason}${facts.join("")}`;
  await writeOut(process.stdout, isJson ? `${JSON.stringify(json)}\n` : text);
  return problem === null ? EXIT.asExpected : EXIT.notAsExpected;
}

async function loadVaried(file: string, set: readonly string[]): Promise<LoadedProgram> {
  const { loadProgram } = await import("../../explore/source/load.js");
  const chosen = { source: readText(file), file, expect: null, name: file };
  return loadProgram((await withFlags(chosen, set)).source, file);
}
