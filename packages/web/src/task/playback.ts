import type { Event } from "@wharf/client";

export const speeds = [1, 4, 16] as const;
export type Speed = (typeof speeds)[number];

/** Hours in which nothing happened are not waited for. */
const maxPauseMs = 2_000;
/** Events of one step come together, so that a page draws at most ten times a second. */
const minStepMs = 100;

interface Step {
  /** The newest event of the step. */
  readonly seq: number;
  /** How long to wait before it. */
  readonly delayMs: number;
}

/** Returns the next step after an event of a log without gaps, or undefined at its end. */
export function getNextStep(
  events: readonly Pick<Event, "seq" | "timestamp">[],
  seq: number,
  speed: Speed,
): Step | undefined {
  const [first] = events;
  if (!first) return undefined;
  let index = Math.max(0, seq - first.seq);
  let delayMs = 0;
  for (; index < events.length - 1 && delayMs < minStepMs; index++)
    delayMs += getPause(events[index]?.timestamp, events[index + 1]?.timestamp) / speed;
  const reached = events[index];
  return reached && reached.seq > seq ? { seq: reached.seq, delayMs: Math.max(delayMs, minStepMs) } : undefined;
}

function getPause(from = "", to = ""): number {
  const ms = Date.parse(to) - Date.parse(from);
  return Math.min(Math.max(ms, 0), maxPauseMs);
}
