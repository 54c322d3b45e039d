import { createEndpoint } from "../endpoint.ts";
import { taskParams } from "./ids.ts";
import { Task } from "./task.ts";

/** Archived tasks are absent from lists and accept no prompt. Their logs and branches are kept. */
export const taskArchiveApi = {
  archiveTask: createEndpoint({
    needs: "task:write",
    method: "POST",
    path: "/api/v1/tasks/:task_id/archive",
    summary: "Archive a task whose work has ended: it leaves the lists and cannot start until it is restored",
    params: taskParams,
    response: Task,
    errors: ["task_at_work", "log_full"],
  }),
  restoreTask: createEndpoint({
    needs: "task:write",
    method: "POST",
    path: "/api/v1/tasks/:task_id/restore",
    summary: "Restore an archived task",
    params: taskParams,
    response: Task,
    errors: ["log_full"],
  }),
} as const;
