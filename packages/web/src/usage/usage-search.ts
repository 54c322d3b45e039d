import { z } from "zod";

export const ranges = [1, 7, 30, 90] as const;
export const groups = ["model", "user", "board", "tier", "agent_type", "task"] as const;
export const measures = ["cost", "tokens", "cpu"] as const;
export type Group = (typeof groups)[number];
export type Measure = (typeof measures)[number];

const choice = <const T extends readonly z.core.util.Literal[]>(values: T) =>
  z.literal(values).optional().catch(undefined);

/** What the page sums up, as its address has it: a link shows a colleague the same. */
export const UsageSearch = z.object({
  /** The days, with today. */
  days: choice(ranges),
  by: choice(groups),
  measure: choice(measures),
});
export type UsageSearch = z.infer<typeof UsageSearch>;

/** The processors' time is that of runners, which have no model. */
export const isCounted = (measure: Measure, group: Group): boolean => measure !== "cpu" || group !== "model";
