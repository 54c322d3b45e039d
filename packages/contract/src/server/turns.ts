import { z } from "zod";
import { Attachments } from "../attachments.ts";
import { createEndpoint } from "../endpoint.ts";
import { TurnState } from "../states.ts";
import { taskParams } from "./ids.ts";
import { createFieldsQuery, pageEnd, pageQuery } from "./paging.ts";
import { promptErrors } from "./task-errors.ts";

export const Turn = z.object({
  id: z.uuid(),
  task_id: z.uuid(),
  run_id: z.string().optional(),
  state: TurnState,
  /** A person asked to cancel the turn, and the agent has not stopped yet. */
  cancel_asked: z.boolean(),
  prompt: z.string(),
  stop_reason: z.string().optional(),
  /** The task's newest commit when the turn started, and the turn's own newest commit. */
  base_commit_sha: z.string().optional(),
  commit_sha: z.string().optional(),
  created_at: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
});
export type Turn = z.infer<typeof Turn>;

/** Names a turn of a task: its number, its id, or `last`. */
export const TurnChoice = z
  .string()
  .regex(
    /^(?:[1-9]\d{0,5}|last|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/,
    "a turn: its number, counted from 1, its id, or last",
  );

export const turnsApi = {
  promptTask: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/tasks/:task_id/prompt",
    summary:
      "Prompt the task's agent, and start a run if there is none. During a turn the prompt waits as QUEUED, behind earlier prompts",
    params: taskParams,
    body: z
      .object({
        text: z.string().min(1).max(200_000).optional().describe("may be absent if `comments` is true"),
        comments: z.boolean().default(false).describe("append the open comments of the task, which are then sent"),
        turn_id: z.uuid().optional().describe("an idempotency key: a repeated request has no effect"),
        agent_type: z.string().max(100).optional(),
        attachments: Attachments.optional().describe("at most 20 files and 10 MB in total, as base64"),
      })
      .refine(({ text, comments }) => text !== undefined || comments, { message: "is missing", path: ["text"] })
      .meta({ examples: [{ text: "Now add a test for it." }] }),
    status: 202,
    response: Turn,
    errors: [...promptErrors, "no_open_comments", "comments_too_long"],
  }),
  cancelTurn: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/tasks/:task_id/turns/:turn_id/cancel",
    summary: "Cancel a turn: remove it if it is queued, otherwise ask the agent to end it. The run continues",
    params: taskParams.extend({ turn_id: z.uuid() }),
    status: 202,
    response: Turn,
    errors: ["turn_ended", "log_full"],
  }),
  listTaskTurns: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/turns",
    summary: "List a task's turns, oldest first",
    params: taskParams,
    query: z.object({ ...createFieldsQuery(Turn), ...pageQuery }),
    items: "turns",
    response: z.object({ turns: z.array(Turn), ...pageEnd }),
  }),
} as const;
