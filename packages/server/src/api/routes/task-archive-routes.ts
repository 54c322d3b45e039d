import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { TaskArchive } from "../../runs/index.ts";
import type { Tasks } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface TaskArchiveModules {
  readonly tasks: Tasks;
  readonly taskArchive: TaskArchive;
}

/** Serves the archive of tasks. */
export function serveTaskArchive(app: FastifyInstance, { tasks, taskArchive }: TaskArchiveModules): void {
  for (const [route, action] of [
    [api.archiveTask, "archive"],
    [api.restoreTask, "restore"],
  ] as const)
    registerRoute(app, route, async ({ scope, params }) => {
      const { id } = await tasks.find(scope, params.task_id);
      await taskArchive[action](id, { by: scope.user_id });
      return tasks.find(scope, id);
    });
}
