import { UsageQuery } from "@wharf/contract";
import { z } from "zod";

const timeForm = "a date such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z";

/** A date is its midnight in UTC, as the days of a report are. */
export const TimeOption = z
  .string()
  .transform((text) => (z.iso.date().safeParse(text).success ? `${text}T00:00:00Z` : text))
  .refine((text) => UsageQuery.shape.from.safeParse(text).success, timeForm);
