// The result of an exploration as text for the terminal. Main thread only.
import type { Exploration, Prediction } from "../../explore/types.js";

/** The result with its numbers, the counterexample and what is expected of locks. */
export async function resultText(result: Exploration): Promise<string> {
  const { verdict, expected } = result;
  const surprise = verdict === expected ? "" : ` (expected ${expected})`;
  const facts = [
    result.bound === null ? null : `bound: ${result.bound}`,
    result.states === null ? null : `${result.states} states, ${result.transitions} transitions`,
    collisionText(result),
    result.traces === null ? null : `${result.traces} traces, ${result.blocked} blocked`,
    result.interleavings === null ? null : `${result.interleavings} interleavings`,
    result.cyclic === true ? "executions without end: the state graph has a cycle" : null,
    result.executions === null ? null : `${result.executions} executions`,
    chanceText(result),
    coverageText(result),
    result.race === result.counterexample?.message ? null : result.race,
    `${result.seconds.toFixed(3)} s, strategy ${result.strategy}`,
  ];
  const lines = facts.filter((one) => one !== null).map((one) => `  ${one}\n`);
  const story = result.counterexample === null ? "" : await storyText(result.counterexample);
  const reports = result.predicted.filter((one) => !one.isRuledOut).map(predictionText);
  return `${verdict}: ${result.program}${surprise}\n${lines.join("")}${story}${reports.join("")}`;
}

function predictionText({ report, confirmed }: Prediction): string {
  const how = confirmed === null ? "no schedule was found for it" : `--replay ${confirmed}`;
  return `\nfrom the order of locks (${how})\n${report}`;
}

/** What a verdict without whole states leaves open. */
function collisionText({ collisionBound: chance }: Exploration): string | null {
  if (chance === undefined) return null;
  const about = chance.toExponential(1);
  return `states by hash: one is taken for another with a chance of about ${about}`;
}

/** How often random runs would show the verdict. */
function chanceText(result: Exploration): string | null {
  const { bugProbability: chance, bugProbabilityFraction: fraction } = result;
  if (chance === null || result.counterexample === null) return null;
  const value = Number(chance.toPrecision(4));
  const exact = fraction !== null && fraction.length <= 24 ? ` (${fraction})` : "";
  const about = fraction === null ? "about " : "";
  return `a random run shows it with a chance of ${about}${value}${exact}`;
}

const MISSING_SHOWN = 3;

function coverageText(result: Exploration): string | null {
  const { coverage } = result;
  if (coverage === null || coverage.pairs === 0) return null;
  const { missing } = coverage;
  const never = missing
    .slice(0, MISSING_SHOWN)
    .map(({ cell, first, second }) => `${cell}: ${first} before ${second}`);
  const more = missing.length > MISSING_SHOWN ? [`${missing.length - MISSING_SHOWN} more`] : [];
  const rest = missing.length === 0 ? "" : `; never ${[...never, ...more].join(", ")}`;
  const runs = coverage.runs === null ? "" : ` in ${coverage.runs} runs`;
  return `${coverage.bothOrders} of ${coverage.pairs} racing pairs in both orders${runs}${rest}`;
}

/** The counterexample as a table. */
export async function storyText(one: NonNullable<Exploration["counterexample"]>): Promise<string> {
  const { timelineTable } = await import("../../explore/text/timeline.js");
  const fewest = one.minimal ? ", no schedule has fewer switches" : "";
  const why = one.message === "" ? "" : `  ${one.message}\n`;
  const count = `  ${one.steps} steps, ${one.switches} context switches${fewest}\n`;
  return `${why}${count}  replay: --replay ${one.token}\n\n${timelineTable(one)}`;
}
