import type { TaskState } from "./states.ts";

/**
 * TODO → IN_PROGRESS when a run is requested. IN_PROGRESS ⇄ BLOCKED while the agent waits for a
 * person (for a permission, for room in a budget, or after an interrupted turn whose progress is
 * unknown) or for the reset of a provider's limit. IN_PROGRESS → REVIEW when a turn ends; REVIEW →
 * COMPLETED when a person accepts. A prompt returns BLOCKED, REVIEW and the three ends to
 * IN_PROGRESS, so a person can always ask for more work.
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
