import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";

/** What the rows of a usage report stand for. */
export const UsageGroup = z.enum([
  "hour",
  "day",
  "task",
  "board",
  "user",
  "run",
  "turn",
  "agent_type",
  "tier",
  "route",
  "model",
]);
export type UsageGroup = z.infer<typeof UsageGroup>;

const time = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) >= 0, "a time after 1970")
  .optional();
const filterName = z.string().min(1).max(200).optional();

/** Reports without a beginning have this many days. */
export const defaultReportDays = 30;

export const UsageQuery = z.object({
  from: time.describe(
    `usage of this time and later, from its full hour on; by default ${defaultReportDays} days before \`to\` or now`,
  ),
  to: time.describe("usage before this time, up to the next full hour"),
  task_id: z.uuid().optional(),
  board_id: z.uuid().optional(),
  user_id: z.uuid().optional(),
  run_id: z.uuid().optional(),
  agent_type: filterName,
  route: filterName,
  model: filterName,
  group_by: UsageGroup.optional().describe("without it, only the total"),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000).describe("maximum number of rows"),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

/** Sums of requests for models. The four kinds of input and output do not overlap. */
const usageSums = {
  requests: z.number(),
  failed_requests: z.number().describe("requests without a successful answer"),
  estimated_requests: z.number().describe("requests whose tokens the provider did not count to the end"),
  implausible_requests: z.number().describe("requests whose counts by the provider cannot be right"),
  unpriced_requests: z.number().describe("requests for models without a known price, which the cost does not contain"),
  input_tokens: z.number().describe("input that was neither read from a cache nor written to one"),
  cached_tokens: z.number().describe("input that was read from a cache"),
  cache_write_tokens: z.number().describe("input that was written to a cache"),
  output_tokens: z.number().describe("output, with thinking"),
  thinking_tokens: z.number().describe("the part of the output that is thinking"),
  cost_usd: z.number(),
  duration_ms: z.number().describe("time that the requests took, one after the other"),
};
export const UsageSums = z.object(usageSums);
export type UsageSums = z.infer<typeof UsageSums>;

export const UsageRow = z.object({
  /** An id, a name or a time; null for usage without one. */
  key: z.string().nullable(),
  /** The name of what the id stands for, while it exists. */
  name: z.string().optional(),
  ...usageSums,
});
export type UsageRow = z.infer<typeof UsageRow>;

export const UsageReport = z.object({
  from: z.string(),
  to: z.string().optional(),
  group_by: UsageGroup.optional(),
  /** Hours and days in their order, all others with the highest cost first. */
  rows: z.array(UsageRow),
  /** There are more rows than `limit`. */
  truncated: z.boolean(),
  /** The sums of all rows, also of those beyond the limit. */
  total: UsageSums,
});
export type UsageReport = z.infer<typeof UsageReport>;

export const usageApi = {
  getUsage: createEndpoint({
    needs: "usage:read",
    method: "GET",
    path: "/api/v1/usage",
    summary: "Sum up what runs used of models, and its cost",
    query: UsageQuery,
    response: UsageReport,
  }),
  getUsageCsv: createEndpoint({
    needs: "usage:read",
    method: "GET",
    path: "/api/v1/usage.csv",
    summary: "The rows of the usage report for spreadsheets",
    query: UsageQuery,
    response: "stream",
    responseType: "text/csv; charset=utf-8",
  }),
} as const;
