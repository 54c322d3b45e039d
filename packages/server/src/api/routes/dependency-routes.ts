import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { LockedTask, TaskDependencies, Tasks } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface DependencyModules {
  readonly tasks: Tasks;
  readonly dependencies: TaskDependencies;
}

/** Serves which tasks wait for others. */
export function serveDependencies(app: FastifyInstance, { tasks, dependencies }: DependencyModules): void {
  registerRoute(app, api.listDependencies, async ({ scope, params }) => {
    const task = await tasks.find(scope, params.task_id);
    return { depends_on: await dependencies.list(scope, task) };
  });
  registerRoute(app, api.addDependency, async ({ scope, params }) => {
    const task = await tasks.find(scope, params.task_id);
    return { depends_on: await dependencies.add(scope, { task, dependsOn: params.depends_on_id }) };
  });
  registerRoute(app, api.removeDependency, async ({ scope, params }) => {
    const task = await tasks.find(scope, params.task_id);
    return { depends_on: await dependencies.remove(scope, { task, dependsOn: params.depends_on_id }) };
  });
}

/** Adds to each task of a list the tasks that it waits for. */
export async function addWaits<P extends { readonly tasks: LockedTask[] }>(
  { dependencies }: DependencyModules,
  page: P,
): Promise<P & { tasks: (LockedTask & { waits_for_tasks: readonly string[] | null })[] }> {
  const open = await dependencies.findOpen(page.tasks.map(({ id }) => id));
  return { ...page, tasks: page.tasks.map((task) => ({ ...task, waits_for_tasks: open.get(task.id) ?? null })) };
}
