import type { TemplateFields } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, unique, uuid, varchar } from "drizzle-orm/pg-core";
import { stamps } from "./columns.ts";
import { boards, organizations, users } from "./people.ts";

/** What new tasks take from a template: one of a board, or of the whole organization. */
export const task_templates = pgTable(
  "task_templates",
  {
    id: uuid().primaryKey(),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    board_id: uuid().references(() => boards.id, { onDelete: "cascade" }),
    /** The board or the organization, in which the name is unique. */
    target_id: uuid()
      .notNull()
      .generatedAlwaysAs(sql`coalesce(board_id, organization_id)`),
    name: varchar({ length: 100 }).notNull(),
    fields: jsonb().$type<TemplateFields>().notNull(),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    ...stamps,
  },
  (t) => [
    unique("task_templates_name").on(t.organization_id, t.target_id, t.name),
    index("task_templates_board").on(t.board_id),
    index("task_templates_created_by").on(t.created_by),
  ],
);
