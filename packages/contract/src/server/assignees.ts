import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { taskParams } from "./ids.ts";
import { Task } from "./task.ts";

export const assigneesApi = {
  assignTask: createEndpoint({
    needs: "task:write",
    method: "PUT",
    ifMatch: "version",
    path: "/api/v1/tasks/:task_id/assignee",
    summary: "Assign a task to a person who sees its board. Without `user` the assignment ends",
    params: taskParams,
    body: z.object({
      user: z.string().min(1).max(100).optional().describe("an id, a user name, or `me`"),
    }),
    response: Task,
    errors: ["assignee_without_access"],
  }),
} as const;
