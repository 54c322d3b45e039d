import { api, createInvalidRequestError, TaskInput, WharfError } from "@wharf/contract";
import type { FastifyInstance } from "fastify";
import { nameRows } from "../../store/index.ts";
import { fillTemplate, type Templates } from "../../tasks/index.ts";
import { registerRoute } from "../http/register-route.ts";
import { createTask, type TaskCreationModules } from "./create-task.ts";

export interface TemplateModules extends TaskCreationModules {
  readonly templates: Templates;
}

/** Serves the templates of new tasks. */
export function serveTemplates(app: FastifyInstance, modules: TemplateModules): void {
  const { templates } = modules;
  registerRoute(app, api.listTemplates, async ({ scope, query }) =>
    nameRows("templates", await templates.list(scope, query)),
  );
  registerRoute(app, api.setTemplate, ({ scope, body }) => templates.set(scope, body));
  registerRoute(app, api.getTemplate, ({ scope, params }) => templates.find(scope, params.template_id));
  registerRoute(app, api.removeTemplate, ({ scope, params }) => templates.remove(scope, params.template_id));
  registerRoute(app, api.createTaskFromTemplate, async ({ scope, params, body }) => {
    const template = await templates.find(scope, params.template_id);
    const boardId = body.board_id ?? template.board_id;
    if (boardId === null)
      throw new WharfError("bad_request", {
        issues: [{ path: "board_id", message: "is missing: the template belongs to no board" }],
      });
    // The values of placeholders may make the title or the description too long.
    const input = TaskInput.safeParse(fillTemplate(template, body));
    if (!input.success) throw createInvalidRequestError(input.error);
    return createTask(modules, scope, {
      board_id: boardId,
      input: input.data,
      budget_usd: template.fields.budget_usd,
    });
  });
}
