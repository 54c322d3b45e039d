import { clean } from "./clean.ts";
import type { Style } from "./style.ts";

/** What happened and what to do next, for the person who has to do it. */
export function problemText(problem: { detail: string; next?: string | undefined }, style: Style): string {
  const next = problem.next ? `${style.dim("→")} ${clean(problem.next)}\n` : "";
  return `${style.red("✗")} ${clean(problem.detail)}\n${next}`;
}
