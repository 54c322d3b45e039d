import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { TaskState } from "../states.ts";
import { ShortId, taskParams } from "./ids.ts";
import { QueueWait } from "./queue.ts";
import { StopInput } from "./runs.ts";
import { changeErrors, promptErrors } from "./task-errors.ts";
import { Task } from "./task.ts";

/** What is known about the work on a task at this moment. */
export const TaskStatus = z.object({
  task_id: z.uuid(),
  state: TaskState,
  agent_instance_id: z.uuid().optional(),
  agent_type: z.string().optional(),
  session_id: z.string().optional().describe("the agent's own name of its conversation"),
  user_id: z.string().optional().describe("the person who prompted the latest turn"),
  active: z.boolean().describe("whether the latest run has not ended"),
  created_at: z.string(),
  started_at: z.string().optional(),
  last_activity: z.string().optional().describe("the time of the newest event in the task's log"),
  progress: z.number().min(0).max(100).optional().describe("how much of its turn the agent has done, as it reports"),
  current_operation: z
    .string()
    .optional()
    .describe("what the agent does as it reports it; otherwise the phase of the start, or the status of the run"),
  estimated_completion: z
    .string()
    .optional()
    .describe("from the agent's progress or the durations of recent turns; absent if it is unknown"),
  queue: QueueWait.optional().describe("why the run waits, while it does"),
});
export type TaskStatus = z.infer<typeof TaskStatus>;

/** Starting, stopping and pausing the work on tasks. */
export const orchestratorApi = {
  triggerTask: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/orchestrator/trigger",
    summary: "Start a task as soon as it may start. A task that already works or waits for a slot gets no further turn",
    body: z.object({
      task_id: ShortId,
      agent_type: z.string().max(100).optional(),
      ignore_dependencies: z.boolean().default(false).describe("start it although it waits for other tasks"),
      force: z
        .boolean()
        .default(false)
        .describe(
          "start it before all other waiting tasks of the organization, and although it waits for other tasks. Needs the permission queue:write",
        ),
    }),
    status: 202,
    response: z.object({ agent_instance_id: z.uuid(), turn_id: z.uuid() }),
    errors: [...promptErrors],
  }),
  startTask: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/start",
    summary: "Start a run of a task",
    params: taskParams,
    body: z
      .object({ agent_type: z.string().max(100).optional(), priority: z.number().int().min(0).max(10).optional() })
      .default({}),
    status: 202,
    response: z.object({ agent_instance_id: z.uuid(), turn_id: z.uuid() }),
    errors: [...promptErrors],
  }),
  stopTask: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/stop",
    summary: "Stop the task's run; keep its runner's disk",
    params: taskParams,
    body: StopInput,
    response: Task,
    errors: [...changeErrors],
  }),
  pauseTask: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/pause",
    summary:
      "Pause the agent during its turn: its pending model requests end, then its processes are frozen. The task's log records when",
    params: taskParams,
    response: Task,
    errors: [...changeErrors, "no_turn", "unsupported"],
  }),
  resumeTask: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/orchestrator/tasks/:task_id/resume",
    summary: "Resume a paused agent, or at once a task that waits for the limit of a model's provider",
    params: taskParams,
    response: Task,
    errors: [...changeErrors, "no_turn", "unsupported"],
  }),
  taskStatus: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/orchestrator/tasks/:task_id/status",
    summary: "Get a task's state, the progress of its agent, and its latest run",
    params: taskParams,
    response: TaskStatus,
  }),
} as const;
