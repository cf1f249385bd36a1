// What a certificate says about itself: the first line of the file, as JSON; and taking the two
// apart. The file is compressed with gzip. Pure; any thread.
import { gunzipSync } from "node:zlib";

export const FORMAT = "packetpath certificate 1";

/** The words after the line: each thread's edges, the runs, the states; 32 bits, little-endian. */
export interface Header {
  readonly format: string;
  readonly program: string;
  /** The program's file, as it was named. */
  readonly file: string;
  readonly sourceHash: string;
  readonly bounds: Readonly<Record<string, number>>;
  readonly states: number;
  readonly transitions: number;
  readonly traces: string | null;
  readonly blocked: string | null;
  readonly interleavings: string | null;
  /** Of the set of states; see digest.ts. */
  readonly digest: string;
  /** Per thread: how many edges its local states have: from, value received, to. */
  readonly edges: readonly number[];
  /** How many runs of states follow: first state, how many, thread that could go on. */
  readonly runs: number;
  /** Steps that commute with all that others may still do are taken without keeping the state. */
  readonly isReduced: boolean;
}

/** @throws Error when the bytes are no certificate. */
export function readCertificate(file: Uint8Array): { header: Header; words: Int32Array } {
  const bytes = gunzipSync(file);
  const at = bytes.indexOf("\n") + 1;
  const header = JSON.parse(bytes.toString("utf8", 0, at)) as Header | null;
  if (header?.format !== FORMAT) throw new Error(`not a "${FORMAT}"`);
  return { header, words: new Int32Array(Uint8Array.from(bytes.subarray(at)).buffer) };
}
