import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BackendName, Isolation, RunnerState, RunStatus } from "../states.ts";
import { tierNames } from "../tiers.ts";
import { runnerParams } from "./ids.ts";
import { createFieldsQuery, listEnd, listQuery, pageEnd, pageQuery, rowsQuery } from "./paging.ts";

/**
 * Runners that people and scripts create directly, and the runners of runs. Each value of
 * `RunnerResources` is both request and limit.
 */

export const Runner = z.object({
  id: z.uuid(),
  name: z.string().optional(),
  backend: BackendName,
  tier: z.string(),
  state: RunnerState,
  isolation: Isolation.optional(),
  error_message: z.string().optional(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type Runner = z.infer<typeof Runner>;

/** The resources of a runner; each value is both request and limit. */
export const RunnerResources = z.object({
  cpu_millicores: z.number().int().min(100).max(256_000),
  memory_mb: z.number().int().min(64).max(4_194_304),
  storage_gb: z.number().int().min(1).max(65_536),
});
export type RunnerResources = z.infer<typeof RunnerResources>;

/** The name of a size. */
export const NamedTier = z.enum(tierNames);
export type NamedTier = z.infer<typeof NamedTier>;
export const Tier = z.enum([...tierNames, "custom"]);
export type Tier = z.infer<typeof Tier>;

const Environment = z.record(z.string().min(1).max(1024), z.string().max(131_072));

/** An image name that registries accept. */
const ImageName = z
  .string()
  .max(500)
  .regex(/^[a-zA-Z0-9][\w./:@-]*$/, "an image's name, such as wharf-python:latest");
/** The name of a model route. */
export const RouteName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "a model route, such as gemini, anthropic or openai");

export const RunnerCreate = z
  .object({
    /**
     * The caller chooses the id, so that it can repeat a request whose answer was lost without
     * creating a second runner.
     */
    id: z.uuid().optional(),
    /**
     * Serves the same purpose if the server may choose the id. The server may then return a warm
     * runner, which already has an id.
     */
    request_id: z.uuid().optional(),
    name: z.string().trim().min(1).max(100).optional(),
    tier: Tier.default("small"),
    resources: RunnerResources.optional(),
    /** The environment of every command and terminal in the runner. */
    environment: Environment.default({}),
    image: ImageName.optional().describe("the image of the runner, for backends that use images"),
    model_route: RouteName.optional().describe(
      "the model route that programs in the runner may use, at `$WHARF_GATEWAY/models/<route>` with `$WHARF_TOKEN`",
    ),
  })
  .refine(({ tier, resources }) => (tier === "custom") === (resources !== undefined), {
    message: "required with the tier custom, and allowed only with it",
    path: ["resources"],
  });
export type RunnerCreate = z.output<typeof RunnerCreate>;

/** The names of a runner's objects in its Kubernetes cluster. */
export const RunnerPlace = z.object({
  namespace: z.string(),
  pod: z.string(),
  workspace: z.string().optional().describe("the claim of the workspace's volume"),
  home: z.string().optional().describe("the claim of the home's volume"),
});
export type RunnerPlace = z.infer<typeof RunnerPlace>;

/** Who uses a runner, what for, and what it used. */
const runnerDetails = {
  owner: z
    .object({ id: z.uuid(), username: z.string() })
    .optional()
    .describe("who created the runner, or prompted its run last"),
  board_id: z.uuid().optional().describe("the board of the task whose runs use the runner"),
  task: z.object({ id: z.uuid(), title: z.string() }).optional().describe("the task whose run uses the runner"),
  agent_type: z.string().optional(),
  run_status: RunStatus.optional().describe("the status of `run_id`"),
  idle_since: z.string().optional().describe("when the run's last turn ended; absent while it works on one"),
  usage: z
    .object({
      cpu_seconds: z.number().describe("processor time since the runner was started"),
      running_seconds: z.number(),
      memory_bytes: z.number().describe("memory in use at the sample"),
      sampled_at: z.string(),
    })
    .optional()
    .describe("the last sample: runners are sampled every five minutes, after each turn and before they stop"),
  disk_bytes: z.number().optional().describe("the size of the disk that the runner holds, used or not"),
};

/** A runner as its owner sees it. */
export const RunnerView = Runner.extend({
  environment: Environment,
  /** Absent in a run's runner without a requested size. */
  resources: RunnerResources.optional(),
  /** The run that the runner was created for. Standalone runners have none. */
  run_id: z.uuid().optional(),
  /** The image and the model route of a standalone runner. */
  image: z.string().optional(),
  model_route: z.string().optional(),
  place: RunnerPlace.optional(),
});
export type RunnerView = z.infer<typeof RunnerView>;
/** A runner with its work, as its page shows it. */
export const RunnerWithDetails = RunnerView.extend(runnerDetails);
export type RunnerWithDetails = z.infer<typeof RunnerWithDetails>;
/** A runner in a list, without fields that may be long. */
export const RunnerSummary = RunnerWithDetails.omit({ environment: true });
export type RunnerSummary = z.infer<typeof RunnerSummary>;

const OrphanView = z.object({
  runner_id: z.string(),
  found_at: z.string(),
  stopped_at: z.string().optional(),
});

const wait = z.object({
  /** Answers only once the runner is ready or has failed. */
  wait: z.stringbool().default(false),
});

export const runnersApi = {
  createRunner: createEndpoint({
    needs: "runner:create",
    method: "POST",
    path: "/api/v1/runners",
    summary: "Create a standalone runner",
    query: wait,
    body: RunnerCreate,
    status: 201,
    response: RunnerView,
    errors: ["runner_already_exists", "model_route_missing", "runner_not_found", "runner_not_running"],
  }),
  listRunners: createEndpoint({
    needs: "runner:read",
    method: "GET",
    path: "/api/v1/runners",
    summary: "List your runners, newest first. Destroyed runners are listed only if `status` asks for them",
    query: z.object({
      status: RunnerState.optional(),
      ...createFieldsQuery(RunnerSummary),
      ...listQuery,
      limit: pageQuery.limit.default(50),
    }),
    items: "runners",
    response: z.object({ runners: z.array(RunnerSummary), ...listEnd }),
  }),
  listOrphans: createEndpoint({
    needs: "server:admin",
    method: "GET",
    path: "/api/v1/runners/orphans",
    summary:
      "List the runners that exist in the backend but not in the database. They are stopped and keep their disks",
    query: z.object({ ...createFieldsQuery(OrphanView), ...rowsQuery }),
    items: "orphans",
    response: z.object({ orphans: z.array(OrphanView), ...pageEnd }),
  }),
  deleteOrphans: createEndpoint({
    needs: "server:admin",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/runners/orphans",
    summary: "Destroy all orphaned runners and their disks",
    response: z.object({ deleted: z.array(z.string()) }),
    errors: ["backend_failed"],
  }),
  getRunner: createEndpoint({
    needs: "runner:read",
    method: "GET",
    path: "/api/v1/runners/:runner_id",
    summary: "Get a runner, with its work and what it used",
    params: runnerParams,
    query: z.object(createFieldsQuery(RunnerWithDetails)),
    response: RunnerWithDetails,
  }),
  deleteRunner: createEndpoint({
    needs: "runner:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/runners/:runner_id",
    summary: "Destroy a runner and its disk",
    params: runnerParams,
    status: 204,
    response: "none",
    errors: ["runner_in_use"],
  }),
  stopRunner: createEndpoint({
    needs: "runner:write",
    method: "POST",
    path: "/api/v1/runners/:runner_id/stop",
    summary: "Stop a runner's processes; keep its disk",
    params: runnerParams,
    response: RunnerView,
    errors: ["runner_in_use", "runner_not_running"],
  }),
  startRunner: createEndpoint({
    needs: "runner:write",
    method: "POST",
    path: "/api/v1/runners/:runner_id/start",
    summary: "Start a runner that is stopped or has failed",
    params: runnerParams,
    query: wait,
    response: RunnerView,
    errors: ["runner_in_use", "runner_not_running"],
  }),
} as const;
