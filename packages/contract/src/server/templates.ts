import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BudgetAmount } from "./budgets.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";
import { Task } from "./task.ts";
import { TaskInput } from "./tasks.ts";

/** A value that each task gets, such as `{{issue}}` in the title or the description. */
const placeholder = /\{\{\s*([a-z][a-z0-9_]{0,49})\s*\}\}/g;

/** Lists the names of a text's placeholders, each once, in their order. */
export const findPlaceholders = (text: string): string[] => [
  ...new Set(Array.from(text.matchAll(placeholder), ([, name = ""]) => name)),
];

/** Replaces the placeholders of a text that have a value. */
export const fillPlaceholders = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(placeholder, (whole, name: string) => (Object.hasOwn(values, name) ? values[name]! : whole));

const { title, description, priority } = TaskInput.shape;

/** What a new task takes from its template. */
export const TemplateFields = TaskInput.omit({ metadata: true, depends_on: true }).extend({
  title: title
    .optional()
    .describe("may have placeholders such as `{{issue}}`; default: the beginning of the description"),
  description: description.describe("the prompt; may have placeholders such as `{{issue}}`"),
  priority: priority.unwrap().optional(),
  budget_usd: BudgetAmount.optional().describe(
    "what each task may cost in total; setting, changing or removing it needs `budget:write`",
  ),
});
export type TemplateFields = z.infer<typeof TemplateFields>;

export const TemplateName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "a name: lower-case letters, digits, . _ -");

export const TemplateInput = z.object({
  name: TemplateName,
  board_id: z.uuid().optional().describe("without a board, the template is for the whole organization"),
  fields: TemplateFields,
});
export type TemplateInput = z.infer<typeof TemplateInput>;

export const Template = z.object({
  id: z.uuid(),
  name: z.string(),
  board_id: z.uuid().optional(),
  fields: TemplateFields,
  placeholders: z.array(z.string()).describe("the values that a new task needs"),
  created_at: z.string(),
  updated_at: z.string(),
});
export type Template = z.infer<typeof Template>;

/** The orders of a list of templates. `-` means descending. */
export const TemplateSort = z.enum(["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]);
export type TemplateSort = z.infer<typeof TemplateSort>;

/** The values of a template's placeholders, and fields that replace those of the template. */
export const TemplateTaskInput = TemplateFields.omit({ description: true, budget_usd: true }).extend({
  board_id: z.uuid().optional().describe("the task's board; default: that of the template"),
  values: z.record(z.string().max(50), z.string().max(10_000)).default({}).describe("the values of the placeholders"),
});
export type TemplateTaskInput = z.infer<typeof TemplateTaskInput>;

const templateParams = z.object({ template_id: z.uuid() });

export const templatesApi = {
  listTemplates: createEndpoint({
    needs: "template:read",
    method: "GET",
    path: "/api/v1/templates",
    summary: "List the templates of the organization and of your boards; by name unless `sort` names another order",
    query: z.object({
      sort: TemplateSort.default("name"),
      ...createFieldsQuery(Template),
      ...rowsQuery,
    }),
    items: "templates",
    response: z.object({ templates: z.array(Template), ...pageEnd }),
  }),
  setTemplate: createEndpoint({
    needs: "template:write",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/templates",
    summary:
      "Create a template for new tasks, or replace the one of the same name. One for the whole organization also needs `organization:admin`",
    body: TemplateInput,
    response: Template,
    errors: ["templates_full", "template_not_found"],
  }),
  getTemplate: createEndpoint({
    needs: "template:read",
    method: "GET",
    path: "/api/v1/templates/:template_id",
    summary: "Get a template",
    params: templateParams,
    response: Template,
  }),
  removeTemplate: createEndpoint({
    needs: "template:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/templates/:template_id",
    summary: "Remove a template. Its tasks stay",
    params: templateParams,
    status: 204,
    response: "none",
  }),
  createTaskFromTemplate: createEndpoint({
    needs: "task:create",
    method: "POST",
    path: "/api/v1/templates/:template_id/tasks",
    summary: "Create a task from a template, with values for its placeholders",
    params: templateParams,
    body: TemplateTaskInput,
    status: 201,
    response: Task,
    errors: [
      "agent_type_unavailable",
      "policy_unsupported",
      "repository_refused",
      "template_value_unknown",
      "template_values_missing",
    ],
  }),
} as const;
