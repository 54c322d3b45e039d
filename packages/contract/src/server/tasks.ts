import { z } from "zod";
import { Diff, GitPath } from "../daemon/git.ts";
import { createEndpoint, Ok } from "../endpoint.ts";
import { Event, EventKind } from "../events/index.ts";
import { InterruptPolicy, PermissionPolicy, TaskState } from "../states.ts";
import { boardParams } from "./boards.ts";
import { DependencyIds } from "./dependencies.ts";
import { taskParams } from "./ids.ts";
import { createFieldsQuery, listEnd, oneOrMore, pageQuery } from "./paging.ts";
import { NamedTier } from "./runners.ts";
import { changeErrors, diffErrors, promptErrors } from "./task-errors.ts";
import { taskListQuery } from "./task-lists.ts";
import { Task, TaskSummary } from "./task.ts";
import { TurnChoice } from "./turns.ts";

/**
 * A login in an address would end up in the database and in every list of tasks. Logins belong on
 * the server.
 */
const hasLogin = (address: string): boolean => {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  return url !== undefined && (url.password !== "" || (/^https?:$/.test(url.protocol) && url.username !== ""));
};
export const repositoryUrl = z
  .string()
  .trim()
  .min(1)
  .max(2000)
  .refine(
    (address) => !hasLogin(address),
    "an address without a login: name the login in the file of WHARF_GIT_CREDENTIALS on the server",
  )
  .describe("https, ssh or git URL, or the path of a repository on the server's machine");
export const branchName = z
  .string()
  .max(250)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._/-]*$/, "a branch name: letters, digits, . _ / -");

/** The id of a mode or a model, as the agent names it. */
export const AgentChoice = z.string().trim().min(1).max(1024);

/** A title of at most 500 characters and a description are required; the priority is 0–10. */
export const TaskInput = z
  .object({
    title: z.string().trim().min(1).max(500),
    description: z.string().min(1).max(200_000),
    priority: z.number().int().min(0).max(10).default(0),
    agent_type: z.string().max(100).optional(),
    agent_mode: AgentChoice.optional(),
    agent_model: AgentChoice.optional(),
    tier: NamedTier.optional().describe(
      "the size of the runners of the task's next runs; without it the agent type decides",
    ),
    repository_url: repositoryUrl.optional(),
    branch: branchName.optional(),
    permission_policy: PermissionPolicy.optional(),
    interrupt_policy: InterruptPolicy.optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
    depends_on: DependencyIds.optional().describe("the tasks that must be COMPLETED before this one starts"),
  })
  .meta({
    examples: [
      {
        title: "Fix the failing test",
        description: "Make `npm test` pass.",
        repository_url: "https://github.com/acme/shop.git",
      },
    ],
  });
export type TaskInput = z.infer<typeof TaskInput>;
/** An update changes only the fields that it names and resets no field to a default. */
export const TaskUpdate = TaskInput.omit({ depends_on: true })
  .extend({ priority: z.number().int().min(0).max(10) })
  .partial();
export type TaskUpdate = z.infer<typeof TaskUpdate>;

/** Identifies a text that a refused push reported as a secret. */
const SecretFingerprint = z.string().regex(/^[0-9a-f]{16}$/, "a fingerprint of 16 hexadecimal digits");

