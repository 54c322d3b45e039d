import type { TaskState } from "@wharf/contract";

/**
 * TODO → IN_PROGRESS when a run is asked for. IN_PROGRESS ⇄ BLOCKED while the agent waits for a person (a permission, or
 * a turn of which nobody knows how far it got). IN_PROGRESS → REVIEW when a turn ends; REVIEW → COMPLETED when a person
 * accepts. A prompt takes BLOCKED, REVIEW and the three ends back to IN_PROGRESS: nothing a person wants done again is lost.
 */
export const taskTransitions: { readonly [From in TaskState]: readonly TaskState[] } = {
  TODO: ["IN_PROGRESS", "COMPLETED", "CANCELLED"],
  IN_PROGRESS: ["BLOCKED", "REVIEW", "COMPLETED", "FAILED", "CANCELLED"],
  BLOCKED: ["IN_PROGRESS", "REVIEW", "COMPLETED", "FAILED", "CANCELLED"],
  REVIEW: ["IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"],
  COMPLETED: ["IN_PROGRESS", "TODO"],
  FAILED: ["IN_PROGRESS", "TODO", "CANCELLED"],
  CANCELLED: ["IN_PROGRESS", "TODO"],
};
