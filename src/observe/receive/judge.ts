// What the models say of receiving, held against recorded packets: claims, and how often each held.
// Pure; any thread. The rules: kernel-rules.ts; the models: src/models/softirq.
import { type Claim, claimOf } from "./claims.js";
import type { ReceiveRules } from "./kernel-rules.js";
import type { PingStory, WriteStory } from "./trace/stories.js";
import { contextOf, hasSoftirqsOff } from "./trace/trace-text.js";

/** Sent over loopback: received inside of the sender, as a softirq. */
export function pingClaims(stories: readonly PingStory[], rules: ReceiveRules): Claim[] {
  const isOwn = ({ enter, received }: PingStory) =>
    received?.pid === enter.pid && received.cpu === enter.cpu;
  const isSoftirq = ({ received, exit }: PingStory) => {
    const isServed = received !== null && contextOf(received) === "softirq";
    return isServed && exit !== null && received.atUs <= exit.atUs;
  };
  const isTask = ({ queued }: PingStory) => queued !== null && contextOf(queued) === "task";
  const isOff = ({ queued }: PingStory) => queued !== null && hasSoftirqsOff(queued);
  const inline = rules.alwaysInline;
  return [
    claimOf("the receive ran in the sender's own context and CPU", stories, isOwn, inline),
    claimOf("it ran as a softirq (flag s), before sendto() returned", stories, isSoftirq, inline),
    claimOf("the transmit was no softirq: it put the packet into a backlog", stories, isTask),
    ...(rules.tracesSoftirqsOff
      ? [claimOf("the transmit ran with softirqs off (flag b)", stories, isOff)]
      : []),
  ];
}

/** The same with receive packet steering. */
export function steeredClaims(stories: readonly PingStory[], target: number): Claim[] {
  const isMoved = ({ received }: PingStory) => received?.cpu === target;
  const isElsewhere = ({ received, enter }: PingStory) =>
    received !== null && contextOf(received) === "softirq" && received.pid !== enter.pid;
  return [
    claimOf(`the receive moved to CPU ${target}`, stories, isMoved),
    claimOf("it ran as a softirq there, not in the sender's context", stories, isElsewhere),
  ];
}

/**
 * Written to a TAP: received and answered inside of write(2).
 * @param recorded how many frames were written while the trace was on.
 */
export function writeClaims(
  stories: readonly WriteStory[],
  recorded: number,
  { tapReceivesInWrite, tracesSoftirqsOff }: ReceiveRules,
): Claim[] {
  const inside = stories.filter(({ exit }) => exit !== null).length;
  const claim = "the frame was received inside of write(), in the writer's context";
  const isTask = ({ received }: WriteStory) => contextOf(received) === "task";
  const isOff = ({ received }: WriteStory) => hasSoftirqsOff(received);
  const isAnswered = ({ replied, softirqs }: WriteStory) => replied !== null && softirqs === 0;
  const answered = "the answer left before write() returned, and no softirq began before it left";
  return [
    { claim, holds: inside, of: recorded, asExpected: inside === recorded },
    claimOf("it was no softirq", stories, isTask, tapReceivesInWrite),
    ...(tracesSoftirqsOff
      ? [claimOf("softirqs were off (flag b)", stories, isOff, tapReceivesInWrite)]
      : []),
    claimOf(answered, stories, isAnswered, tapReceivesInWrite),
  ];
}
