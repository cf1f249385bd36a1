// When a fault strikes: a condition on what the run has done so far. Main thread; pure.

/** What a trigger may look at. */
export interface Progress {
  /** Milliseconds since the traffic began. */
  readonly elapsedMs: number;
  readonly inFlight: number;
  readonly requestsSent: number;
  readonly responses: number;
  /** Frames read from all ports. */
  readonly framesSeen: number;
}

export interface Trigger {
  readonly on: "inFlight" | "requestsSent" | "responses" | "framesSeen" | "afterMs";
  readonly value: number;
}

/** Whether the trigger's condition holds now. */
export function isDue(trigger: Trigger, progress: Progress): boolean {
  const reached = trigger.on === "afterMs" ? progress.elapsedMs : progress[trigger.on];
  return reached >= trigger.value;
}

/** The trigger as a scenario writes it. */
export function triggerText(trigger: Trigger): Record<string, number> {
  return { [trigger.on]: trigger.value };
}
