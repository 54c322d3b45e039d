import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { TaskState } from "../states.ts";
import { taskParams } from "./ids.ts";
import { QueueWait } from "./queue.ts";
import { StopInput } from "./runs.ts";
import { changeErrors, promptErrors } from "./task-errors.ts";
import { Task } from "./tasks.ts";

/** Starting, stopping and pausing the work on tasks. */
export const orchestratorApi = {
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
    summary: "Get a task's state and its latest run",
    params: taskParams,
    response: z.object({
      task_id: z.uuid(),
      state: TaskState,
      agent_instance_id: z.uuid().optional(),
      agent_type: z.string().optional(),
      started_at: z.string().optional(),
      current_operation: z.string().optional(),
      queue: QueueWait.optional().describe("why the run waits, while it does"),
    }),
  }),
} as const;
