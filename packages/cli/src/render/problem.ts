import { toSafeText } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** Formats an error and its next step for the user who has to act on it. */
export function formatProblem(problem: { detail: string; next?: string | undefined }, style: Style): string {
  const next = problem.next ? `${style.dim("→")} ${toSafeText(problem.next)}\n` : "";
  return `${style.red("✗")} ${toSafeText(problem.detail)}\n${next}`;
}
