// Verdicts for continuous integration: JUnit XML, and the annotation lines of GitHub's workflows.
// Pure; any thread.

/** One scenario under one guard, as a test case. */
export interface CaseResult {
  readonly scenario: string;
  readonly guard: string;
  readonly backend: string;
  /** Path of the scenario file. */
  readonly file: string;
  /** Line in `file` that states the expectation; from 1. */
  readonly line: number;
  readonly seconds: number;
  /** passed: the verdict is the expected one; error: the run did not reach a verdict. */
  readonly outcome: "passed" | "failed" | "error" | "skipped";
  /** The verdict and why; for skipped ones the reason. */
  readonly message: string;
  /** The command that repeats the run. */
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
  const name = `${result.scenario} guard=${result.guard} backend=${result.backend}`;
  const head =
    `    <testcase name="${xml(name)}" classname="${xml(result.scenario)}" ` +
    `file="${xml(result.file)}" line="${result.line}" time="${result.seconds.toFixed(3)}"`;
  if (result.outcome === "passed") return `${head}/>\n`;
  const message = xml(result.message);
  if (result.outcome === "skipped") {
    return `${head}>\n      <skipped message="${message}"/>\n    </testcase>\n`;
  }
  const tag = result.outcome === "failed" ? "failure" : "error";
  const body = xml(`${result.message}\nrepeat with: ${result.command}`);
  return `${head}>\n      <${tag} message="${message}">${body}</${tag}>\n    </testcase>\n`;
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
 * error as errors, skipped as notices. Print them where GITHUB_ACTIONS is set.
 */
export function githubAnnotations(results: readonly CaseResult[]): string {
  let text = "";
  for (const result of results) {
    if (result.outcome === "passed") continue;
    const level = result.outcome === "skipped" ? "notice" : "error";
    const title = property(`${result.scenario} (guard ${result.guard}, ${result.backend})`);
    text +=
      `::${level} file=${property(result.file)},line=${result.line},title=${title}::` +
      `${escaped(result.message)}\n`;
  }
  return text;
}

function escaped(text: string): string {
  return text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
}

function property(text: string): string {
  return escaped(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
}
