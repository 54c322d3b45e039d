import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { createOneOfCheck, stamps } from "./columns.ts";
import { users } from "./people.ts";
import { tasks } from "./tasks.ts";

/** What people say about a task, or about a file or a line of its changes. */
export const task_comments = pgTable(
  "task_comments",
  {
    id: uuid().primaryKey(),
    task_id: uuid()
      .notNull()
      .references(() => tasks.id, { onDelete: "cascade" }),
    author_id: uuid().references(() => users.id, { onDelete: "set null" }),
    text: text().notNull(),
    file: text(),
    line: integer(),
    side: text({ enum: ["old", "new"] }),
    /** The turn whose changes the comment is about. */
    turn_id: uuid(),
    /** The turn whose prompt contains the comment; null while it is open. */
    sent_turn_id: uuid(),
    ...stamps,
  },
  (t) => [
    check("task_comments_side", createOneOfCheck("side", ["old", "new"])),
    index("task_comments_task").on(t.task_id, t.created_at, t.id),
    index("task_comments_open")
      .on(t.task_id, t.created_at, t.id)
      .where(sql`sent_turn_id is null`),
    index("task_comments_author").on(t.author_id),
  ],
);
