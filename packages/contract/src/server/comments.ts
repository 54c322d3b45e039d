import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { taskParams } from "./ids.ts";
import { createFieldsQuery, pageEnd, pageQuery } from "./paging.ts";

const CommentText = z.string().trim().min(1).max(10_000);

/** The version of a file that a line belongs to: before the task's changes, or with them. */
export const DiffSide = z.enum(["old", "new"]);

export const CommentInput = z
  .object({
    text: CommentText,
    file: z
      .string()
      .min(1)
      .max(4_096)
      .regex(/^\P{Cc}+$/u, "a path without control characters")
      .optional()
      .describe("a path in the workspace"),
    line: z.number().int().min(1).max(100_000_000).optional(),
    side: DiffSide.optional().describe("the version of the file: `old` is before the task's changes; default `new`"),
    turn_id: z.uuid().optional().describe("the turn whose changes the comment is about"),
  })
  .refine(({ file, line }) => line === undefined || file !== undefined, {
    message: "a line needs a file",
    path: ["line"],
  })
  .refine(({ line, side }) => side === undefined || line !== undefined, {
    message: "a side needs a line",
    path: ["side"],
  });
export type CommentInput = z.infer<typeof CommentInput>;

export const Comment = z.object({
  id: z.uuid(),
  task_id: z.uuid(),
  text: z.string(),
  author_id: z.uuid().optional().describe("absent if the user's account was deleted"),
  author: z.string().optional().describe("the author's user name"),
  file: z.string().optional(),
  line: z.number().int().optional(),
  side: DiffSide.optional(),
  turn_id: z.uuid().optional(),
  sent_turn_id: z.uuid().optional().describe("the turn that sent the comment to the agent; absent while it is open"),
  created_at: z.string(),
  updated_at: z.string(),
});
export type Comment = z.infer<typeof Comment>;

const commentParams = taskParams.extend({ comment_id: z.uuid() });

export const commentsApi = {
  createComment: createEndpoint({
    needs: "task:comment",
    method: "POST",
    path: "/api/v1/tasks/:task_id/comments",
    summary: "Comment on a task, or on a file or a line of its changes",
    params: taskParams,
    body: CommentInput,
    status: 201,
    response: Comment,
    errors: ["comments_full"],
  }),
  listComments: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/tasks/:task_id/comments",
    summary: "List a task's comments, oldest first",
    params: taskParams,
    query: z.object({
      ...createFieldsQuery(Comment),
      ...pageQuery,
      open: z.stringbool().default(false).describe("list only comments that were not sent to the agent"),
    }),
    response: z.object({ comments: z.array(Comment), ...pageEnd }),
    items: "comments",
  }),
  updateComment: createEndpoint({
    needs: "task:comment",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/tasks/:task_id/comments/:comment_id",
    summary: "Change the text of your own comment",
    params: commentParams,
    body: z.object({ text: CommentText }),
    response: Comment,
    errors: ["comment_of_another"],
  }),
  deleteComment: createEndpoint({
    needs: "task:comment",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/tasks/:task_id/comments/:comment_id",
    summary: "Delete your own comment. Owners of the board delete any",
    params: commentParams,
    status: 204,
    response: "none",
    errors: ["comment_of_another"],
  }),
} as const;
