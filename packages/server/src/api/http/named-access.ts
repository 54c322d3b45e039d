import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { StandaloneRunners } from "../../runners/index.ts";
import type { Boards, Tasks } from "../../tasks/index.ts";

const Named = z.object({
  board_id: z.string().optional().catch(undefined),
  task_id: z.string().optional().catch(undefined),
  runner_id: z.string().optional().catch(undefined),
});

export interface NamedModules {
  readonly boards: Pick<Boards, "get">;
  readonly tasks: Pick<Tasks, "find">;
  readonly standaloneRunners: Pick<StandaloneRunners, "get">;
}

/** Throws if the sender may not use the board, task or runner that a request names. */
export async function requireNamedAccess(
  { params, body, scope }: Pick<FastifyRequest, "params" | "body" | "scope">,
  { boards, tasks, standaloneRunners }: NamedModules,
): Promise<void> {
  for (const part of [params, body]) {
    const { board_id, task_id, runner_id } = Named.safeParse(part).data ?? {};
    if (board_id !== undefined) await boards.get(scope, board_id);
    if (task_id !== undefined) await tasks.find(scope, task_id);
    if (runner_id !== undefined) await standaloneRunners.get(scope, runner_id);
  }
}
