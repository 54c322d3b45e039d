import { api } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import type { Assignees, Comments, Tasks } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";

export interface CommentModules {
  readonly assignees: Assignees;
  readonly comments: Comments;
  readonly tasks: Tasks;
}

/** Serves the comments and the assignees of tasks. */
export function serveComments(app: FastifyInstance, { assignees, comments, tasks }: CommentModules): void {
  registerRoute(app, api.createComment, async ({ scope, params, body }) => {
    const { id } = await tasks.find(scope, params.task_id);
    return comments.create(scope, id, body);
  });
  registerRoute(app, api.listComments, async ({ scope, params, query }) => {
    const { id } = await tasks.find(scope, params.task_id);
    return comments.list(id, query);
  });
  registerRoute(app, api.updateComment, async ({ scope, params, body }) => {
    const { id } = await tasks.find(scope, params.task_id);
    return comments.update(scope, id, { id: params.comment_id, text: body.text });
  });
  registerRoute(app, api.deleteComment, async ({ scope, params }) => {
    const { id } = await tasks.find(scope, params.task_id);
    await comments.remove(scope, id, params.comment_id);
  });
  registerRoute(app, api.assignTask, async ({ scope, params, body, expected }) => {
    const { id } = await tasks.find(scope, params.task_id);
    await assignees.assign(scope, id, { user: body.user, expected });
    return tasks.find(scope, id);
  });
}
