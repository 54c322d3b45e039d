import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BackendName, Isolation, RunPhase, RunStatus } from "../states.ts";
import { ResourceLimits } from "./agent-types.ts";
import { ShortId, taskParams } from "./ids.ts";
import { createFieldsQuery, listEnd, listQuery, pageEnd, pageQuery } from "./paging.ts";
import { Tier } from "./runners.ts";
import { changeErrors } from "./task-errors.ts";

export const Run = z.object({
  id: z.uuid(),
  task_id: z.uuid(),
  agent_type: z.string(),
  status: RunStatus,
  phase: RunPhase.optional(),
  runner_id: z.string().optional(),
  isolation: Isolation.optional(),
  backend: BackendName.optional(),
  tier: Tier.describe("the size of the run's runner, which the run keeps"),
  resource_limits: ResourceLimits.optional().describe("what the size allows: request and limit"),
  session_id: z.string().optional(),
  attempt: z.number().int(),
  exit_code: z.number().int().optional(),
  error_code: z.string().optional(),
  error_message: z.string().optional(),
  created_at: z.string(),
  updated_at: z.string(),
  started_at: z.string().optional(),
  stopped_at: z.string().optional(),
});
export type Run = z.infer<typeof Run>;

/** How a run is stopped. */
export const StopInput = z
  .object({
    reason: z.string().max(2000).optional(),
    force: z
      .boolean()
      .default(false)
      .describe(
        "kill the agent's processes at once, also if the runner does not answer; otherwise the agent is first asked to end its turn",
      ),
  })
  .default({ force: false });

export const runParams = z.object({ agent_id: ShortId });

/** The routes of runs. The API calls a run an agent. */
export const runsApi = {
  listAgents: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/agents",
    summary: "List your runs, newest first",
    query: z.object({
      status: RunStatus.optional(),
      agent_type: z.string().min(1).max(100).optional(),
      ...createFieldsQuery(Run),
      ...listQuery,
    }),
    items: "agents",
    response: z.object({ agents: z.array(Run), ...listEnd }),
  }),
  listTaskAgents: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/agents",
    summary: "List a task's runs, newest first",
    params: taskParams,
    query: z.object({ ...createFieldsQuery(Run), ...pageQuery }),
    items: "agents",
    response: z.object({ agents: z.array(Run), ...pageEnd }),
  }),
  getAgent: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/agents/:agent_id",
    summary: "Get a run",
    params: runParams,
    query: z.object(createFieldsQuery(Run)),
    response: Run,
  }),
  stopAgent: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/agents/:agent_id/stop",
    summary: "Stop a run; keep its runner's disk",
    params: runParams,
    body: StopInput,
    response: Run,
    errors: [...changeErrors],
  }),
} as const;
