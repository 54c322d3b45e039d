import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { createFieldsQuery, listEnd, listQuery } from "./paging.ts";

/** What a run in the queue waits for. */
export const WaitCause = z.enum([
  "slot",
  "runner",
  "pause",
  "dependency",
  "user_limit",
  "board_limit",
  "organization_limit",
  "tier_limit",
  "retry",
]);
export type WaitCause = z.infer<typeof WaitCause>;

/** Why a run waits, and for how long. */
const waitFields = {
  waits_for: WaitCause,
  reason: z.string().describe("the same as a sentence for people"),
  position: z
    .number()
    .int()
    .optional()
    .describe("1 for the run that gets the next slot, counting those of all users; absent unless it waits for a slot"),
  estimated_start: z.string().optional().describe("from the durations of recent turns; absent if it is unknown"),
};

export const QueueWait = z.object(waitFields);
export type QueueWait = z.infer<typeof QueueWait>;

export const QueuedTask = z.object({
  task_id: z.uuid(),
  title: z.string(),
  priority: z.number().int(),
  queued_at: z.string(),
  ...waitFields,
});
export type QueuedTask = z.infer<typeof QueuedTask>;

export const QueuePause = z.object({ reason: z.string().optional(), paused_at: z.string() });

export const OrchestratorStatus = z.object({
  status: z.enum(["running", "paused", "stopping"]),
  active_agents: z
    .number()
    .describe("agents of this server for operators; for other people the running turns on the boards that they see"),
  queued_tasks: z.number().describe("tasks that wait, on the boards that the person sees; for operators on all boards"),
  running_turns: z
    .number()
    .int()
    .describe("turns that have a slot, on the boards that the person sees; for operators on all boards"),
  slots: z.number().int().describe("how many turns may run at the same time, on all servers"),
  pause: QueuePause.optional(),
  uptime_seconds: z.number(),
  last_heartbeat: z.string(),
});
export type OrchestratorStatus = z.infer<typeof OrchestratorStatus>;

export const queueApi = {
  orchestratorStatus: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/orchestrator/status",
    summary: "Get the scheduler's status",
    response: OrchestratorStatus,
  }),
  orchestratorQueue: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/orchestrator/queue",
    summary:
      "List the runs that wait for a slot, in the order in which they get one, then those that wait for something else",
    query: z.object({ ...createFieldsQuery(QueuedTask), ...listQuery }),
    items: "tasks",
    response: z.object({ tasks: z.array(QueuedTask), ...listEnd }),
  }),
  pauseQueue: createEndpoint({
    needs: "server:admin",
    method: "POST",
    path: "/api/v1/orchestrator/pause",
    summary: "Pause the queue of all servers: no turn starts, and running turns go on",
    body: z.object({ reason: z.string().max(2000).optional() }).default({}),
    response: OrchestratorStatus,
  }),
  resumeQueue: createEndpoint({
    needs: "server:admin",
    method: "POST",
    path: "/api/v1/orchestrator/resume",
    summary: "Resume the queue",
    response: OrchestratorStatus,
  }),
} as const;
