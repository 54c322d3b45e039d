import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { EventType } from "../events/index.ts";
import { taskParams } from "./ids.ts";
import { createFieldsQuery, listEnd, listQuery } from "./paging.ts";
import { runParams } from "./runs.ts";

/** How much a line of a log matters, the least first. */
export const LogLevel = z.enum(["debug", "info", "warn", "error"]);
export type LogLevel = z.infer<typeof LogLevel>;

/** An event as one line of text. */
export const LogLine = z.object({
  seq: z.number().int().describe("the sequence of the event in the task's log"),
  timestamp: z.string(),
  level: LogLevel,
  message: z.string().describe("at most 1,000 characters; the event has all of it"),
  type: EventType,
  kind: z.string(),
  agent_id: z.string().optional(),
});
export type LogLine = z.infer<typeof LogLine>;

const logQuery = z.object({
  level: LogLevel.optional().describe("lines of this level and of those that matter more"),
  since: z.iso.datetime({ offset: true }).optional().describe("lines that Wharf stored at this time or later"),
  ...createFieldsQuery(LogLine),
  ...listQuery,
});
const Logs = z.object({ logs: z.array(LogLine), ...listEnd });

/** The routes of logs, for programs that want lines of text instead of events. */
export const logsApi = {
  taskLogs: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/orchestrator/tasks/:task_id/logs",
    summary: "List the log of a task as lines of text, oldest first",
    params: taskParams,
    query: logQuery,
    response: Logs,
    items: "logs",
  }),
  agentLogs: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/agents/:agent_id/logs",
    summary: "List the log of a run as lines of text, oldest first",
    params: runParams,
    query: logQuery,
    response: Logs,
    items: "logs",
  }),
} as const;
