// Verdicts for continuous integration: JUnit XML, and the annotation lines of GitHub's workflows.
// Pure; any thread.

/** One test case: a scenario under one guard, a program, a cell of the matrix. */
export interface CaseResult {
  /** The scenario, the program, the matrix. */
  readonly group: string;
  /** What tells it from the others of its group, as `guard none, memory`; may be empty. */
  readonly name: string;
  /** Path of the scenario, program or guard file. */
  readonly file: string;
  /** Line in `file` that is at fault, or that states the expectation; from 1. */
  readonly line: number;
  readonly column?: number;
  readonly seconds: number;
  /** passed: the verdict is the expected one; error: no verdict was reached. */
  readonly outcome: "passed" | "failed" | "error" | "skipped";
  /** The verdict and why; for skipped ones the reason. */
  readonly message: string;
  /** More lines for the report: a timeline. */
  readonly details?: string;
  /** The command that repeats it. */
  readonly command: string;
}

/** A JUnit document with one suite; characters that XML cannot hold are left out. */
export function junitXml(results: readonly CaseResult[]): string {
  const count = (outcome: CaseResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  const totals =
    `tests="${results.length}" failures="${count("failed")}" errors="${count("error")}" ` +
    `skipped="${count("skipped")}" time="${seconds.toFixed(3)}"`;
  const cases = results.map(testCase).join("");
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${totals}>\n` +
    `  <testsuite name="packetpath" ${totals}>\n${cases}  </testsuite>\n</testsuites>\n`
  );
}

function testCase(result: CaseResult): string {
  const head =
    `    <testcase name="${xml(titleOf(result))}" classname="${xml(result.group)}" ` +
    `file="${xml(result.file)}" line="${result.line}" time="${result.seconds.toFixed(3)}"`;
  if (result.outcome === "passed") return `${head}/>\n`;
  const message = xml(result.message);
  if (result.outcome === "skipped") {
    return `${head}>\n      <skipped message="${message}"/>\n    </testcase>\n`;
  }
  const tag = result.outcome === "failed" ? "failure" : "error";
  const details = result.details === undefined ? "" : `${result.details}\n`;
  const body = xml(`${result.message}\n${details}repeat with: ${result.command}`);
  return `${head}>\n      <${tag} message="${message}">${body}</${tag}>\n    </testcase>\n`;
}

function titleOf({ group, name }: CaseResult): string {
  return name === "" ? group : `${group} (${name})`;
}

function xml(text: string): string {
  return (
    text
      // XML 1.0 has no way to write control characters, lone surrogates and U+FFFE, U+FFFF.

      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "")
      .replace(/&/g, "&amp;")
      .replace(/</g, "&lt;")
      .replace(/>/g, "&gt;")
      .replace(/"/g, "&quot;")
  );
}

/**
 * Workflow commands (`::error file=...`), one line for each result that is not passed: failed and
 * error as errors, skipped as notices. The runner reads them from stdout.
 */
export function githubAnnotations(results: readonly CaseResult[]): string {
  let text = "";
  for (const result of results) {
    if (result.outcome === "passed") continue;
    const level = result.outcome === "skipped" ? "notice" : "error";
    const column = result.column === undefined ? "" : `,col=${result.column}`;
    const place = `file=${property(result.file)},line=${result.line}${column}`;
    text += `::${level} ${place},title=${property(titleOf(result))}::${escaped(result.message)}\n`;
  }
  return text;
}

function escaped(text: string): string {
  return text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
}

function property(text: string): string {
  return escaped(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
}
