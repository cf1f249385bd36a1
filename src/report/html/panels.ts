// The parts of the page that are words and numbers: verdict, figures, lockups, faults, queue
// selection, RCU, environment and the command that repeats the run. Pure; any thread.
import {
  expectation,
  leakTotal,
  unfinished,
  verdictTone,
  windowStories,
  worstWindow,
  type Tone,
} from "../story.js";
import { duration, grouped, microseconds, moment, plural, short, total, trigger } from "../text.js";
import type { LockupReport, RunRecord, RunReport } from "../types.js";
import { html, section, table, type Content, type Markup } from "./markup.js";

const LOCKUPS_MAX = 64;

/** Signs differ in shape, not only in color. */
const SIGNS: Readonly<Record<Tone, Markup>> = {
  good: html`<svg class="sign" viewBox="0 0 48 48" aria-hidden="true">
    <circle cx="24" cy="24" r="21" />
    <path d="M14 25l7 7 14-15" />
  </svg>`,
  bad: html`<svg class="sign" viewBox="0 0 48 48" aria-hidden="true">
    <path class="shape" d="M15 3h18l12 12v18l-12 12h-18l-12-12v-18z" />
    <path d="M17 17l14 14M31 17l-14 14" />
  </svg>`,
  warn: html`<svg class="sign" viewBox="0 0 48 48" aria-hidden="true">
    <path class="shape" d="M24 4l21 39h-42z" />
    <path d="M24 17v13M24 35.500v1" />
  </svg>`,
};

/** Verdict and why, on top of everything. */
export function header(record: RunRecord): Markup {
  const { report } = record;
  const tone = verdictTone(report);
  const { met, text } = expectation(report);
  const facts = [
    ["guard", report.guard],
    ["kernel profile", report.profile],
    ["backend", report.backend],
    ["seed", String(report.seed)],
    ["took", `${short(report.seconds)} s`],
  ] as const;
  const list = facts.map(
    ([name, value]) =>
      html`<div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`,
  );
  const warnings =
    record.warnings.length === 0
      ? null
      : html`<ul class="warnings">
          ${record.warnings.map((w) => html`<li>${w}</li>`)}
        </ul>`;
  const about = record.description === "" ? null : html`<p class="about">${record.description}</p>`;
  return html`<header class="${tone}">
    <div class="verdict">
      ${SIGNS[tone]}
      <div>
        <p class="scenario">${report.scenario}</p>
        <h1>${report.verdict} <span class="expected ${met ? "met" : "unmet"}">${text}</span></h1>
      </div>
    </div>
    <p class="why">${report.why}</p>
    ${about}
    <dl class="facts">${list}</dl>
    ${warnings}
  </header> `;
}

interface Tile {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly tone: Tone | "";
}

/** The numbers that are asked for first. */
export function figures(record: RunRecord): Markup {
  const tiles = [...loadTiles(record.report), ...pathTiles(record)].map(
    (tile) =>
      html`<div class="tile ${tile.tone}">
        <dt>${tile.name}</dt>
        <dd>${tile.value}</dd>
        <dd class="quiet">${tile.note}</dd>
      </div>`,
  );
  return html`<dl class="tiles">${tiles}</dl> `;
}

function loadTiles({ requests, bystander }: RunReport): Tile[] {
  const open = unfinished(requests);
  const failed = total(requests.failed);
  const ends = `${grouped(failed)} failed${open > 0 ? `, ${grouped(open)} without an end` : ""}`;
  const tiles: Tile[] = [
    {
      name: "requests answered",
      value: requests.sent === 0 ? "none sent" : grouped(requests.ok),
      note: requests.sent === 0 ? "" : `of ${grouped(requests.sent)}; ${ends}`,
      tone: "",
    },
    {
      name: "in flight at once",
      value: grouped(requests.maxInFlight),
      note: `${grouped(requests.maxHeld)} at a server; ${short(requests.seconds)} s of load`,
      tone: "",
    },
  ];
  if (requests.sent === 0) tiles.pop();
  if (bystander.sent > 0) {
    tiles.push({
      name: "bystander",
      value: bystander.same ? "undisturbed" : "disturbed",
      note: `${grouped(bystander.ok)} of ${grouped(bystander.sent)} ok`,
      tone: bystander.same ? "good" : "bad",
    });
  }
  return tiles;
}

