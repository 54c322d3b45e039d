import type { ShapeNode } from "../json/shape.ts";
import type { ReportedValues } from "./reported-values.ts";

/** The counts of an answer so far. A missing one has not been reported. */
export interface ReportedCounts {
  /** All input, cached or not. */
  readonly input: number | undefined;
  readonly cached: number | undefined;
  readonly cacheWrite: number | undefined;
  readonly longCacheWrite: number | undefined;
  /** All output, including thinking. */
  readonly output: number | undefined;
  readonly thinking: number | undefined;
  /** Whether these are the last counts of the answer. */
  readonly isFinal: boolean;
}

/** How an API reports tokens. */
export interface UsageFormat {
  /** The counts and, as text, what the model has written. */
  readonly shape: ShapeNode;
  getCounts(values: ReportedValues, answer: { readonly isEnded: boolean }): ReportedCounts;
}

/** Adds counts of which some may be missing; returns undefined if all are. */
export function addCounts(...counts: readonly (number | undefined)[]): number | undefined {
  const known = counts.filter((count) => count !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, count) => sum + count, 0);
}
