import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { UsageQuery } from "./usage.ts";

export const HostUsageQuery = UsageQuery.pick({ task_id: true, board_id: true, limit: true });
export type HostUsageQuery = z.infer<typeof HostUsageQuery>;

export const HostUsageRow = z.object({
  /** A name, with its port unless that is 443 or 80; null for the hosts beyond a task's limit. */
  host: z.string().nullable(),
  connections: z.number().describe("connections that have ended"),
  bytes_in: z.number().describe("bytes that runners received"),
  bytes_out: z.number().describe("bytes that runners sent"),
  first_at: z.string(),
  last_at: z.string(),
});
export type HostUsageRow = z.infer<typeof HostUsageRow>;

export const HostUsageReport = z.object({
  /** The host that received most is first. */
  hosts: z.array(HostUsageRow),
  /** There are more hosts than `limit`. */
  truncated: z.boolean(),
});
export type HostUsageReport = z.infer<typeof HostUsageReport>;

export const hostUsageApi = {
  getHostUsage: createEndpoint({
    needs: "usage:read",
    method: "GET",
    path: "/api/v1/usage/hosts",
    summary: "List the hosts of allow-lists that runners reached, and what they sent there",
    query: HostUsageQuery,
    response: HostUsageReport,
  }),
} as const;