function pathTiles(record: RunRecord): Tile[] {
  const { report } = record;
  const locked = report.lockups.length;
  const leaks = leakTotal(report);
  return [
    windowTile(record),
    {
      name: "workers locked up",
      value: grouped(locked),
      note: locked === 0 ? "all reached their end" : `in ${report.lockups[0]!.where}`,
      tone: locked === 0 ? "good" : "bad",
    },
    {
      name: "frames",
      value: report.frames.balanced ? "balanced" : "not balanced",
      note: `${grouped(report.frames.in)} in, ${grouped(total(report.frames.drops))} dropped`,
      tone: report.frames.balanced ? "good" : "bad",
    },
    {
      name: "grace periods",
      value: report.rcu.stalled ? "stalled" : grouped(report.rcu.gracePeriods),
      note: report.rcu.stalled
        ? "one still waits for a locked-up worker"
        : `the longest took ${duration(report.rcu.longestMs)}`,
      tone: report.rcu.stalled ? "bad" : "",
    },
    {
      name: "left behind",
      value: leaks === 0 ? "nothing" : grouped(leaks),
      note: leaks === 0 ? "namespaces, devices, fds, workers" : leakText(report),
      tone: leaks === 0 ? "good" : "bad",
    },
  ];
}

function windowTile(record: RunRecord): Tile {
  const name = "window";
  const worst = worstWindow(windowStories(record));
  if (worst === null) return { name, value: "none", note: "no port was unregistered", tone: "" };
  const note = `${worst.device}; ${plural(worst.picks, "packet")} in it`;
  switch (worst.kind) {
    case "open":
      return { name, value: microseconds(worst.microseconds ?? 0), note, tone: "" };
    case "still-open":
      return { name, value: "still open", note, tone: "bad" };
    case "safe-order":
      return { name, value: "never open", note: `${worst.device} unpublished first`, tone: "good" };
    case "unknown":
      return { name, value: "not seen", note: worst.device, tone: "" };
  }
}

function leakText(report: RunReport): string {
  const { namespaces, devices, fds, workers } = report.leaks;
  return [
    plural(namespaces, "namespace"),
    plural(devices, "device"),
    plural(fds, "fd"),
    plural(workers, "worker"),
  ].join(", ");
}

/** What the watchdog saw; null when it saw nothing. */
export function lockupSection({ lockups }: RunReport): Markup | null {
  const first = lockups[0];
  if (first === undefined) return null;
  const lines = lockups.slice(0, 8).map((lockup) => `${lockup.message}\n`);
  const more = lockups.length > 8 ? `... and ${lockups.length - 8} more\n` : "";
  const groups = [...deviceGroups(lockups.slice(0, LOCKUPS_MAX)).values()].map(lockupGroup);
  const body = html`<pre class="kernel">${lines}${more}</pre>
    ${groups}`;
  return section("lockups", "Lockups", explanation(first), body);
}

/** Workers that were caught on the same device in the same state share its state words. */
function deviceGroups(lockups: readonly LockupReport[]): Map<string, LockupReport[]> {
  const groups = new Map<string, LockupReport[]>();
  for (const lockup of lockups) {
    const { device, kind, realNumTxQueues, regState, start, carrier, up } = lockup.state;
    const key = JSON.stringify([device, kind, realNumTxQueues, regState, start, carrier, up]);
    groups.set(key, [...(groups.get(key) ?? []), lockup]);
  }
  return groups;
}

function lockupGroup(lockups: readonly LockupReport[]): Markup {
  const { state } = lockups[0]!;
  const words: readonly (readonly [string, string, boolean])[] = [
    ["real_num_tx_queues", String(state.realNumTxQueues), state.realNumTxQueues === 0],
    ["reg_state", state.regState, state.regState !== "registered"],
    ["START", bit(state.start), !state.start],
    ["carrier", bit(state.carrier), !state.carrier],
    ["IFF_UP", bit(state.up), !state.up],
  ];
  const chips = words.map(
    ([name, value, odd]) =>
      html`<li><span class="quiet">${name}</span> <b class="${odd ? "bad" : ""}">${value}</b></li>`,
  );
  const workers = table({
    caption: `Workers that never left ${state.device}, and the values their loop runs on`,
    head: [
      "worker",
      "#cpu",
      "#tid",
      "#stuck",
      "in",
      "#queue_mapping",
      "#recorded rx queue",
      "#hash",
      "#qcount",
    ],
    rows: lockups.map(lockupRow),
  });
  return html`<h3>${state.device} (${state.kind})</h3>
    <ul class="chips">
      ${chips}
    </ul>
    ${workers}`;
}

