import { randomUUID } from "node:crypto";
import {
  fillPlaceholders,
  findPlaceholders,
  type TaskInput,
  type TemplateFields,
  type TemplateInput,
  type TemplateSort,
  type TemplateTaskInput,
  WharfError,
} from "@wharf/contract";
import { and, eq, isNull, or, type SQL, sql } from "drizzle-orm";
import { isOnVisibleBoard, requirePermission, type Scope, type VisibilityScope } from "../access/index.ts";
import {
  createRowOrders,
  type Database,
  mapPage,
  omitUndefined,
  type Page,
  type PageQuery,
  schema,
} from "../store/index.ts";
import type { Boards } from "./boards.ts";

const { task_templates } = schema;

/** Limit of templates per organization: more are a mistake of a program. */
const maxTemplates = 1_000;
/** Limits a title that is derived from the description. */
const maxTitleLength = 100;

const templateColumns = {
  id: task_templates.id,
  name: task_templates.name,
  board_id: task_templates.board_id,
  fields: task_templates.fields,
  created_at: task_templates.created_at,
  updated_at: task_templates.updated_at,
};
export interface TemplateRow {
  readonly id: string;
  readonly name: string;
  readonly board_id: string | null;
  readonly fields: TemplateFields;
  readonly placeholders: string[];
  readonly created_at: Date;
  readonly updated_at: Date;
}

const getOrder = createRowOrders(
  {
    // A board and the organization may have templates of the same name.
    name: [task_templates.name, task_templates.created_at, task_templates.id],
    created_at: [task_templates.created_at, task_templates.id],
    updated_at: [task_templates.updated_at, task_templates.id],
  },
  "name",
);

/** Templates of new tasks: those of boards are as visible as their boards. */
export class Templates {
  readonly #db: Database;
  readonly #boards: Pick<Boards, "get">;

  constructor(db: Database, boardRows: Pick<Boards, "get">) {
    this.#db = db;
    this.#boards = boardRows;
  }

  async list(
    scope: VisibilityScope,
    page: PageQuery & { sort?: TemplateSort | undefined },
  ): Promise<Page<TemplateRow>> {
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ ...templateColumns, position: order.position })
      .from(task_templates)
      .where(and(isVisibleTemplate(scope), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return mapPage(order.toPage(rows, page.limit), addPlaceholders);
  }

  async find(scope: VisibilityScope, id: string): Promise<TemplateRow> {
    const [row] = await this.#db
      .select(templateColumns)
      .from(task_templates)
      .where(and(isVisibleTemplate(scope), eq(task_templates.id, id)));
    if (!row) throw new WharfError("template_not_found", { name: id });
    return addPlaceholders(row);
  }

  /** Creates a template, or replaces the one of the same name and board. */
  async set(scope: Scope, { name, board_id: boardId, fields }: TemplateInput): Promise<TemplateRow> {
    await this.#requireTarget(scope, boardId ?? null);
    const { organization_id, user_id } = scope;
    const id = await this.#db.transaction(async (tx) => {
      // The lock keeps the count and the budget right while others change templates.
      await tx.execute(sql`select 1 from organizations where id = ${organization_id} for no key update`);
      const isSame = and(
        eq(task_templates.target_id, boardId ?? organization_id),
        eq(task_templates.organization_id, organization_id),
        eq(task_templates.name, name),
      );
      const [previous] = await tx.select({ fields: task_templates.fields }).from(task_templates).where(isSame);
      if (previous?.fields.budget_usd !== fields.budget_usd) requirePermission(scope, "budget:write");
      const { rows } = await tx.execute<{ count: number }>(sql`
        select count(*)::int as count from task_templates where organization_id = ${organization_id}`);
      const values = {
        id: randomUUID(),
        organization_id,
        board_id: boardId ?? null,
        name,
        fields,
        created_by: user_id,
      };
      const [row] = await tx
        .insert(task_templates)
        .values(values)
        .onConflictDoUpdate({
          target: [task_templates.organization_id, task_templates.target_id, task_templates.name],
          set: { fields, updated_at: sql`now()` },
        })
        .returning({ id: task_templates.id });
      if (row!.id === values.id && (rows[0]?.count ?? 0) >= maxTemplates)
        throw new WharfError("templates_full", { limit: maxTemplates });
      return row!.id;
    });
    return this.find(scope, id);
  }

  async remove(scope: Scope, id: string): Promise<void> {
    const template = await this.find(scope, id);
    await this.#requireTarget(scope, template.board_id);
    await this.#db.delete(task_templates).where(eq(task_templates.id, id));
  }

  /** Refuses a change by a person without a right on the board or the organization. */
  async #requireTarget(scope: Scope, boardId: string | null): Promise<void> {
    if (boardId === null) requirePermission(scope, "organization:admin");
    else await this.#boards.get(scope, boardId);
  }
}

const isVisibleTemplate = (scope: VisibilityScope): SQL | undefined =>
  and(
    eq(task_templates.organization_id, scope.organization_id),
    or(isNull(task_templates.board_id), isOnVisibleBoard(scope, sql`${task_templates.board_id}`)),
  );

const addPlaceholders = (row: Omit<TemplateRow, "placeholders">): TemplateRow => ({
  ...row,
  placeholders: getPlaceholders(row.fields),
});

const getPlaceholders = ({ title = "", description }: TemplateFields): string[] =>
  findPlaceholders(`${title} ${description}`);

/** Creates the input of a task from a template, with values for all placeholders. */
export function fillTemplate(
  { fields, placeholders }: Pick<TemplateRow, "fields" | "placeholders">,
  input: TemplateTaskInput,
): TaskInput {
  const { values, board_id: _, ...changes } = input;
  const missing = placeholders.filter((name) => !Object.hasOwn(values, name));
  if (missing.length > 0) throw new WharfError("template_values_missing", { names: missing });
  const unknown = Object.keys(values).find((name) => !placeholders.includes(name));
  if (unknown !== undefined) throw new WharfError("template_value_unknown", { name: unknown });
  const description = fillPlaceholders(fields.description, values);
  const title =
    fields.title === undefined ? getFirstLine(description) || "Task" : fillPlaceholders(fields.title, values);
  const { budget_usd: _budget, ...taskFields } = fields;
  const merged = { ...taskFields, title, ...omitUndefined(changes), description };
  return { ...merged, title: merged.title ?? title, priority: merged.priority ?? 0 };
}

const getFirstLine = (text: string): string => text.trim().split("\n")[0]?.trim().slice(0, maxTitleLength) ?? "";
