import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";
import { Tier } from "./runners.ts";

/** What a limit of running turns is for. */
export const RunLimitScope = z.enum(["organization", "board", "user", "tier"]);
export type RunLimitScope = z.infer<typeof RunLimitScope>;

/** How many turns may run at the same time; 0 starts none. */
export const MaxRuns = z.number().int().min(0).max(10_000);

export const RunLimitInput = z
  .object({
    board_id: z.uuid().optional(),
    user: z.string().min(1).max(100).optional().describe("an id or a user name"),
    tier: Tier.optional().describe("the size of the runners of the organization's turns"),
    max_runs: MaxRuns.describe("how many turns may run at the same time; 0 starts none"),
  })
  .refine(({ board_id, user, tier }) => [board_id, user, tier].filter((target) => target !== undefined).length <= 1, {
    message: "a limit is for a board, a user or a tier; without one of them it is for the organization",
  });
export type RunLimitInput = z.infer<typeof RunLimitInput>;

export const RunLimit = z.object({
  id: z.uuid(),
  scope: RunLimitScope,
  board_id: z.uuid().optional(),
  user_id: z.uuid().optional(),
  tier: Tier.optional(),
  /** The name of what the limit is for. */
  name: z.string(),
  max_runs: z.number().int(),
  /** How many turns run now. */
  running: z.number().int(),
});
export type RunLimit = z.infer<typeof RunLimit>;

export const runLimitsApi = {
  listRunLimits: createEndpoint({
    needs: "limit:read",
    method: "GET",
    path: "/api/v1/run-limits",
    summary: "List the limits of running turns that people set, with the turns that run, and the server's defaults",
    query: z.object({ ...createFieldsQuery(RunLimit), ...rowsQuery }),
    items: "limits",
    response: z.object({
      limits: z.array(RunLimit),
      defaults: z
        .object({
          per_user: MaxRuns.optional(),
          per_board: MaxRuns.optional(),
          per_organization: MaxRuns.optional(),
        })
        .describe("the limits of users, boards and organizations without their own"),
      ...pageEnd,
    }),
  }),
  setRunLimit: createEndpoint({
    needs: "limit:write",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/run-limits",
    summary: "Set how many turns may run at the same time. Running turns go on",
    body: RunLimitInput,
    response: RunLimit,
    errors: ["run_limit_user_not_found", "run_limit_not_found"],
  }),
  removeRunLimit: createEndpoint({
    needs: "limit:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/run-limits/:limit_id",
    summary: "Remove a limit of running turns: the server's default applies again",
    params: z.object({ limit_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["run_limit_not_found"],
  }),
} as const;
