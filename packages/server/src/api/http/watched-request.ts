import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { type AccessWatch, type Caller, createScope } from "../../access/index.ts";
import type { AgentTypes } from "../../agent-types/index.ts";
import type { StandaloneRunners } from "../../runners/index.ts";
import type { Tasks } from "../../tasks/index.ts";
import { getLastingCredentials } from "./stream-credentials.ts";

export interface WatchedRequestOptions {
  readonly accessWatch: AccessWatch;
  readonly modules: {
    readonly tasks: Pick<Tasks, "find">;
    readonly standaloneRunners: Pick<StandaloneRunners, "get">;
    readonly agentTypes: Pick<AgentTypes, "get">;
  };
}

const WatchedParams = z.union([
  z.object({ task_id: z.string() }),
  z.object({ runner_id: z.string() }),
  z.object({ type_id: z.string() }),
]);

/**
 * Breaks the connections of requests that may last, such as downloads and the output of commands,
 * when their sender loses access to the task, runner or agent type. The next request gets the
 * reason.
 */
export function watchLastingRequests(app: FastifyInstance, options: WatchedRequestOptions): void {
  app.addHook("preHandler", async (request, reply) => {
    if (request.routeOptions.config.isWatched) watchRequest(request, reply, options);
  });
}

function watchRequest(
  { params, raw, scope, accessTime }: FastifyRequest,
  reply: FastifyReply,
  { accessWatch, modules }: WatchedRequestOptions,
): void {
  const named = WatchedParams.parse(params);
  const find = (caller: Caller): Promise<unknown> => {
    const present = createScope(caller, scope.needs);
    if ("task_id" in named) return modules.tasks.find(present, named.task_id);
    if ("type_id" in named) return modules.agentTypes.get(present, named.type_id);
    return modules.standaloneRunners.get(present, named.runner_id);
  };
  const use = {
    credentials: getLastingCredentials(raw, scope),
    subject: JSON.stringify([scope.needs, named]),
    // The use of a scope that is refused rejects, like the use of a task that is not found.
    check: async (caller: Caller) => find(caller),
    onWithdrawn: () => void reply.raw.destroy(),
  };
  const endUse = accessWatch.add(use, { caller: scope, since: accessTime });
  reply.raw.once("close", endUse);
}