export const tasksApi = {
  createTask: createEndpoint({
    needs: "task:create",
    method: "POST",
    path: "/api/v1/boards/:board_id/tasks",
    summary: "Create a task on a board",
    params: boardParams,
    body: TaskInput,
    status: 201,
    response: Task,
    errors: ["agent_type_unavailable", "policy_unsupported", "repository_refused"],
  }),
  listBoardTasks: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/boards/:board_id/tasks",
    summary: "List a board's tasks, newest first unless `sort` says otherwise",
    params: boardParams,
    query: z.object(taskListQuery),
    items: "tasks",
    response: z.object({ tasks: z.array(TaskSummary), ...listEnd }),
  }),
  listTasks: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks",
    summary: "List the tasks of all your boards, newest first unless `sort` says otherwise",
    query: z.object(taskListQuery),
    items: "tasks",
    response: z.object({ tasks: z.array(TaskSummary), ...listEnd }),
  }),
  getTask: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id",
    summary: "Get a task",
    params: taskParams,
    query: z.object(createFieldsQuery(Task)),
    response: Task,
  }),
  updateTask: createEndpoint({
    needs: "task:write",
    method: "PUT",
    ifMatch: "version",
    path: "/api/v1/tasks/:task_id",
    summary: "Update a task",
    params: taskParams,
    body: TaskUpdate,
    response: Task,
    errors: ["agent_type_unavailable", "policy_unsupported", "repository_refused", "log_full"],
  }),
  deleteTask: createEndpoint({
    needs: "task:delete",
    method: "DELETE",
    ifMatch: "version",
    path: "/api/v1/tasks/:task_id",
    summary: "Stop a task's run and delete the task with its log",
    params: taskParams,
    status: 204,
    response: "none",
  }),
  setTaskState: createEndpoint({
    needs: "task:write",
    method: "PATCH",
    ifMatch: "version",
    path: "/api/v1/tasks/:task_id/state",
    summary: "Move a task: IN_PROGRESS starts it, COMPLETED accepts it, CANCELLED cancels it",
    params: taskParams,
    body: z.object({ state: TaskState, reason: z.string().max(2000).optional() }),
    response: Task,
    errors: [...promptErrors, "task_transition_invalid"],
  }),
  cancelTask: createEndpoint({
    needs: "task:write",
    method: "POST",
    path: "/api/v1/tasks/:task_id/cancel",
    summary: "Cancel a task",
    params: taskParams,
    response: Task,
    errors: [...changeErrors, "task_transition_invalid"],
  }),
  pushTask: createEndpoint({
    needs: "task:write",
    method: "POST",
    path: "/api/v1/tasks/:task_id/push",
    summary: "Retry the delivery of the task's branch to its remote, and allow what a refused push reported as secrets",
    params: taskParams,
    body: z.object({ allow_secrets: z.array(SecretFingerprint).max(100).optional() }).optional(),
    response: Task,
    errors: ["no_commit", "nothing_to_push", "log_full"],
  }),
  setTaskMode: createEndpoint({
    needs: "task:prompt",
    method: "PUT",
    ifMatch: "version",
    path: "/api/v1/tasks/:task_id/mode",
    summary: "Set the mode in which the task's agent works from now on. Without `mode_id` the agent uses its default",
    params: taskParams,
    body: z.object({ mode_id: AgentChoice.optional() }),
    response: Task,
    errors: ["unsupported", "log_full"],
  }),
  setTaskModel: createEndpoint({
    needs: "task:prompt",
    method: "PUT",
    ifMatch: "version",
    path: "/api/v1/tasks/:task_id/model",
    summary: "Set the model that the task's agent uses from now on. Without `model_id` the agent uses its default",
    params: taskParams,
    body: z.object({ model_id: AgentChoice.optional() }),
    response: Task,
    errors: ["unsupported", "log_full"],
  }),
  answerPermission: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/tasks/:task_id/permissions/:permission_id",
    summary: "Answer a permission request of the agent. Without an option the request is refused",
    params: taskParams.extend({ permission_id: z.string().max(200) }),
    body: z.object({ option_id: z.string().max(200).optional() }),
    status: 202,
    response: Ok,
    errors: ["permission_request_not_found", "permission_request_closed", "log_full"],
  }),
  listTaskEvents: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/events",
    summary:
      "List the events of the task's log after a cursor. A page also ends at 1 MiB, and with filters after 10,000 events: more follow while there is a `next_after`",
    params: taskParams,
    items: "events",
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      kind: oneOrMore(EventKind).describe("only events of this kind; several times for several kinds"),
      agent_id: z.uuid().optional().describe("only events of this run"),
      since: z.iso.datetime({ offset: true }).optional().describe("only events of this time and later"),
      until: z.iso.datetime({ offset: true }).optional().describe("only events before this time"),
      ...createFieldsQuery(Event),
      limit: pageQuery.limit,
    }),
    response: z.object({
      events: z.array(Event),
      next_after: z.number().optional().describe("the `after` of the next page; absent on the last page"),
      last_seq: z.number(),
    }),
  }),
  getTaskDiff: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/diff",
    summary: "Get the changes on the task's branch against its base, or those of one turn",
    params: taskParams,
    query: z.object({
      turn: TurnChoice.optional(),
      path: GitPath.optional().describe("only changes of this file or folder"),
      stat: z.stringbool().default(false).describe("leaves out the patch"),
    }),
    response: Diff,
    errors: [...diffErrors],
  }),
} as const;
