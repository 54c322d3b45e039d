import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { TaskState } from "../states.ts";
import { ShortId, taskParams } from "./ids.ts";

/** The number of tasks that one task may wait for. */
export const maxDependencies = 50;

/** The tasks that a task waits for, by their ids. */
export const DependencyIds = z.array(ShortId).max(maxDependencies);

/** Another task that this one waits for. */
export const Dependency = z.object({
  task_id: z.uuid(),
  title: z.string().optional().describe("absent if you do not see the task, or if it was deleted"),
  state: TaskState.optional().describe("absent if the task was deleted"),
  is_open: z.boolean().describe("whether the other task is not COMPLETED, so that this one waits"),
});
export type Dependency = z.infer<typeof Dependency>;

const dependencyParams = taskParams.extend({ depends_on_id: ShortId });
const Dependencies = z.object({ depends_on: z.array(Dependency) });

/** The routes of dependencies: a task starts when those that it depends on are COMPLETED. */
export const dependenciesApi = {
  listDependencies: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/dependencies",
    summary: "List the tasks that a task waits for",
    params: taskParams,
    response: Dependencies,
  }),
  addDependency: createEndpoint({
    needs: "task:write",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/tasks/:task_id/dependencies/:depends_on_id",
    summary: "Let a task wait until another one is COMPLETED. Tasks that would wait for each other are refused",
    params: dependencyParams,
    response: Dependencies,
    errors: ["dependency_cycle", "dependencies_full"],
  }),
  removeDependency: createEndpoint({
    needs: "task:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/tasks/:task_id/dependencies/:depends_on_id",
    summary: "Let a task no longer wait for another one",
    params: dependencyParams,
    response: Dependencies,
  }),
} as const;
