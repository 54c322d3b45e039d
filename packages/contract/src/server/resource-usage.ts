import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { UsageQuery } from "./usage.ts";

/** What the rows of a report of resources stand for. */
export const ResourceGroup = z.enum(["hour", "day", "task", "board", "user", "run", "runner", "agent_type", "tier"]);
export type ResourceGroup = z.infer<typeof ResourceGroup>;

export const ResourceUsageQuery = UsageQuery.omit({ route: true, model: true }).extend({
  group_by: ResourceGroup.optional().describe("without it, only the total"),
});
export type ResourceUsageQuery = z.infer<typeof ResourceUsageQuery>;

const resourceSums = {
  running_seconds: z.number().describe("time that runners ran, also while their agents waited"),
  cpu_seconds: z.number().describe("processor time"),
  memory_gib_hours: z.number().describe("one GiB of memory in use for one hour each"),
  storage_gib_hours: z.number().describe("one GiB of disk that runners held for one hour each, also while stopped"),
};
export const ResourceSums = z.object(resourceSums);
export type ResourceSums = z.infer<typeof ResourceSums>;

export const ResourceUsageRow = z.object({
  /** An id, a name or a time; null for usage without one. */
  key: z.string().nullable(),
  /** The name of what the id stands for, while it exists. */
  name: z.string().optional(),
  ...resourceSums,
});
export type ResourceUsageRow = z.infer<typeof ResourceUsageRow>;

export const ResourceUsageReport = z.object({
  from: z.string(),
  to: z.string().optional(),
  group_by: ResourceGroup.optional(),
  /** Hours and days in their order, all others with the longest running time first. */
  rows: z.array(ResourceUsageRow),
  /** There are more rows than `limit`. */
  truncated: z.boolean(),
  /** The sums of all rows, also of those beyond the limit. */
  total: ResourceSums,
});
export type ResourceUsageReport = z.infer<typeof ResourceUsageReport>;

export const resourceUsageApi = {
  getResourceUsage: createEndpoint({
    needs: "usage:read",
    method: "GET",
    path: "/api/v1/usage/resources",
    summary: "Sum up the time, CPU, memory and storage that runners used",
    query: ResourceUsageQuery,
    response: ResourceUsageReport,
  }),
  getResourceUsageCsv: createEndpoint({
    needs: "usage:read",
    method: "GET",
    path: "/api/v1/usage/resources.csv",
    summary: "The rows of the report of resources for spreadsheets",
    query: ResourceUsageQuery,
    response: "stream",
    responseType: "text/csv; charset=utf-8",
  }),
} as const;