/** Why this loop does not end, in the values that were read. */
function explanation({ state, where, worker }: LockupReport): string {
  if (state.qcount === 0 && state.realNumTxQueues === 0) {
    const hint =
      state.recordedRxQueue === null
        ? "no recorded receive queue"
        : `the recorded receive queue ${state.recordedRxQueue}`;
    return (
      `${worker} came to ${where} with ${hint} when ${state.device} had no transmit queue left. ` +
      `The loop takes qcount, which is 0, away from hash until hash is smaller; it never is.`
    );
  }
  return `${worker} did not leave ${where} on ${state.device}.`;
}

function lockupRow({ state, ...lockup }: LockupReport): Content[] {
  return [
    lockup.worker,
    lockup.cpu,
    lockup.tid,
    `${short(lockup.seconds)} s`,
    lockup.where,
    state.queueMapping,
    state.recordedRxQueue ?? "none",
    state.hash,
    state.qcount === 0 ? html`<b class="bad">0</b>` : state.qcount,
  ];
}

function bit(on: boolean): string {
  return on ? "set" : "clear";
}

/** What was done to the devices, when, and to how many frames. */
export function faultSection(report: RunReport): Markup | null {
  if (report.faults.length === 0) return null;
  const rows = report.faults.map((fault, index): Content[] => [
    html`<b class="mark">${index + 1}</b> ${fault.kind}`,
    fault.target,
    trigger(fault.at),
    fault.firedAtMs === null ? html`<b class="warn">never fired</b>` : moment(fault.firedAtMs),
    grouped(fault.times),
    grouped(fault.framesTouched),
  ]);
  const head = ["fault", "target", "trigger", "#at", "#times", "#frames touched"];
  return section("faults", "Faults", "", table({ caption: "Faults", head, rows }));
}

/** Queue selection and grace periods. */
export function kernelSection(report: RunReport): Markup {
  const { queueSelection: picks, rcu } = report;
  const share = picks.picks === 0 ? "" : ` (${((picks.hinted / picks.picks) * 100).toFixed(1)} %)`;
  const selection = facts([
    ["packets through netdev_core_pick_tx", grouped(picks.picks)],
    ["with a recorded receive queue", `${grouped(picks.hinted)}${share}`],
    ["index corrected by netdev_cap_txqueue", grouped(picks.outOfRange)],
    ["selections that never ended", grouped(picks.hangs)],
  ]);
  const grace = facts([
    ["grace periods", grouped(rcu.gracePeriods)],
    ["the longest", duration(rcu.longestMs)],
    ["waiting at the end", rcu.stalled ? "yes, for a locked-up worker" : "none"],
  ]);
  return section(
    "kernel",
    "Queue selection and RCU",
    "",
    html`<div class="columns">
      <div>
        <h3>Queue selection</h3>
        ${selection}
      </div>
      <div>
        <h3>RCU</h3>
        ${grace}
      </div>
    </div>`,
  );
}

export function environmentSection(record: RunRecord): Markup {
  const rows = Object.entries(record.environment).map(
    ([name, value]) => [name, String(value)] as const,
  );
  const body = rows.length === 0 ? html`<p class="none">Not recorded.</p>` : facts(rows);
  const { folder, command } = record.report;
  const where =
    folder === null ? null : html`<p class="quiet">Run folder: <code>${folder}</code></p>`;
  return section(
    "environment",
    "Environment",
    "",
    html`${body}
      <h3>Repeat this run</h3>
      <pre class="command">${command}</pre>
      ${where}`,
  );
}

function facts(rows: readonly (readonly [string, string])[]): Markup {
  const list = rows.map(
    ([name, value]) =>
      html`<div>
        <dt>${name}</dt>
        <dd>${value}</dd>
      </div>`,
  );
  return html`<dl class="list">${list}</dl>`;
}
