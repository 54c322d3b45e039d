import { toSafeText } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** What happened and what to do next, for the person who has to do it. */
export function formatProblem(problem: { detail: string; next?: string | undefined }, style: Style): string {
  const next = problem.next ? `${style.dim("→")} ${toSafeText(problem.next)}\n` : "";
  return `${style.red("✗")} ${toSafeText(problem.detail)}\n${next}`;
}
